"""The entries of the evidence log: what is written there, and how it is read back.

An entry is canonical JSON; its bytes are a leaf of the Merkle log. Baseline escrow is a matter of order: the plan
stands before the baseline, the baseline before the run. A baseline entry names the head of each batch chain at that
moment, and through the hash chain a head commits to every batch before it, so nothing can later be slipped into the
baseline.

`logged_at_us` (microseconds since 1970 UTC) is the log's own word; only the order of entries is proven. Does not
append anything and knows no project register; `api` does.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from verification import strictjson
from verification.errors import FormatError
from verification.shapes import ready

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last batch of one device and epoch; `sha256` is that of the whole sealed batch."""

    device: Label
    epoch: Count
    sequence: Count
    sha256: Sha256


class PlanEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="plan"):
    """A plan was filed: the SHA-256 of the plan file's bytes."""

    project: Label
    plan_sha256: Sha256
    logged_at_us: Count


class BaselineEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="baseline"):
    """The baseline was locked: every batch up to `heads`.

    readings_sha256: SHA-256 of `deliveries.readings_csv` over those batches and the plan's points;
    latest_source_time_us: the latest source time among these readings.
    """

    project: Label
    plan_sha256: Sha256
    heads: list[Head]
    readings_sha256: Sha256
    latest_source_time_us: int
    logged_at_us: Count


class RunEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="run"):
    """Run number `run` (from 1) of a plan: which package and result came out, from which batches."""

    project: Label
    plan_sha256: Sha256
    run: Annotated[int, msgspec.Meta(ge=1)]
    manifest_sha256: Sha256
    result_sha256: Sha256
    heads: list[Head]
    logged_at_us: Count


class DecisionEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="decision"):
    """A person decided about a package: who, what, and the SHA-256 of the decision's full text."""

    project: Label
    manifest_sha256: Sha256
    actor: Label
    decision: Label
    text_sha256: Sha256
    logged_at_us: Count


class ReadEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="read"):
    """An expert or an auditor read a package."""

    project: Label
    manifest_sha256: Sha256
    actor: Label
    role: Label
    logged_at_us: Count


Entry = PlanEntry | BaselineEntry | RunEntry | DecisionEntry | ReadEntry


def encode(entry: Entry) -> bytes:
    """The bytes that go into the log, checked as they will be when they are read."""
    data = strictjson.encode(msgspec.to_builtins(entry))
    parse(data)
    return data


def parse(data: bytes) -> Entry:
    """Read an entry back. Raises FormatError (`undecodable`)."""
    value = strictjson.read_canonical(data)
    try:
        entry: Entry = msgspec.convert(value, ready(Entry))
    except msgspec.ValidationError as err:
        raise FormatError("undecodable", f"not an entry of the evidence log: {err}") from err
    return entry
