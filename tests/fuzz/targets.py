"""What is fuzzed: each target takes any bytes, and may only return or refuse with a reason code.

`admission` signs the bytes as the payload of an enrolled device, so that they get past the signature, where a hostile
but known device could send them; the others are what anyone can reach.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import fields

import cbor2
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.admission import Arrival, Code, Device, Epoch, Key, State, admit
from verification import ack, batch, cose, keys, mqtt_payload, sparkplug, sync
from verification.errors import FormatError
from verification.model import Point, PointKind

CODES = {str(code) for code in Code}
KEY = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
NOW_US = 1_767_225_600_000_000
HEADER = batch.Header("potline-1", NOW_US, 0, batch.NO_PREVIOUS, NOW_US)
POINTS = {index: Point(f"p{index}", f"a{index}", "kW", PointKind.GAUGE) for index in range(8)}
STATE = State(
    {"potline-1": Device({keys.key_id(KEY): Key(KEY.public_key(), 0)})}, {("potline-1", NOW_US): Epoch(POINTS)}, {}
)


class SlowError(Exception):
    """An input that takes longer than a sender may make us work."""


def envelope(data: bytes) -> None:
    """Whatever comes in on the topic of a device."""
    decision = admit(STATE, Arrival.of("potline-1", data), received_at_us=NOW_US)
    assert not decision.settles or data in seeds(), "bytes that nobody signed took a place in the chain"


def admission(data: bytes) -> None:
    """A signed batch around any compressed bytes, and around any bytes that are compressed for it."""
    for packed in (data, zstandard.ZstdCompressor(level=1).compress(data)):
        claims = {field.name: getattr(HEADER, field.name) for field in fields(batch.Header)}
        sealed = cose.sign(claims, packed, content_type=batch.CONTENT_TYPE, key=KEY)
        decision = admit(STATE, Arrival.of("potline-1", sealed), received_at_us=NOW_US)
        assert str(decision.code) in CODES
        assert decision.settles or len(sealed) > batch.MAX_BATCH_BYTES


def acknowledgement(data: bytes) -> None:
    """What an agent hears: as it comes, and signed by the right key."""
    for signed in (data, cose.sign({}, data, content_type=ack.CONTENT_TYPE, key=KEY)):
        ack.open_signed(signed, KEY.public_key())


def question(data: bytes) -> None:
    """What asks ingest how far a chain got, and what is answered."""
    for read in (sync.open_question, sync.open_answer):
        refused(read, data)
    sync.open_question(cose.sign({}, data, content_type=sync.CONTENT_TYPE, key=KEY))


def gateway(data: bytes) -> None:
    """What a gateway of somebody else publishes."""
    refused(mqtt_payload.decode, data)
    for metric in sparkplug.decode(data).metrics:
        sparkplug.number(metric.value, metric.datatype)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "envelope": envelope,
    "admission": admission,
    "acknowledgement": acknowledgement,
    "question": question,
    "gateway": gateway,
}
MOST_S = 1.0  # of processor time for one input; the largest honest batch takes a hundredth


def refused(read: Callable[[bytes], object], data: bytes) -> None:
    """Let `read` take the bytes, or refuse them as it promises to."""
    try:
        read(data)
    except FormatError as err:
        if err.code not in CODES:
            raise
    except mqtt_payload.PayloadError:
        pass


def run(name: str, data: bytes) -> None:
    """One input to one target. Raises on a defect only."""
    begin_s = time.process_time()
    refused(TARGETS[name], data)  # type: ignore[arg-type] # a target that returns nothing is a reader too
    if time.process_time() - begin_s > MOST_S:
        raise SlowError(f"{name}: {len(data)} bytes took {time.process_time() - begin_s:.1f} s")


@functools.cache
def seeds() -> list[bytes]:
    """Honest inputs, from which a fuzzer finds its way in."""
    rows = batch.Rows.empty()
    for n in range(20):
        rows.append(n % 8, NOW_US + n, n / 3)
    payloads: list[batch.Payload] = [
        rows,
        batch.Catalogue(tuple(POINTS.values())),
        batch.Gaps((batch.Gap((0, 1), 1, 2, "spool_full", 3),)),
        batch.Heartbeat("0.1.0", NOW_US),
    ]
    sealed = [batch.seal(HEADER, payload, KEY) for payload in payloads]
    plain = [zstandard.ZstdDecompressor().decompress(batch.open_batch(one).envelope.payload) for one in sealed]
    said = ack.Ack("potline-1", NOW_US, 3, bytes(32), (ack.Refusal(1, bytes(32), "conflict"),))
    metric = sparkplug.Metric("Energy/Total", 1.5, sparkplug.DataType.DOUBLE, 1, alias=5, quality=192, unit="kWh")
    return [
        *sealed,
        *plain,
        ack.sign(said, KEY),
        cbor2.dumps({"device": "potline-1", "epochs": [1], "signed_at_us": NOW_US}),
        sync.sign("potline-1", [NOW_US], NOW_US, KEY),
        sync.pack_answer([ack.sign(said, KEY)]),
        sparkplug.encode(sparkplug.Payload((metric,), 1, 0)),
        b'{"value": 1.5, "time": "2026-01-01T00:00:00Z"}',
    ]
