"""The .zip for transport: one byte form, no bomb, no way out of the folder, and never a traceback."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verification.errors import FormatError
from verification.evidence import archive, package
from verification.evidence.check import check_archive

FILES = {"manifest.json": b"{}", "batches/a/1/000000000000.cose": b"\x00\x01", "empty": b""}
PACKED = archive.pack(FILES)


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name), data, compress_type=compression)
        file.comment = comment
    return buffer.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        archive.unpack(data)
    return str(caught.value)


def test_an_archive_reads_back_and_the_same_files_give_the_same_bytes() -> None:
    assert archive.unpack(PACKED) == (FILES, True)
    assert archive.pack(dict(reversed(FILES.items()))) == PACKED


def test_any_zip_program_reads_it() -> None:
    with zipfile.ZipFile(io.BytesIO(PACKED)) as file:
        assert file.testzip() is None
        assert file.read("manifest.json") == b"{}"


def test_an_archive_packed_by_another_program_is_read_and_marked() -> None:
    files, canonical = archive.unpack(zipped(*FILES.items()))
    assert (files, canonical) == (FILES, False)


def test_a_decompression_bomb_is_never_inflated() -> None:
    bomb = zipped(("readings.csv", bytes(50_000_000)), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert "compressed" in refused(bomb)
    assert check_archive(bomb).exit_code == 2


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\x", "a/./b", "C:/x"])
def test_a_name_that_leads_out_of_the_folder_is_data_and_refuted(name: str) -> None:
    report = check_archive(zipped((name, b"x"), ("manifest.json", b'{"schema":"retroproof.package/1"}')))
    assert report.exit_code == 1
    assert any(reason.code == "UNSAFE_NAME" for reason in report.axes[0].reasons)


def test_two_entries_of_one_name_are_refused() -> None:
    # The names are made equal after packing, because zipfile would warn.
    assert "twice" in refused(zipped(("aa", b"1"), ("ab", b"2")).replace(b"ab", b"aa"))


def test_a_comment_and_bytes_after_the_end_are_refused() -> None:
    assert "holds a comment" in refused(zipped(("a", b"x"), comment=b"hidden"))
    assert "holds a comment" in refused(PACKED + b"x")


def test_bytes_before_or_between_the_entries_are_not_the_one_form() -> None:
    files, canonical = archive.unpack(b"hidden" + PACKED)
    assert not canonical
    assert files.keys() == FILES.keys()


def test_the_mark_of_a_symbolic_link_is_not_the_one_form() -> None:
    link = PACKED.replace(struct.pack("<L", 0o100644 << 16), struct.pack("<L", 0o120777 << 16))
    assert link != PACKED
    assert archive.unpack(link) == (FILES, False)


def test_an_encrypted_entry_is_refused() -> None:
    directory = PACKED.index(b"PK\x01\x02")
    assert "encrypted" in refused(PACKED[: directory + 8] + b"\x01\x00" + PACKED[directory + 10 :])


@pytest.mark.parametrize("size", [10_000, 2**31, 2**32 - 2])
def test_an_entry_that_claims_more_bytes_than_there_are_is_refused(size: int) -> None:
    directory = PACKED.index(b"PK\x01\x02")
    sizes = struct.pack("<LL", size, size)
    assert refused(PACKED[: directory + 20] + sizes + PACKED[directory + 28 :])


def test_an_archive_that_claims_too_many_entries_is_refused_before_they_are_read() -> None:
    end = len(PACKED) - 22
    claims = PACKED[: end + 10] + struct.pack("<H", 65_535) + PACKED[end + 12 :]
    assert str(package.MAX_FILES) in refused(claims)


def test_overlapping_entries_cannot_multiply_bytes_beyond_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry of a small archive may point at the same data; the bound is on what they claim together."""
    monkeypatch.setattr(package, "MAX_TOTAL_BYTES", 100)
    assert "at most 100" in refused(zipped(*((f"f{number}", bytes(11)) for number in range(10))))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_damage_to_an_archive_ever_crashes_or_verifies(data: st.DataObject) -> None:
    damaged = bytearray(PACKED)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert check_archive(bytes(damaged)).exit_code in (1, 2)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_crash_the_check(data: bytes) -> None:
    assert check_archive(data).exit_code == 2
    assert check_archive(PACKED[:-22] + data + PACKED[-22:]).exit_code in (1, 2)
