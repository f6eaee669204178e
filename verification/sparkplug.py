"""Sparkplug B 3.0 payloads and topics, read from strangers within bounds and written for commands and tests.

A payload is one protobuf message of the schema that the specification publishes (Eclipse Sparkplug 3.0.0, chapter 6);
the table below is that schema as far as a measured value needs it. Data sets, templates and metadata are left unread: a
metric that carries one has no value here. A payload that was compressed as the Eclipse Tahu clients do it (uuid
`SPBV1.0_COMPRESSED`) is inflated within the same bound.

Every malformed input is a FormatError. What a message means in its session (births, aliases, sequence, death) is for
whoever listens; nothing here is evidence, since QoS 0 and an 8-bit sequence cannot carry it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from verification.errors import FormatError

NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"  # writing true to it in an NCMD asks for all births anew
BD_SEQ = "bdSeq"  # ties a death certificate to the birth of the same connection
QUALITY, UNIT = "Quality", "engUnit"  # property keys
QUALITY_GOOD = 192
SEQUENCES = 256
MAX_PAYLOAD_BYTES = 512 * 1024
MAX_METRICS = 20_000
MAX_NAME_CHARS = 1024
MAX_ID_CHARS = 255  # of a group, node or device
MAX_PROPERTIES = 100
COMPRESSED = "SPBV1.0_COMPRESSED"
EITHER_HEADER = 32 + zlib.MAX_WBITS  # zlib or gzip, told apart by the header

MESSAGE_KINDS = ("NBIRTH", "NDATA", "NDEATH", "NCMD", "DBIRTH", "DDATA", "DDEATH", "DCMD")


class DataType(IntEnum):
    """The types of a metric that can be a number, and the text type."""

    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


NUMBERS = frozenset(DataType) - {DataType.STRING}
SIGNED_BITS = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
UNSIGNED_BITS = {DataType.UINT8: 8, DataType.UINT16: 16, DataType.UINT32: 32, DataType.UINT64: 64}
# The field of the `value` oneof that a type is written to. Readers take integers from either integer field, because
# the Tahu clients write UInt32 as `long_value`.
_VALUE_FIELDS = {
    **dict.fromkeys((DataType.INT64, DataType.UINT64), "long_value"),
    DataType.FLOAT: "float_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
}
_READ_FIELDS = ("int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value")

# message -> (number, name, protobuf type, or another message of the table; "[]" where repeated).
_SCHEMA: Mapping[str, tuple[tuple[int, str, str], ...]] = {
    "Payload": (
        (1, "timestamp", "uint64"),
        (2, "metrics", "Metric[]"),
        (3, "seq", "uint64"),
        (4, "uuid", "string"),
        (5, "body", "bytes"),
    ),
    "Metric": (
        (1, "name", "string"),
        (2, "alias", "uint64"),
        (3, "timestamp", "uint64"),
        (4, "datatype", "uint32"),
        (5, "is_historical", "bool"),
        (6, "is_transient", "bool"),
        (7, "is_null", "bool"),
        (9, "properties", "PropertySet"),
        (10, "int_value", "uint32"),
        (11, "long_value", "uint64"),
        (12, "float_value", "float"),
        (13, "double_value", "double"),
        (14, "boolean_value", "bool"),
        (15, "string_value", "string"),
    ),
    "PropertySet": ((1, "keys", "string[]"), (2, "values", "PropertyValue[]")),
    "PropertyValue": (
        (1, "type", "uint32"),
        (2, "is_null", "bool"),
        (3, "int_value", "uint32"),
        (4, "long_value", "uint64"),
        (5, "float_value", "float"),
        (6, "double_value", "double"),
        (7, "boolean_value", "bool"),
        (8, "string_value", "string"),
    ),
}

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of a payload. `value` is as on the wire (see `number`), None where it is null or of a type left unread.

    name: empty in data that uses the alias instead; time_ms: milliseconds since 1970 UTC; datatype: may be left to the
    birth; quality, unit: the properties of these names.
    """

    name: str = ""
    value: Value | None = None
    datatype: int | None = None
    time_ms: int | None = None
    alias: int | None = None
    historical: bool = False
    quality: int | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Payload:
    """One message's content. sequence: 0 to 255, None where there is none, as in a death certificate of a node."""

    metrics: tuple[Metric, ...] = ()
    time_ms: int | None = None
    sequence: int | None = None

    @property
    def bd_seq(self) -> int | None:
        """The number that a birth and a death certificate of one connection have in common."""
        found = (m.value for m in self.metrics if m.name == BD_SEQ and type(m.value) is int)
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Topic:
    """`spBv1.0/<group>/<kind>/<node>[/<device>]`; device is empty for messages about the node itself."""

    group: str
    kind: str
    node: str
    device: str = ""

    def __str__(self) -> str:
        parts = (NAMESPACE, self.group, self.kind, self.node, self.device)
        return "/".join(part for part in parts if part)


def read_topic(text: str) -> Topic:
    """The parts of a topic. Raises FormatError; also for STATE topics, which concern host applications only."""
    match text.split("/"):
        case [namespace, group, kind, node, *device] if namespace == NAMESPACE and kind in MESSAGE_KINDS:
            if max(len(part) for part in (group, node, *device)) > MAX_ID_CHARS:
                raise FormatError("bound_exceeded", f"a group, node or device has at most {MAX_ID_CHARS} characters")
            for_device = kind.startswith("D")
            if group and node and len(device) == for_device and all(device):
                return Topic(group, kind, node, *device)
    raise FormatError("undecodable", f"not a Sparkplug B topic of a node or device: {text[:200]!r}")


def decode(data: bytes) -> Payload:
    """Read one payload, compressed or not. Raises FormatError (`bound_exceeded`, `undecodable`)."""
    found = _parse(data)
    if found.uuid == COMPRESSED:
        found = _parse(_inflate(found.body))
    if len(found.metrics) > MAX_METRICS:
        raise FormatError("bound_exceeded", f"{len(found.metrics)} metrics; at most {MAX_METRICS} are taken")
    sequence = found.seq if found.HasField("seq") else None
    if sequence is not None and sequence >= SEQUENCES:
        raise FormatError("bound_exceeded", f"sequence number {sequence}; it runs from 0 to {SEQUENCES - 1}")
    time_ms = found.timestamp if found.HasField("timestamp") else None
    return Payload(tuple(_read_metric(metric) for metric in found.metrics), time_ms, sequence)


def encode(payload: Payload) -> bytes:
    """The payload's bytes; every metric with a value needs a data type. Raises FormatError for a value out of range."""
    made = _CLASSES["Payload"]()
    if payload.time_ms is not None:
        made.timestamp = payload.time_ms
    if payload.sequence is not None:
        made.seq = payload.sequence
    for metric in payload.metrics:
        _write_metric(metric, made.metrics.add())
    return bytes(made.SerializeToString())


def number(value: Value | None, datatype: int | None) -> float:
    """A metric's value as its type means it, negative integers included. Raises FormatError where it is no number."""
    match value:
        case bool():
            if datatype == DataType.BOOLEAN:
                return float(value)
        case int() if datatype in SIGNED_BITS:
            return float(_signed(value, SIGNED_BITS[DataType(datatype)]))
        case int() if datatype in UNSIGNED_BITS and value < 1 << UNSIGNED_BITS[DataType(datatype)]:
            return float(value)
        case float() if datatype in {DataType.FLOAT, DataType.DOUBLE}:
            return value
    shown = "nothing" if value is None else f"{type(value).__name__} {str(value)[:80]!r}"
    raise FormatError("undecodable", f"{shown} is not a number of Sparkplug data type {datatype}")


def _signed(value: int, bits: int) -> int:
    """Two's complement: the schema has unsigned fields only, and encoders extend small types to 32 bits, or do not."""
    for width in (bits, 32, 64):
        if bits <= width and value < 1 << width:
            found = value - (1 << width) if value >> (width - 1) else value
            if -(1 << (bits - 1)) <= found < 1 << (bits - 1):
                return found
    raise FormatError("undecodable", f"{value} is not a signed number of {bits} bits")


def _parse(data: bytes) -> Any:  # noqa: ANN401 - a class that is made from the table
    if len(data) > MAX_PAYLOAD_BYTES:
        raise FormatError("bound_exceeded", f"{len(data)} bytes; at most {MAX_PAYLOAD_BYTES} are taken")
    try:
        return _CLASSES["Payload"].FromString(data)
    except message.DecodeError as err:
        raise FormatError("undecodable", f"not a Sparkplug B payload: {err}") from err


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj(EITHER_HEADER)
    try:
        plain = inflater.decompress(body, MAX_PAYLOAD_BYTES)
    except zlib.error as err:
        raise FormatError("undecodable", f"the compressed payload cannot be inflated: {err}") from err
    if not inflater.eof:
        raise FormatError("bound_exceeded", f"inflates to more than {MAX_PAYLOAD_BYTES} bytes, or is cut off")
    return plain


def _read_metric(found: Any) -> Metric:  # noqa: ANN401 - a class that is made from the table
    name = _text(found.name)
    if len(name) > MAX_NAME_CHARS:
        raise FormatError("bound_exceeded", f"a metric's name exceeds {MAX_NAME_CHARS} characters")
    properties = dict(_read_properties(found.properties))
    quality, unit = properties.get(QUALITY), properties.get(UNIT)
    return Metric(
        name=name,
        value=None if found.is_null else _read_value(found),
        datatype=found.datatype if found.HasField("datatype") else None,
        time_ms=found.timestamp if found.HasField("timestamp") else None,
        alias=found.alias if found.HasField("alias") else None,
        historical=found.is_historical,
        quality=quality if isinstance(quality, int) else None,
        unit=unit if isinstance(unit, str) else "",
    )


def _read_properties(found: Any) -> Iterator[tuple[str, Value | None]]:  # noqa: ANN401 - as above
    if len(found.keys) != len(found.values) or len(found.keys) > MAX_PROPERTIES:
        raise FormatError("undecodable", "a metric has more or fewer property values than keys, or too many")
    for key, value in zip(found.keys, found.values, strict=True):
        yield _text(key), None if value.is_null else _read_value(value)


def _read_value(found: Any) -> Value | None:  # noqa: ANN401 - as above
    field = found.WhichOneof("value")
    if field is None:
        return None
    value: Value = getattr(found, field)
    return _text(value) if field == "string_value" else value


def _text(found: object) -> str:
    """A text of the payload: protobuf gives back as bytes what is not UTF-8."""
    if isinstance(found, str):
        return found
    raise FormatError("undecodable", f"a text in the payload is not UTF-8: {found!r:.80}")


def _write_metric(metric: Metric, made: Any) -> None:  # noqa: ANN401 - as above
    made.is_historical = metric.historical
    for field, given in (
        ("name", metric.name or None),
        ("alias", metric.alias),
        ("timestamp", metric.time_ms),
        ("datatype", metric.datatype),
    ):
        if given is not None:
            setattr(made, field, given)
    for key, wanted, given in (
        (QUALITY, DataType.INT32, metric.quality),
        (UNIT, DataType.STRING, metric.unit or None),
    ):
        if given is not None:
            made.properties.keys.append(key)
            _write_value(made.properties.values.add(type=wanted), wanted, given)
    if metric.value is None:
        made.is_null = True
    else:
        _write_value(made, metric.datatype, metric.value)


def _write_value(made: Any, datatype: int | None, value: Value) -> None:  # noqa: ANN401 - as above
    try:
        if datatype in SIGNED_BITS and isinstance(value, int):
            bits = SIGNED_BITS[DataType(datatype)]
            value = int.from_bytes(value.to_bytes(bits // 8, signed=True), signed=True) % (1 << max(32, bits))
        setattr(made, _VALUE_FIELDS.get(DataType(datatype or 0), "int_value"), value)
    except (ValueError, TypeError, OverflowError) as err:
        raise FormatError("undecodable", f"{value!r} cannot be written as data type {datatype}: {err}") from err


def _classes() -> dict[str, Any]:
    """Message classes made from the table. All values of a metric or property share one oneof, as in the schema."""
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="org.eclipse.tahu.protobuf")
    field_type = descriptor_pb2.FieldDescriptorProto
    for name, fields in _SCHEMA.items():
        described = file.message_type.add(name=name)
        for tag, field, kind in fields:
            label = field_type.LABEL_REPEATED if kind.endswith("[]") else field_type.LABEL_OPTIONAL
            made = described.field.add(name=field, number=tag, label=label)
            if (base := kind.removesuffix("[]")) in _SCHEMA:
                made.type, made.type_name = field_type.TYPE_MESSAGE, base
            else:
                made.type = field_type.Type.Value(f"TYPE_{base.upper()}")
            if field in _READ_FIELDS:
                made.oneof_index = 0
        if any(field in _READ_FIELDS for _, field, _ in fields):
            described.oneof_decl.add(name="value")
    # A pool of its own: another library in the process may bring the published schema under the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}")) for name in _SCHEMA
    }


_CLASSES = _classes()
