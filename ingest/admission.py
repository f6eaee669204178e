"""Decides what becomes of a batch that arrived: a pure function of the bytes, the topic, the moment and a snapshot.

`admit` goes through numbered steps, the cheap and the decisive first: nothing is decompressed before its signature
holds. Every outcome has a code. A batch whose sender is proven *settles* its place in the chain even when its
content is refused, so that a bad batch never blocks those behind it; what cannot be attributed never settles
anything, so that a stranger cannot take a place either. `advance` gives the snapshot after a decision, for the next
batch of the same group.

Does not read the database (`ledger` makes the snapshot), nor write it (`writer` does). No socket, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ingest.rows import Encoded
from ingest.times import DAY_US, implausible
from verification import keys
from verification.batch import (
    NO_PREVIOUS,
    Batch,
    Catalogue,
    Gaps,
    KeyChange,
    Payload,
    open_batch,
    payload_bytes,
    read_payload,
)
from verification.errors import FormatError
from verification.model import Point, Rows

WEEK_US = 7 * DAY_US
MAX_CLOCK_LEAD_US = DAY_US
# A week is a chunk of the hypertable. Readings of 1,000 different weeks (19 years) in one batch are a broken clock, or
# an attempt to make the database create tables without end.
MAX_WEEKS_PER_BATCH = 1_000


class Code(StrEnum):
    """What became of a batch. All but the first three mean quarantine."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # settled before: acknowledged again
    DEFERRED = "deferred"  # needs a batch that has not arrived: not acknowledged, so the agent sends it again
    CONFLICT = "conflict"  # another batch holds this place in the chain: alarm
    UNDECODABLE = "undecodable"
    BOUND_EXCEEDED = "bound_exceeded"
    DEVICE_MISMATCH = "device_mismatch"
    UNKNOWN_DEVICE = "unknown_device"
    REVOKED_DEVICE = "revoked_device"
    UNKNOWN_KEY = "unknown_key"
    KEY_NOT_VALID_AT_SIGNING = "key_not_valid_at_signing"
    BAD_SIGNATURE = "bad_signature"
    CLOCK_IMPLAUSIBLE = "clock_implausible"
    TIME_IMPLAUSIBLE = "time_implausible"  # of a reading: before 1970, or more than a year after it was signed
    STALE_EPOCH = "stale_epoch"
    CHAIN_BREAK = "chain_break"
    UNKNOWN_POINT = "unknown_point"
    INDEX_REDEFINED = "index_redefined"
    KEY_CHANGE_REFUSED = "key_change_refused"  # the new key was in use before, or the old one has ended
    STORAGE_REFUSED = "storage_refused"  # the database would not take a value in it


@dataclass(frozen=True, slots=True)
class Key:
    """A device's public key and the moments of signing for which it counts (valid_to_us is the first that does not)."""

    public_key: Ed25519PublicKey
    valid_from_us: int
    valid_to_us: int | None = None

    def counts_at(self, signed_at_us: int) -> bool:
        """Whether a signature made at this moment counts."""
        return self.valid_from_us <= signed_at_us and (self.valid_to_us is None or signed_at_us < self.valid_to_us)


@dataclass(frozen=True, slots=True)
class Device:
    """An enrolled device; keys by key id; newest_epoch is -1 before its first batch."""

    keys: Mapping[bytes, Key]
    newest_epoch: int = -1
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Epoch:
    """A chain of batches: settled without a hole up to `through` at least; `points` is its catalogue so far."""

    points: Mapping[int, Point]
    through: int = -1
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A settled batch, as far as its neighbours in the chain need to know it."""

    sha256: bytes
    previous: bytes


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the devices in hand; `entries` has each arriving batch's place and both beside it, if taken."""

    devices: Mapping[str, Device]
    epochs: Mapping[tuple[str, int], Epoch]
    entries: Mapping[tuple[str, int, int], Entry]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a batch holds that `signer` signed; `encoded` are its readings for COPY, None where it holds others."""

    signer: Ed25519PublicKey
    payload: Payload
    encoded: Encoded | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """Bytes that came in, parsed as far as that goes without a key.

    topic_device: for whom the broker vouches; None over HTTP, where the batch's own signature is all there is.
    inflated_bytes: of its payload, as stated in it; contents: set where the batch was read before it is judged, which
    spares time. Both decide nothing.
    """

    topic_device: str | None
    data: bytes
    batch: Batch | None
    error: FormatError | None = None
    inflated_bytes: int = 0
    contents: Contents | None = None

    @classmethod
    def of(cls, topic_device: str | None, data: bytes) -> Arrival:
        """Parse envelope and header; what cannot be parsed is an arrival too."""
        try:
            batch = open_batch(data)
        except FormatError as err:
            return cls(topic_device, data, None, err)
        return cls(topic_device, data, batch, inflated_bytes=payload_bytes(batch))

    @property
    def order(self) -> tuple[str, int, int]:
        """Sorts a group so that each batch comes after those before it in its chain."""
        header = self.batch.header if self.batch else None
        return (header.device, header.epoch, header.sequence) if header else ("", 0, 0)


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one arrival. `settles`: its place in the chain is taken now. payload: decoded, if accepted."""

    arrival: Arrival
    code: Code
    detail: str = ""
    settles: bool = False
    payload: Payload | None = None

    @property
    def proven(self) -> bool:
        """Whether the device in the header sent this: its signature holds, or the same bytes were proven before."""
        return self.settles or self.code in _PROVEN_WITHOUT_SETTLING


_PROVEN_WITHOUT_SETTLING = {Code.DUPLICATE, Code.DEFERRED, Code.CONFLICT, Code.KEY_NOT_VALID_AT_SIGNING}


class _Refused(Exception):  # noqa: N818 - an outcome, not an error
    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def admit(state: State, arrival: Arrival, *, received_at_us: int) -> Decision:
    """Decide about one batch. Pure: equal arguments give equal decisions."""
    if arrival.batch is None:  # step 1: envelope and header are well-formed and within bounds
        code = Code(arrival.error.code) if arrival.error else Code.UNDECODABLE
        return Decision(arrival, code, str(arrival.error))
    try:
        _prove(state, arrival, arrival.batch)
    except _Refused as no:
        return Decision(arrival, no.code, str(no))
    try:
        payload = _content(state, arrival, arrival.batch, received_at_us)
    except _Refused as no:
        return Decision(arrival, no.code, str(no), settles=no.code is not Code.DEFERRED)
    except FormatError as err:
        return Decision(arrival, Code(err.code), str(err), settles=True)
    return Decision(arrival, Code.ACCEPTED, settles=True, payload=payload)


def admit_again(state: State, arrival: Arrival, *, received_at_us: int) -> Decision:
    """Decide about a batch that holds its place in the chain since it was refused: steps 5, 6 and 8 to 12 once more.

    Without the bound on the times of readings: an operator who looked at them asks for it.
    """
    batch = arrival.batch
    if batch is None:
        return Decision(arrival, Code.UNDECODABLE, "what has no header holds no place")
    try:
        _authenticate(state.devices[batch.header.device], arrival, batch)
        payload = _content(state, arrival, batch, received_at_us, any_time=True)
    except _Refused as no:
        return Decision(arrival, no.code, str(no))
    except FormatError as err:
        return Decision(arrival, Code(err.code), str(err))
    return Decision(arrival, Code.ACCEPTED, settles=True, payload=payload)


def advance(state: State, decision: Decision) -> State:
    """The snapshot after `decision`, so that the next batch of the group is judged as if it came alone."""
    batch = decision.arrival.batch
    if not decision.settles or batch is None:
        return state
    header = batch.header
    device = state.devices[header.device]
    entries = {**state.entries, decision.arrival.order: Entry(batch.sha256, header.previous)}
    epoch = state.epochs.get((header.device, header.epoch)) or Epoch({}, stale=decision.code is Code.STALE_EPOCH)
    through = epoch.through
    while (header.device, header.epoch, through + 1) in entries:
        through += 1
    points = epoch.points
    if isinstance(decision.payload, Catalogue):
        points = {**points, **_named(decision.payload)}
    device = replace(device, newest_epoch=max(device.newest_epoch, header.epoch))
    if isinstance(decision.payload, KeyChange):
        device = replace(device, keys={**device.keys, **keys_after(device, batch, decision.payload)})
    return State(
        {**state.devices, header.device: device},
        {**state.epochs, (header.device, header.epoch): replace(epoch, through=through, points=points)},
        entries,
    )


def _prove(state: State, arrival: Arrival, batch: Batch) -> None:
    """Steps 2 to 7: an enrolled device sent this batch, and its place in the chain is free."""
    header = batch.header
    # Step 2: the broker let this device in, so it may speak for itself only.
    if arrival.topic_device is not None and arrival.topic_device != header.device:
        raise _Refused(Code.DEVICE_MISMATCH, f"{arrival.topic_device!r} sent a batch that names {header.device!r}")
    device = state.devices.get(header.device)
    if device is None:  # step 3
        raise _Refused(Code.UNKNOWN_DEVICE, f"{header.device!r} is not enrolled; see: retroproof ingest enroll --help")
    if device.revoked:  # no matter what our clock says: the register and its lock say that it was before
        raise _Refused(Code.REVOKED_DEVICE, f"{header.device!r} was revoked before this arrived")
    held = state.entries.get(arrival.order)
    if held is not None and held.sha256 == batch.sha256:  # step 4: seen before, and proven then
        raise _Refused(Code.DUPLICATE, "settled before")
    _authenticate(device, arrival, batch)
    if held is not None:  # step 7: a copied spool or key, or an altered history
        raise _Refused(Code.CONFLICT, f"the chain holds {held.sha256.hex()} in this place")


def _authenticate(device: Device, arrival: Arrival, batch: Batch) -> None:
    """Steps 5 and 6: a key of this device signed exactly these bytes, and counted when the batch says it was signed."""
    name, key_id, signed_at_us = batch.header.device, batch.envelope.key_id, batch.header.signed_at_us
    key = device.keys.get(key_id)
    if key is None:
        raise _Refused(Code.UNKNOWN_KEY, f"{name!r} has no key {key_id.hex()}")
    known = arrival.contents is not None and arrival.contents.signer == key.public_key
    if not known and not batch.envelope.signed_by(key.public_key):
        raise _Refused(Code.BAD_SIGNATURE, f"not signed by key {key_id.hex()}")
    if not key.counts_at(signed_at_us):
        raise _Refused(Code.KEY_NOT_VALID_AT_SIGNING, f"key {key_id.hex()} did not count at {signed_at_us} us")


def _content(state: State, arrival: Arrival, batch: Batch, received_at_us: int, *, any_time: bool = False) -> Payload:
    """Steps 8 to 13, for a batch whose sender is proven. Raises FormatError where the payload is not well-formed."""
    header = batch.header
    epoch = state.epochs.get((header.device, header.epoch))
    newest = state.devices[header.device].newest_epoch
    if epoch.stale if epoch else header.epoch < newest:  # step 8: an old spool that came back must not fork the history
        raise _Refused(Code.STALE_EPOCH, f"epoch {newest} of this device is newer, and this one was not seen before it")
    lead_us = header.signed_at_us - received_at_us
    if lead_us > MAX_CLOCK_LEAD_US:  # step 9
        raise _Refused(Code.CLOCK_IMPLAUSIBLE, f"signed {lead_us / 3.6e9:.1f} hours after it arrived")
    _check_chain(state, batch)  # step 10
    payload = arrival.contents.payload if arrival.contents else read_payload(batch)  # step 11
    _check_points(epoch or Epoch({}), header.sequence, payload)  # step 12
    if isinstance(payload, Rows):
        _check_times(payload, None if any_time else header.signed_at_us)
    if isinstance(payload, KeyChange):  # step 13
        _check_key_change(state.devices[header.device], batch, payload)
    return payload


def _check_chain(state: State, batch: Batch) -> None:
    """Step 10: each batch names the hash of the one before it, as far as the neighbours are here."""
    header = batch.header
    before = state.entries.get((header.device, header.epoch, header.sequence - 1))
    expected = before.sha256 if before else NO_PREVIOUS if header.sequence == 0 else None
    if expected is not None and header.previous != expected:
        raise _Refused(
            Code.CHAIN_BREAK,
            f"names {header.previous.hex()} as the batch before it, which is {expected.hex()}",
        )
    after = state.entries.get((header.device, header.epoch, header.sequence + 1))
    if after is not None and after.previous != batch.sha256:
        raise _Refused(Code.CHAIN_BREAK, f"the batch after it names {after.previous.hex()} as the one before")


def _check_points(epoch: Epoch, sequence: int, payload: Payload) -> None:
    """Step 12: points are named once, and before they are used."""
    used: set[int] = set()
    match payload:
        case Catalogue():
            twice = _named(payload).keys() & epoch.points.keys()
            if twice:
                raise _Refused(Code.INDEX_REDEFINED, f"point {min(twice)} was named before in this epoch")
        case Rows():
            used = set(np.flatnonzero(np.bincount(np.frombuffer(payload.point, np.uint16))).tolist())
        case Gaps():
            used = {point for gap in payload.gaps for point in gap.points}
    unknown = used - epoch.points.keys()
    if unknown and epoch.through < sequence - 1:
        raise _Refused(Code.DEFERRED, f"point {min(unknown)} may be named in a batch still to come")
    if unknown:
        raise _Refused(Code.UNKNOWN_POINT, f"point {min(unknown)} is not in the catalogue of this epoch")


def _check_times(rows: Rows, signed_at_us: int | None) -> None:
    """Step 12: of how many weeks they are, counted only where that could be too many, and how far off (None: any)."""
    times = np.frombuffer(rows.time_us, np.int64)
    first_us, last_us = int(times.min()), int(times.max())
    weeks = last_us // WEEK_US - first_us // WEEK_US + 1
    if weeks > MAX_WEEKS_PER_BATCH:
        weeks = np.unique(times // WEEK_US).size
    if weeks > MAX_WEEKS_PER_BATCH:
        raise _Refused(Code.BOUND_EXCEEDED, f"readings of {weeks} different weeks; at most {MAX_WEEKS_PER_BATCH}")
    if signed_at_us is not None and (why := implausible(first_us, last_us, signed_at_us)):
        raise _Refused(Code.TIME_IMPLAUSIBLE, why)


def _check_key_change(device: Device, batch: Batch, change: KeyChange) -> None:
    """Step 13: only a key that still counts names its successor, and the successor is new."""
    if device.keys[batch.envelope.key_id].valid_to_us is not None:
        raise _Refused(Code.KEY_CHANGE_REFUSED, f"key {batch.envelope.key_id.hex()} has ended and names no successor")
    new_id = keys.key_id(keys.from_raw(change.public_key))
    if new_id in device.keys:
        raise _Refused(
            Code.KEY_CHANGE_REFUSED, f"key {new_id.hex()} was registered before; a new key is made each time"
        )


def keys_after(device: Device, batch: Batch, change: KeyChange) -> dict[bytes, Key]:
    """The two keys that an accepted change touches: it is the last batch of the one, and the other counts with it."""
    signed_at_us = batch.header.signed_at_us
    new = Key(keys.from_raw(change.public_key), signed_at_us)
    ended = replace(device.keys[batch.envelope.key_id], valid_to_us=signed_at_us + 1)
    return {batch.envelope.key_id: ended, keys.key_id(new.public_key): new}


def _named(catalogue: Catalogue) -> dict[int, Point]:
    return dict(enumerate(catalogue.points, start=catalogue.first_index))
