"""`retroproof check`: exit codes, languages, JSON, and what it refuses to open."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from package_builder import DEVICE, DEVICE_ID, ENGINE, LOG, STRANGER, forged, good_package

import retroproof
from verification import keys, strictjson
from verification.evidence import archive, package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An honest package as a folder."""
    root = tmp_path / "package"
    for name, data in good_package().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        retroproof.main(["check", *map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def trust_file(path: Path, **others: str) -> Path:
    texts = {"engine": keys.public_text(ENGINE), "log": keys.public_text(LOG), **others}
    path.write_text("# keys\n" + "".join(f"{name} {key}\n" for name, key in texts.items()))
    return path


def test_a_folder_and_its_archive_are_verified_with_one_line_per_axis(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "package.zip"
    packed.write_bytes(archive.pack(good_package()))
    for path in (folder, packed):
        assert run(path, "--recompute") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"package {package.manifest_sha256(good_package())}"
        axes = ["bytes", "signer", "completeness", "plausibility", "recomputation", "claim"]
        assert [line.split() for line in lines[1:7]] == [[f"{axis}:", "VERIFIED"] for axis in axes]


def test_a_changed_byte_exits_with_1_and_names_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = folder / "readings.csv"
    target.write_bytes(target.read_bytes().replace(b"1000000.0", b"1000000.1", 1))
    assert run(folder) == 1
    assert "[bytes] readings.csv was changed" in capsys.readouterr().out
    assert run(folder, "--lang", "zh") == 1
    assert "[字节] readings.csv 被改动" in capsys.readouterr().out


def test_json_holds_both_languages(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["outcome"] == "verified"
    assert {"en", "zh", "code", "weight", "file"} == set(content["axes"]["signer"]["reasons"][0])


def test_what_a_stranger_wrote_into_a_finding_is_shown_as_it_is_and_asks_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read by format(), the first interval would be 200 MB of spaces, the second no format at all."""
    result = strictjson.read(good_package()[package.RESULT])
    hostile = {"count": 3, "expected": 7, "percent": "9", "limit": "2", "billed": "1", "metered": "2", "unit": "kWh"}
    result["findings"] = [
        {
            "code": "BILL_DISAGREES",
            "severity": "error",
            "data": {**hostile, "interval": interval, "bill": "b", "point": p},
        }
        for p, interval in (("x", ">200000000"), ("y", "fortnight"), ("z", "{count}"))
    ] + [{"code": "TOO_FEW_INTERVALS", "severity": "error", "data": {}}]
    packed = tmp_path / "forged.zip"
    packed.write_bytes(archive.pack(forged({package.RESULT: strictjson.encode(result)})))
    for language in ("en", "zh"):
        assert run(packed, "--lang", language) == 1
        assert ">200000000" in capsys.readouterr().out
        assert run(packed, "--json", "--lang", language) == 1
        reasons = json.loads(capsys.readouterr().out)["axes"]["plausibility"]["reasons"]
        texts = [reason[language] for reason in reasons]
        assert len(texts) == 4
        assert all(len(text) < 400 for text in texts)
        assert ">200000000" in texts[0]
        assert "fortnight" in texts[1]
        assert "{count}" in texts[2]
        assert "?" in texts[3]


def test_what_cannot_be_read_as_a_package_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truncated = tmp_path / "truncated.zip"
    truncated.write_bytes(archive.pack(good_package())[:-100])
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (truncated, empty, trust_file(tmp_path / "text")):
        assert run(path) == 2
    assert "manifest.json is not there" in capsys.readouterr().out


def test_what_cannot_be_read_as_a_package_is_told_apart_with_its_next_step_in_both_languages(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = archive.pack(good_package())
    compressed = tmp_path / "compressed.zip"
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in good_package().items():
            packed.writestr(name, data)
    for name, data in {"text.txt": b"no archive", "empty.zip": b"", "cut.zip": whole[:-100]}.items():
        (tmp_path / name).write_bytes(data)
    expected = {
        tmp_path / "text.txt": ("the folder that holds manifest.json", "请指定 manifest.json 所在的文件夹"),
        tmp_path / "empty.zip": ("not a .zip archive", "不是 .zip 压缩包"),
        tmp_path / "cut.zip": ("copy it again", "请从来源重新复制"),
        compressed: ("unpack it and check the folder", "请解压后检查文件夹"),
        folder.parent: ("give the folder that holds it", "请指定该文件所在的文件夹"),
    }
    for path, (english, chinese) in expected.items():
        assert run(path) == 2
        assert english in capsys.readouterr().out
        assert run(path, "--lang", "zh") == 2
        assert chinese in capsys.readouterr().out


def test_usage_errors_exit_with_64(folder: Path, tmp_path: Path) -> None:
    bad_trust = tmp_path / "trust"
    bad_trust.write_text("engine nonsense\n")
    for arguments in ([tmp_path / "none"], [], [folder, "--lang", "fr"], [folder, "--trust", tmp_path / "none"]):
        assert run(*arguments) == 64
    assert run(folder, "--trust", bad_trust) == 64
    assert run(folder, "--trust", tmp_path) == 64


def test_pinned_keys_verify_and_foreign_ones_refute(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--trust", trust_file(tmp_path / "a")) == 0
    assert run(folder, "--trust", trust_file(tmp_path / "b", **{f"device/{DEVICE_ID}": keys.public_text(DEVICE)})) == 0
    assert run(folder, "--trust", trust_file(tmp_path / "c", engine=keys.public_text(STRANGER))) == 1


def test_a_link_a_pipe_and_a_huge_file_in_the_folder_are_refused_unread(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extra = folder / "extra"
    extra.symlink_to("/etc/passwd")
    assert run(folder) == 2
    extra.unlink()
    os.mkfifo(extra)
    assert run(folder) == 2
    extra.unlink()
    with extra.open("wb") as file:
        file.truncate(package.MAX_TOTAL_BYTES + 1)
    assert run(folder) == 2
    assert capsys.readouterr().out.count("extra: a link, a device, or more bytes than a package may hold") == 3
    extra.unlink()
    assert run(folder) == 0


def test_a_linked_folder_is_not_entered(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "more").symlink_to(elsewhere)
    assert run(folder) == 2


def test_a_device_is_not_a_package() -> None:
    assert run(Path("/dev/zero")) == 2


def test_a_file_that_was_added_in_a_subfolder_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "batches" / "notes.txt").write_text("x")
    assert run(folder) == 1
    assert "batches/notes.txt is not listed" in capsys.readouterr().out
