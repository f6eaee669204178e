"""The virtual environment is made once, mended when broken, and a machine without Python is told what to install.

Runs the real script on a small checkout with no requirements; `make test` itself runs it on this one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import setuptools

SCRIPT = Path(__file__).parents[2] / "deploy/local/bootstrap.sh"
PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "small"
version = "1"
scripts = { small = "small:main" }
[tool.setuptools]
py-modules = ["small"]
"""


def bootstrap(checkout, **environment):
    return subprocess.run(
        [checkout / "deploy/local/bootstrap.sh", ".venv"],
        env={**os.environ, "PYTHONPATH": str(checkout / "build-tools"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def runs(checkout):
    done = subprocess.run([checkout / ".venv/bin/small"], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout == "it runs\n"


def write_checkout(folder):
    (folder / "deploy/local").mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "deploy/local")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "requirements.lock").write_text("# nothing\n")
    (folder / "small.py").write_text("def main():\n    print('it runs')\n")
    # The small checkout pins nothing, so the setuptools that builds it is lent by the environment that runs the tests.
    (folder / "build-tools").mkdir()
    packages = Path(setuptools.__file__).parents[1]
    for part in (*packages.glob("setuptools*"), packages / "_distutils_hack"):
        (folder / "build-tools" / part.name).symlink_to(part)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkout whose environment the script has made."""
    checkout = write_checkout(tmp_path_factory.mktemp("made") / "small")
    done = bootstrap(checkout)
    assert done.returncode == 0, done.stderr
    assert "setup: ready" in done.stderr
    return checkout


def test_when_nothing_changed_it_does_nothing_and_says_nothing(made):
    assert runs(made)
    done = bootstrap(made)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_pin_or_setting_is_installed_into_the_same_environment(made, name):
    with (made / name).open("a") as stream:
        stream.write("# changed\n")
    done = bootstrap(made)
    assert done.returncode == 0, done.stderr
    assert "setup: installing" in done.stderr
    assert "setup: making" not in done.stderr
    assert bootstrap(made).stderr == ""


def test_an_environment_whose_making_was_interrupted_is_made_anew(made):
    (made / ".venv/.retroproof-installed").unlink()
    shutil.rmtree(next(made.glob(".venv/lib/python*/site-packages/pip")))
    done = bootstrap(made)
    assert done.returncode == 0, done.stderr
    assert "setup: making" in done.stderr
    assert runs(made)


def test_a_moved_checkout_gets_an_environment_for_its_new_place(made, tmp_path):
    moved = shutil.copytree(made, tmp_path / "moved", symlinks=True)
    done = bootstrap(moved)
    assert done.returncode == 0, done.stderr
    assert "setup: making" in done.stderr
    assert runs(moved)


def test_a_failed_installation_shows_why_and_is_tried_again(made):
    lock = made / "requirements.lock"
    whole = lock.read_text()
    lock.write_text(f"./absent-1-py3-none-any.whl --hash=sha256:{'0' * 64}\n")
    for _ in range(2):
        done = bootstrap(made)
        assert done.returncode == 1
        assert "absent-1-py3-none-any.whl" in done.stderr
        assert "installing the locked packages failed" in done.stderr
    lock.write_text(whole)
    assert bootstrap(made).returncode == 0


def test_without_a_usable_python_it_names_the_command_and_makes_nothing(tmp_path):
    checkout = write_checkout(tmp_path / "small")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "flock", "sha256sum", "cmp", "head", "grep", "tail", "cat"):
        (tools / tool).symlink_to(shutil.which(tool))
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # a Python that is too old refuses the question
    old.chmod(0o755)
    done = bootstrap(checkout, PATH=str(tools))
    assert done.returncode == 1
    assert "apt-get install python3" in done.stderr
    assert not (checkout / ".venv").exists()
