"""The one command: it names every room's subcommands without loading the rooms, and a usage error is not a verdict."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import retroproof
from verification.errors import RetroProofError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "retroproof", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_lists_every_subcommand_without_importing_a_room():
    script = (
        "import sys, retroproof\n"
        "try:\n    retroproof.main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "rooms = {'api', 'deploy', 'edge_agent', 'ingest', 'simulators', 'verification.cli', 'numpy'}\n"
        "loaded = rooms & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    for name in retroproof.SUBCOMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", sorted(retroproof.SUBCOMMANDS))
def test_every_subcommand_has_help(name):
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: retroproof" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("no-such-command",), ("check",), ("verify", "--no-such-option"), ("edge", "run")]
)
def test_a_usage_error_exits_with_64(arguments):
    done = run(*arguments)
    assert done.returncode == 64, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("edge", "keygen", "--out", "{folder}/edge.key"), ("simulate", "points", "hengkang")]
)
def test_what_needs_no_opc_ua_does_not_wait_for_its_import(arguments, tmp_path):
    """It takes longer than all the rest together, and longest on a small box."""
    typed = [argument.format(folder=tmp_path) for argument in arguments]
    script = (
        "import sys, retroproof\n"
        f"try:\n    retroproof.main({typed!r})\n"
        "except SystemExit as end:\n    sys.exit(end.code or 'asyncua' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "room",
    [
        "import a_package_that_is_not_installed",
        "import click\n@click.command()\ndef room():\n    import a_package_that_is_not_installed",
    ],
    ids=["at once", "when it works"],
)
def test_a_room_whose_packages_are_missing_names_the_extra(room, tmp_path, monkeypatch, capsys):
    (tmp_path / "room_without_packages.py").write_text(f"{room}\n", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "room_without_packages", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(
        retroproof.SUBCOMMANDS, "room", retroproof.Subcommand("room_without_packages:room", "edge", "A room.")
    )
    with pytest.raises(SystemExit) as stopped:
        retroproof.main(["room"])
    assert stopped.value.code == 69
    assert "pip install 'retroproof[edge]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "package"),
    [("google", "protobuf"), ("google.protobuf", "protobuf"), ("paho", "paho-mqtt"), ("cbor2", "cbor2")],
)
def test_a_missing_package_is_named_as_one_installs_it(module, package):
    assert str(retroproof.MissingPackageError(module, "edge")).startswith(f"{package} is not installed")


@pytest.mark.parametrize(("error", "code"), [(RetroProofError("mend it"), 64), (ZeroDivisionError("ours"), 70)])
def test_a_failure_never_ends_with_the_code_of_a_verdict(error, code, monkeypatch, capsys):
    def fail(**_options: object) -> None:
        raise error

    monkeypatch.setattr(retroproof.cli, "main", fail)
    with pytest.raises(SystemExit) as stopped:
        retroproof.main([])
    assert stopped.value.code == code
    assert str(error) in capsys.readouterr().err


def test_an_output_that_nobody_reads_to_its_end_has_no_code_of_a_verdict():
    command = [sys.executable, "-m", "retroproof", "check", "tests/golden/v1/test-line.zip"]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (141, "")
