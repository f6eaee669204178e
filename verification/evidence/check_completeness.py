"""The axis `completeness`: are all batches here, in unbroken chains, and are the readings exactly what they hold?

A missing batch that gaps.json admits does not refute the package, it is shown; one that it hides does.
"""

from __future__ import annotations

from collections.abc import Iterator

from verification import strictjson
from verification.batch import NO_PREVIOUS
from verification.errors import FormatError
from verification.evidence import package
from verification.evidence.check_evidence import Evidence
from verification.evidence.check_report import Reason
from verification.evidence.deliveries import Delivery, heads, is_locked, negative_evidence, readings_csv
from verification.evidence.logentry import Head


def check_completeness(evidence: Evidence) -> Iterator[Reason]:
    """Every reason to think that something is missing or was added."""
    if not evidence.deliveries:
        yield Reason("NO_BATCHES")
        return
    yield from _check_chains(evidence.deliveries)
    deliveries = [delivery for _, delivery in evidence.deliveries]
    yield from _check_gaps(evidence, deliveries)
    yield from _check_heads("run", evidence.run_entry.heads, heads(deliveries))
    yield from _check_baseline(evidence, deliveries)
    yield from _check_readings(evidence, deliveries)


def _check_chains(deliveries: list[tuple[str, Delivery]]) -> Iterator[Reason]:
    """Each batch names the SHA-256 of the one before; across a missing batch nothing can be said."""
    before: Delivery | None = None
    for name, delivery in deliveries:
        header = delivery.header
        if package.parse_batch_name(name) != (header.device, header.epoch, header.sequence):
            yield Reason("BATCH_MISPLACED", name)
        follows = before is not None and (before.header.device, before.header.epoch, before.header.sequence + 1) == (
            header.device,
            header.epoch,
            header.sequence,
        )
        if header.sequence == 0 and header.previous != NO_PREVIOUS:
            yield Reason("CHAIN_BROKEN", name)
        if follows and before is not None and header.previous != before.sha256:
            yield Reason("CHAIN_BROKEN", name)
        before = delivery


def _check_gaps(evidence: Evidence, deliveries: list[Delivery]) -> Iterator[Reason]:
    """What gaps.json says must follow from the batches; what ingest put into quarantine only the platform can say."""
    found = negative_evidence(deliveries)
    stated = evidence.json(package.GAPS)
    quarantined = stated.get("quarantined") if isinstance(stated, dict) else None
    if not isinstance(quarantined, list) or strictjson.encode({**found, "quarantined": quarantined}) != evidence.data(
        package.GAPS
    ):
        yield Reason("DERIVED_DISAGREES", package.GAPS, {"source": "batches/"})
    yield from (Reason("BATCHES_MISSING", package.GAPS, gap) for gap in found["missing_batches"])


def _check_heads(label: str, logged: list[Head], here: list[Head]) -> Iterator[Reason]:
    """The log's heads must be exactly those of the batches that are here."""
    for head in sorted({*logged} ^ {*here}, key=lambda head: (head.device, head.epoch)):
        about: dict[str, str | int] = {"entry": label, "device": head.device, "epoch": head.epoch}
        yield Reason("HEADS_DIFFER", package.INCLUSION, about)


def _check_baseline(evidence: Evidence, deliveries: list[Delivery]) -> Iterator[Reason]:
    """The batches that were there when the baseline was locked must give the baseline entry again."""
    entry = evidence.baseline_entry
    locked = [delivery for delivery in deliveries if is_locked(entry.heads, delivery)]
    differing = list(_check_heads("baseline", entry.heads, heads(locked)))
    yield from differing
    if differing:
        return
    try:
        again = package.baseline_of(evidence.plan, entry.plan_sha256, locked, logged_at_us=entry.logged_at_us)
    except FormatError as err:
        yield Reason("MALFORMED", package.INCLUSION, {"detail": str(err)})
        return
    if again != entry:
        yield Reason("ENTRY_DISAGREES", package.INCLUSION, {"entry": "baseline", "field": "readings_sha256"})


def _check_readings(evidence: Evidence, deliveries: list[Delivery]) -> Iterator[Reason]:
    """readings.csv must be the projection of the batches, byte for byte."""
    expected = readings_csv(deliveries, evidence.plan.points)
    stated = evidence.data(package.READINGS_CSV)
    if stated != expected:
        pairs = zip(stated.split(b"\n"), expected.split(b"\n"), strict=False)
        same = next((number for number, (left, right) in enumerate(pairs) if left != right), stated.count(b"\n"))
        yield Reason("READINGS_DIFFER", package.READINGS_CSV, {"line": same + 1})
