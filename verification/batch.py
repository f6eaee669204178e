"""The signed batch: what an edge agent seals, the broker carries, ingest stores byte for byte and an auditor re-checks.

A COSE_Sign1 message over a zstd-compressed CBOR map whose columns are typed arrays (RFC 8746). The signed header chains
the batches of an epoch: each names the SHA-256 of the one before. Reading goes in steps, so that the cheap checks come
first and nothing is decompressed before its signature holds: `open_batch`, then `Batch.envelope.signed_by`, then
`read_payload`. Every length has a bound.

Does not decide whether a batch may be stored (ingest does), nor whether a key is trusted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, cast

import cbor2
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import cose, keys
from verification.errors import FormatError
from verification.model import (
    COLUMN_TYPES,
    DEVICE_ID,
    MAX_TEXT_CHARS,
    MAX_TIME_US,
    NULL_TIME_US,
    Point,
    PointKind,
    Rows,
    from_little_endian,
    little_endian,
)

CONTENT_TYPE = "application/vnd.retroproof.batch.v1+cbor+zstd"
MAX_BATCH_BYTES = 256 * 1024
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
MAX_ROWS = 50_000
MAX_POINTS = 10_000
MAX_GAPS = 1_000
MAX_FILES = 1_000
MAX_SOURCES = 1_000
MAX_STATE_CHARS = 200
HASH_BYTES = 32
NO_PREVIOUS = bytes(HASH_BYTES)  # what the first batch of an epoch names as its predecessor
INT63_MAX = 2**63 - 1

# RFC 8746, table 1: little-endian typed arrays by Python array type code.
TYPED_ARRAY_TAGS = {"B": 64, "H": 69, "I": 70, "q": 79, "d": 86}
_USUAL_TIME_BYTES = bytes(range(MAX_TIME_US >> 48))  # of the second highest byte of a time below the bound
CLOCK_STATES = ("synchronised", "unsynchronised", "unknown")


@dataclass(frozen=True, slots=True)
class Header:
    """What the signature covers beside the payload.

    epoch: microseconds since 1970 at which the spool was made, a new one when a spool is lost; sequence: 0, 1, 2, ...
    within the epoch; previous: SHA-256 of the batch before, 32 zero bytes at sequence 0; clock_offset_us: the agent's
    clock minus its reference, None if unknown; dropped: readings lost since the last batch (each inside a gap record);
    filtered: readings left out by a configured rule.
    """

    device: str
    epoch: int
    sequence: int
    previous: bytes
    signed_at_us: int
    clock_state: str = "unknown"
    clock_offset_us: int | None = None
    dropped: int = 0
    filtered: int = 0


@dataclass(frozen=True, slots=True)
class ManualFile:
    """A file that a person filled in and the agent read, once.

    The manual rows of an epoch, in their order, are those of its files, in theirs. sha256: of the file's bytes as read.
    """

    source: str
    name: str
    sha256: bytes
    rows: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Names points, and files from which readings come, for the rest of the epoch.

    Points[i] has the index first_index + i. An index is never given twice.
    """

    points: tuple[Point, ...]
    first_index: int = 0
    files: tuple[ManualFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Readings that are known to be missing: a signed admission, with its reason, of what could not be kept."""

    points: tuple[int, ...]
    start_us: int
    end_us: int
    reason: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps that one batch admits."""

    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one of the agent's sources fares. bad: messages or values it could not read; dropped: readings it lost."""

    name: str
    kind: str
    state: str
    message: str = ""
    bad: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Says that a silent agent is alive: its version, since when it runs, its sources, its spool and its clock.

    oldest_us: when the oldest unacknowledged batch was sealed; ntp_offset_us: what the kernel still has to correct;
    clock_error_us: the most by which the header's clock_offset_us can be wrong, half the fastest round trip to ingest.
    """

    agent: str
    started_us: int
    sources: tuple[SourceState, ...] = ()
    waiting_batches: int = 0
    waiting_rows: int = 0
    used_bytes: int = 0
    oldest_us: int | None = None
    ntp_offset_us: int | None = None
    clock_error_us: int | None = None


@dataclass(frozen=True, slots=True)
class KeyChange:
    """Names the key (32 raw bytes, Ed25519) that signs every later batch; the old one signs this batch as its last."""

    public_key: bytes


Payload = Rows | Catalogue | Gaps | Heartbeat | KeyChange


@dataclass(frozen=True, slots=True)
class Batch:
    """A parsed batch: its header is well-formed, its signature and payload have not been looked at yet."""

    header: Header
    envelope: cose.Envelope

    @property
    def sha256(self) -> bytes:
        """The hash of the whole message: the batch's identity, and the next batch's `previous`."""
        return self.envelope.sha256


def seal(header: Header, payload: Payload, key: Ed25519PrivateKey) -> bytes:
    """Encode, compress and sign one batch. Raises FormatError when it exceeds a bound that the reader would enforce."""
    plain = cbor2.dumps(_to_map(payload))
    packed = zstandard.ZstdCompressor(level=3, write_content_size=True).compress(plain)
    claims = {field.name: getattr(header, field.name) for field in fields(Header)}
    sealed = cose.sign(claims, packed, content_type=CONTENT_TYPE, key=key)
    if len(plain) > MAX_PAYLOAD_BYTES or len(sealed) > MAX_BATCH_BYTES:
        raise FormatError(
            "bound_exceeded", f"{len(sealed)} bytes sealed, {len(plain)} plain; put fewer rows into a batch"
        )
    return sealed


def open_batch(data: bytes) -> Batch:
    """Parse envelope and header only. Raises FormatError (`bound_exceeded`, `undecodable`)."""
    envelope = cose.open_envelope(data, content_type=CONTENT_TYPE, max_bytes=MAX_BATCH_BYTES)
    match envelope.protected:
        case {
            "device": str(device),
            "epoch": int(epoch),
            "sequence": int(sequence),
            "previous": bytes(previous),
            "signed_at_us": int(signed_at_us),
            "clock_state": str(clock_state),
            "clock_offset_us": int() | None as clock_offset_us,
            "dropped": int(dropped),
            "filtered": int(filtered),
        }:
            pass
        case _:
            raise FormatError("undecodable", "a header field is missing or of a wrong type")
    header = Header(device, epoch, sequence, previous, signed_at_us, clock_state, clock_offset_us, dropped, filtered)
    _check_header(header)
    return Batch(header, envelope)


def payload_bytes(batch: Batch) -> int:
    """What its payload inflates to, as the frame states it; 0 where `read_payload` refuses the frame without a look."""
    try:
        return _stated_size(batch.envelope.payload)
    except FormatError:
        return 0


def read_payload(batch: Batch) -> Payload:
    """Decompress and decode; call it once the signature holds. Raises FormatError (`bound_exceeded`, `undecodable`)."""
    body = cose.read_cbor(_decompress(batch.envelope.payload))
    match body:
        case {"kind": str(kind), **columns} if kind in _READERS:
            return _READERS[kind](cast("dict[str, Any]", columns))
        case _:
            raise FormatError("undecodable", "not one of the kinds of batch: " + ", ".join(_READERS))


def _check_header(header: Header) -> None:
    if not DEVICE_ID.fullmatch(header.device):
        raise FormatError("undecodable", "the device id may hold a-z, 0-9 and -, at most 63 characters")
    if len(header.previous) != HASH_BYTES or header.clock_state not in CLOCK_STATES:
        raise FormatError("undecodable", "the previous hash or the clock state is malformed")
    counts = (header.epoch, header.sequence, header.signed_at_us, header.dropped, header.filtered)
    if not all(0 <= count <= INT63_MAX for count in counts) or abs(header.clock_offset_us or 0) > INT63_MAX:
        raise FormatError("bound_exceeded", "a number in the header is negative or too large")


def _decompress(packed: bytes) -> bytes:
    """Inflate a frame that states its size.

    The size is checked before a byte is inflated, and zstd holds the frame to it.
    """
    _stated_size(packed)
    try:
        return zstandard.ZstdDecompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as err:
        raise _no_frame(err) from err


def _stated_size(packed: bytes) -> int:
    try:
        size = zstandard.frame_content_size(packed)
    except zstandard.ZstdError as err:
        raise _no_frame(err) from err
    if size < 0:
        raise FormatError("undecodable", "the compressed frame does not state its size")
    if size > MAX_PAYLOAD_BYTES:
        raise FormatError("bound_exceeded", f"the payload claims {size} bytes; at most {MAX_PAYLOAD_BYTES} are taken")
    return size


def _no_frame(err: zstandard.ZstdError) -> FormatError:
    return FormatError("undecodable", f"not a zstd frame: {err}")


def _to_map(payload: Payload) -> dict[str, Any]:
    match payload:
        case Rows():
            return {"kind": "readings"} | {
                name: _typed_array(code, getattr(payload, name)) for name, code in COLUMN_TYPES.items()
            }
        case Catalogue():
            points = [[p.name, p.address, p.unit, str(p.kind), p.meter] for p in payload.points]
            files = [[f.source, f.name, f.sha256, f.rows] for f in payload.files]
            named = {"kind": "catalogue", "first_index": payload.first_index, "points": points}
            return named | ({"files": files} if files else {})
        case Gaps():
            gaps = [[list(g.points), g.start_us, g.end_us, g.reason, g.count] for g in payload.gaps]
            return {"kind": "gaps", "gaps": gaps}
        case Heartbeat():
            said = {field.name: getattr(payload, field.name) for field in fields(Heartbeat)}
            sources = [[s.name, s.kind, s.state, s.message, s.bad, s.dropped] for s in payload.sources]
            return {"kind": "heartbeat"} | said | {"sources": sources}
        case KeyChange():
            return {"kind": "key_change", "public_key": payload.public_key}


def _typed_array(code: str, column: Any) -> cbor2.CBORTag:  # noqa: ANN401 - array[int] or array[float]
    return cbor2.CBORTag(TYPED_ARRAY_TAGS[code], little_endian(column))


def _read_rows(columns: dict[str, Any]) -> Rows:
    if columns.keys() != COLUMN_TYPES.keys():
        raise FormatError("undecodable", "the columns of a batch of readings are: " + ", ".join(COLUMN_TYPES))
    rows = Rows(**{name: _read_column(name, code, columns[name]) for name, code in COLUMN_TYPES.items()})
    lengths = {len(getattr(rows, name)) for name in COLUMN_TYPES}
    if len(lengths) != 1 or 0 in lengths:
        raise FormatError("undecodable", "the columns must be equally long, and not empty")
    if len(rows) > MAX_ROWS:
        raise FormatError("bound_exceeded", f"{len(rows)} rows; at most {MAX_ROWS} are taken")
    _check_times(rows.time_us)
    if rows.server_time_us != rows.time_us:
        _check_times(rows.server_time_us)
    return rows


def _check_times(times: array[int]) -> None:
    """Raise FormatError for a time out of bounds.

    The two highest bytes of a time from 1970 to 2192 show that it is one. Only where others are among them is each time
    looked at: that alone would be most of what reading a batch costs.
    """
    data = little_endian(times)
    if not data[7::8].translate(None, b"\0") and not data[6::8].translate(None, _USUAL_TIME_BYTES):
        return
    if min(times) < NULL_TIME_US or max(times) > MAX_TIME_US:
        raise FormatError("bound_exceeded", "a time lies outside the years 1601 to 2200")


def _read_column(name: str, code: str, tagged: object) -> Any:  # noqa: ANN401 - array[int] or array[float]
    match tagged:
        case cbor2.CBORTag(tag=tag, value=bytes(data)) if tag == TYPED_ARRAY_TAGS[code]:
            return from_little_endian(code, data)
        case _:
            raise FormatError("undecodable", f"column {name} is not a typed array with tag {TYPED_ARRAY_TAGS[code]}")


def _read_catalogue(columns: dict[str, Any]) -> Catalogue:
    match columns:
        case {"first_index": int(first), "points": list(points), **rest}:
            files = rest.pop("files", [])
        case _:
            raise FormatError("undecodable", "a catalogue has a first index and points")
    if rest or not isinstance(files, list) or not (points or files) or len(files) > MAX_FILES:
        raise FormatError("undecodable", f"a catalogue names at least one point or file, and at most {MAX_FILES} files")
    if first < 0 or first + len(points) > MAX_POINTS:
        raise FormatError("bound_exceeded", f"point indices run from 0 to {MAX_POINTS - 1}")
    return Catalogue(tuple(map(_read_point, points)), first, tuple(map(_read_file, files)))


def _read_file(item: object) -> ManualFile:
    match item:
        case [str(source), str(name), bytes(sha256), int(rows)] if len(sha256) == HASH_BYTES and source and name:
            if max(len(source), len(name)) > MAX_TEXT_CHARS or not 0 <= rows <= INT63_MAX:
                raise FormatError("bound_exceeded", "a file's source, name or number of rows exceeds its bound")
            return ManualFile(source, name, sha256, rows)
        case _:
            raise FormatError("undecodable", "a file has source, name, SHA-256 and a number of rows")


def _read_point(item: object) -> Point:
    match item:
        case [str(name), str(address), str(unit), str(kind), str(meter)] if kind in set(PointKind) and name:
            if max(map(len, (name, address, unit, meter))) > MAX_TEXT_CHARS or "\x00" in name + address + unit + meter:
                raise FormatError("bound_exceeded", f"a text in the catalogue exceeds {MAX_TEXT_CHARS} characters")
            return Point(name, address, unit, PointKind(kind), meter)
        case _:
            raise FormatError("undecodable", "a point has name, address, unit, kind and meter")


def _read_gaps(columns: dict[str, Any]) -> Gaps:
    match columns:
        case {"gaps": list(gaps), **rest} if not rest and gaps:
            pass
        case _:
            raise FormatError("undecodable", "a batch of gaps has at least one gap")
    if len(gaps) > MAX_GAPS:
        raise FormatError("bound_exceeded", f"{len(gaps)} gaps; at most {MAX_GAPS} are taken")
    return Gaps(tuple(_read_gap(gap) for gap in gaps))


def _read_gap(item: object) -> Gap:
    match item:
        case [list(points), int(start), int(end), str(reason), int() | None as count]:
            pass
        case _:
            raise FormatError("undecodable", "a gap has points, start, end, reason and count")
    if not all(isinstance(point, int) and 0 <= point < MAX_POINTS for point in points):
        raise FormatError("undecodable", "a gap names points by their index in the catalogue")
    if "\x00" in reason:
        raise FormatError("undecodable", "a gap's reason holds a null character, which no database stores")
    if (
        not NULL_TIME_US <= start <= end <= MAX_TIME_US
        or len(reason) > MAX_TEXT_CHARS
        or not 0 <= (count or 0) <= INT63_MAX
    ):
        raise FormatError("bound_exceeded", "a gap ends before it begins, or a value exceeds its bound")
    return Gap(tuple(cast("list[int]", points)), start, end, reason, count)


def _read_heartbeat(columns: dict[str, Any]) -> Heartbeat:
    match columns:
        case {"agent": str(agent), "sources": list(sources), **counts} if len(sources) <= MAX_SOURCES:
            pass
        case _:
            raise FormatError("undecodable", f"a heartbeat names its agent and at most {MAX_SOURCES} sources")
    if counts.keys() != _HEARTBEAT_NUMBERS or len(agent) > MAX_STATE_CHARS or "\x00" in agent:
        raise FormatError("undecodable", "the numbers of a heartbeat are: " + ", ".join(sorted(_HEARTBEAT_NUMBERS)))
    for name, count in counts.items():
        if not (isinstance(count, int) or (count is None and name in _HEARTBEAT_OPTIONAL)):
            raise FormatError("undecodable", f"{name} of a heartbeat is not a number")
        if abs(count or 0) > INT63_MAX:
            raise FormatError("bound_exceeded", f"{name} of a heartbeat is too large")
    return Heartbeat(agent=agent, sources=tuple(_read_source(source) for source in sources), **counts)


def _read_source(item: object) -> SourceState:
    match item:
        case [str(name), str(kind), str(state), str(message), int(bad), int(dropped)]:
            texts = (name, kind, state, message)
        case _:
            raise FormatError("undecodable", "a source of a heartbeat has name, kind, state, message and two counts")
    if max(map(len, texts)) > MAX_STATE_CHARS or any("\x00" in text for text in texts):
        raise FormatError("bound_exceeded", f"a text in a heartbeat exceeds {MAX_STATE_CHARS} characters")
    if not (0 <= bad <= INT63_MAX and 0 <= dropped <= INT63_MAX):
        raise FormatError("bound_exceeded", "a count in a heartbeat is negative or too large")
    return SourceState(name, kind, state, message, bad, dropped)


def _read_key_change(columns: dict[str, Any]) -> KeyChange:
    match columns:
        case {"public_key": bytes(raw), **rest} if not rest and len(raw) == keys.PUBLIC_KEY_BYTES:
            return KeyChange(raw)
        case _:
            raise FormatError("undecodable", f"a change of key holds a public key of {keys.PUBLIC_KEY_BYTES} bytes")


_HEARTBEAT_NUMBERS = {field.name for field in fields(Heartbeat)} - {"agent", "sources"}
_HEARTBEAT_OPTIONAL = {"oldest_us", "ntp_offset_us", "clock_error_us"}
_READERS: dict[str, Callable[[dict[str, Any]], Payload]] = {
    "readings": _read_rows,
    "catalogue": _read_catalogue,
    "gaps": _read_gaps,
    "heartbeat": _read_heartbeat,
    "key_change": _read_key_change,
}
