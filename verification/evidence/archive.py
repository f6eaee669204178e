"""The package as one .zip file, for transport only: stored without compression, one byte form for one content.

A general .zip has many places for bytes that no signature covers: comments, extra fields, room between entries, a
second entry of the same name. `unpack` therefore says whether an archive is exactly what `pack` writes. Nothing is
ever inflated, so there is no decompression bomb, and nothing is written to disk.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from verification.errors import FormatError
from verification.evidence.package import MAX_FILES, MAX_NAME_CHARS, MAX_TOTAL_BYTES, check_bounds

_LOCAL_HEADER_BYTES = 30  # PKWARE APPNOTE 4.3.7, before name and extra field
_END_RECORD = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16; the last thing in an archive without a comment
_END_SIGNATURE = b"PK\x05\x06"
_ENTRY_SIGNATURE = b"PK\x03\x04"
_EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16
_CREATED_ON_UNIX = 3
MAX_ARCHIVE_BYTES = MAX_TOTAL_BYTES + MAX_FILES * (2 * MAX_NAME_CHARS + 128)


def pack(files: Mapping[str, bytes]) -> bytes:
    """`files` as a .zip, in order of name, with fixed times and modes."""
    check_bounds(len(files), sum(map(len, files.values())))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EARLIEST_TIME)
            info.create_system = _CREATED_ON_UNIX
            info.external_attr = _REGULAR_FILE
            archive.writestr(info, files[name])
    return buffer.getvalue()


def unpack(data: bytes) -> tuple[dict[str, bytes], bool]:
    """The files of an archive, and whether it has the one form that `pack` gives to them.

    Checksums are left to the manifest, which names the file that was changed. Raises FormatError (`bound_exceeded`,
    `undecodable`, `no_archive`, `archive_cut`, `archive_compressed`) where the archive cannot be read at all.
    """
    if len(data) > MAX_ARCHIVE_BYTES:
        raise FormatError("bound_exceeded", f"{len(data)} bytes; an archive has at most {MAX_ARCHIVE_BYTES}")
    _check_end_record(data)
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
        check_bounds(len(members), sum(member.file_size for member in members))
        for member in members:
            if member.filename in files:
                raise FormatError("undecodable", f"{member.filename[:MAX_NAME_CHARS]!r} is in the archive twice")
            files[member.filename] = _content(data, member)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OverflowError, EOFError) as err:
        raise FormatError("undecodable", f"not a readable .zip archive: {err}; copy it again from its source") from err
    return files, _is_canonical(files, data)


def _check_end_record(data: bytes) -> None:
    """Look at the number of entries before any of them is read."""
    if not data.startswith(_ENTRY_SIGNATURE) and _END_SIGNATURE not in data:
        raise FormatError("no_archive", "not a .zip archive")
    tail = data[-_END_RECORD.size :]
    if len(tail) < _END_RECORD.size or not tail.startswith(_END_SIGNATURE):
        raise FormatError("archive_cut", "not a whole .zip archive: it was cut short, or holds a comment")
    entry_count = _END_RECORD.unpack(tail)[4]
    check_bounds(entry_count, 0)


def _content(data: bytes, member: zipfile.ZipInfo) -> bytes:
    """The bytes of one stored entry, cut out of the archive."""
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise FormatError("archive_compressed", "the archive is compressed or encrypted")
    name_bytes, extra_bytes = struct.unpack_from("<HH", data, member.header_offset + 26)
    start = member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    if start + member.file_size > len(data):
        raise FormatError("undecodable", f"{member.filename[:MAX_NAME_CHARS]!r} ends beyond the end of the archive")
    return data[start : start + member.file_size]


def _is_canonical(files: Mapping[str, bytes], data: bytes) -> bool:
    try:
        return pack(files) == data
    except (ValueError, UnicodeError):  # a name that zipfile reads but does not write
        return False
