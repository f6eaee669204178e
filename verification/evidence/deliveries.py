"""What a set of signed batches delivers: their readings by name, the heads of their chains, and what is missing among
them.

The readings of a package are a projection of its batches and nothing else: `readings_csv` gives the same bytes from
the same batches everywhere, so an auditor can rebuild them. Batches go in order of device, epoch and sequence, rows
in the order in which they were collected. Verifies no signature and follows no hash chain (`check_completeness`
does); light: no numpy.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from verification import batch as batches
from verification.errors import FormatError
from verification.evidence.logentry import Head
from verification.model import Point, RowFlag, Rows

CSV_HEADER = "point,time,value,status"
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, and written without an offset


class Reading(NamedTuple):
    """One reading, as its source sent it. time_us: source time; status: OPC UA status code, 0 is good; flags:
    `RowFlag`.
    """

    point: str
    time_us: int
    value: float
    status: int
    flags: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One decoded batch, with the points that its epoch had named by then."""

    header: batches.Header
    sha256: bytes
    payload: batches.Payload
    catalogue: Mapping[int, Point]

    def readings(self, points: Collection[str]) -> Iterator[Reading]:
        """The readings of `points`, in the order in which they were collected."""
        if not isinstance(self.payload, Rows):
            return
        names = {index: point.name for index, point in self.catalogue.items() if point.name in points}
        rows = self.payload
        columns = zip(rows.point, rows.time_us, rows.value, rows.status, rows.flags, strict=True)
        for index, time_us, value, status, flags in columns:
            name = names.get(index)
            if name is not None:
                yield Reading(name, time_us, value, status, flags)


class Decoder:
    """Decodes the batches of any number of devices, each epoch's in order of sequence, and keeps their catalogues."""

    def __init__(self) -> None:
        self._catalogues: dict[tuple[str, int], dict[int, Point]] = {}

    def decode(self, batch: batches.Batch) -> Delivery:
        """Decode one batch, whose signature the caller has verified. Raises FormatError (`undecodable`, ...)."""
        header = batch.header
        payload = batches.read_payload(batch)
        known = self._catalogues.setdefault((header.device, header.epoch), {})
        match payload:
            case batches.Catalogue():
                named = dict(enumerate(payload.points, start=payload.first_index))
                if named.keys() & known.keys():
                    raise FormatError("undecodable", "names a point index that was given before in this epoch")
                known |= named
            case Rows():
                unnamed = set(payload.point) - known.keys()
                if unnamed:
                    raise FormatError("undecodable", f"point index {min(unnamed)} was not named before it was used")
            case batches.Gaps():
                unnamed = {index for gap in payload.gaps for index in gap.points} - known.keys()
                if unnamed:
                    raise FormatError("undecodable", f"point index {min(unnamed)} was not named before it was used")
        return Delivery(header, batch.sha256, payload, known)


def decode_all(sealed: Iterable[bytes]) -> list[Delivery]:
    """Decode whole batches in order of device, epoch and sequence, whatever order they come in. Raises FormatError."""
    opened = [batches.open_batch(data) for data in sealed]
    opened.sort(key=lambda item: (item.header.device, item.header.epoch, item.header.sequence))
    decoder = Decoder()
    return [decoder.decode(item) for item in opened]


def readings_csv(deliveries: Iterable[Delivery], points: Collection[str]) -> bytes:
    """The readings of `points` as CSV: RFC 3339 time in UTC, shortest value that reads back to the same float64."""
    lines = [CSV_HEADER]
    lines += [
        f"{reading.point},{utc_text(reading.time_us)},{reading.value!r},{reading.status}"
        for delivery in deliveries
        for reading in delivery.readings(points)
    ]
    return "\n".join([*lines, ""]).encode()


def utc_text(time_us: int) -> str:
    """Microseconds since 1970 as an RFC 3339 time in UTC."""
    # A timedelta counts whole microseconds; going through a float timestamp would lose the last digit.
    return (_EPOCH + dt.timedelta(microseconds=time_us)).isoformat(timespec="microseconds") + "Z"


def steps_back(deliveries: Iterable[Delivery], points: Collection[str]) -> dict[str, int]:
    """For each point, how many live readings are older than one that was collected before; only where there are any.

    What was fetched from a source's history is late by its nature and does not count.
    """
    latest: dict[str, int] = {}
    found: dict[str, int] = {}
    for delivery in deliveries:
        for reading in delivery.readings(points):
            if reading.flags & RowFlag.BACKFILLED:
                continue
            if reading.time_us < latest.get(reading.point, reading.time_us):
                found[reading.point] = found.get(reading.point, 0) + 1
            latest[reading.point] = max(reading.time_us, latest.get(reading.point, reading.time_us))
    return found


def heads(deliveries: Iterable[Delivery]) -> list[Head]:
    """The last batch of each device and epoch."""
    last: dict[tuple[str, int], Delivery] = {}
    for delivery in deliveries:
        header = delivery.header
        held = last.get((header.device, header.epoch))
        if held is None or held.header.sequence < header.sequence:
            last[header.device, header.epoch] = delivery
    return [
        Head(device, epoch, delivery.header.sequence, delivery.sha256.hex())
        for (device, epoch), delivery in sorted(last.items())
    ]


def is_locked(locked: Iterable[Head], delivery: Delivery) -> bool:
    """Whether a batch lies at or below the head of its device and epoch, and so is what that head commits to."""
    header = delivery.header
    return any(
        (head.device, head.epoch) == (header.device, header.epoch) and header.sequence <= head.sequence
        for head in locked
    )


def negative_evidence(deliveries: Iterable[Delivery]) -> dict[str, list[dict[str, Any]]]:
    """What is known to be missing: absent batches, gaps that the agents signed for, rows they left out."""
    missing: list[dict[str, Any]] = []
    admitted: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    expected: dict[tuple[str, int], int] = {}
    for delivery in deliveries:
        header = delivery.header
        where = {"device": header.device, "epoch": header.epoch}
        due = expected.get((header.device, header.epoch), 0)
        if header.sequence > due:
            missing.append({**where, "first": due, "last": header.sequence - 1})
        expected[header.device, header.epoch] = header.sequence + 1
        if header.dropped or header.filtered:
            counts = {"dropped": header.dropped, "filtered": header.filtered}
            left_out.append({**where, "sequence": header.sequence, **counts})
        if isinstance(delivery.payload, batches.Gaps):
            admitted += [
                {
                    **where,
                    "sequence": header.sequence,
                    "points": [delivery.catalogue[index].name for index in gap.points],
                    "start_us": gap.start_us,
                    "end_us": gap.end_us,
                    "reason": gap.reason,
                    "count": gap.count,
                }
                for gap in delivery.payload.gaps
            ]
    return {"missing_batches": missing, "admitted_gaps": admitted, "left_out": left_out}
