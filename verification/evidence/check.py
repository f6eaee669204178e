"""The offline check of an evidence package: six questions, asked of bytes alone, with no network, database or clock.

Takes the files as a mapping (`check`) or as one .zip (`check_archive`) and never raises for anything that they
contain. The axes are answered in order and apart: a changed file refutes `bytes`, and leaves every axis that needs it
unverified rather than judged on bytes that nobody signed. Each axis is a module `check_<axis>`; this one asks them
and catches what they cannot use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from verification.errors import FormatError
from verification.evidence.archive import unpack
from verification.evidence.check_bytes import check_bytes, unknown_schema
from verification.evidence.check_claim import check_claim
from verification.evidence.check_completeness import check_completeness
from verification.evidence.check_evidence import Evidence, UnusableError
from verification.evidence.check_plausibility import check_plausibility
from verification.evidence.check_recomputation import check_recomputation
from verification.evidence.check_report import Axis, AxisReport, Reason, Report
from verification.evidence.check_signer import check_signer
from verification.evidence.keyring import TrustedKeys
from verification.evidence.package import READINGS_PARQUET, check_bounds

__all__ = ["check", "check_archive", "unreadable"]

# What befalls an honest package on its way, and which step mends it.
_ARCHIVE_REASONS = {
    "no_archive": "NO_ARCHIVE",
    "archive_cut": "ARCHIVE_CUT",
    "archive_compressed": "ARCHIVE_COMPRESSED",
}


def check(
    files: Mapping[str, bytes],
    *,
    trusted: TrustedKeys | None = None,
    recompute: bool = False,
    found: Iterable[Reason] = (),
) -> Report:
    """Check a package given as file name -> bytes.

    trusted: keys obtained from elsewhere; without them the package's own keys are taken, and said to be. recompute:
    run the engine again (needs the analysis extra). found: what the caller found about the bytes while it read them.
    """
    try:
        check_bounds(len(files), sum(map(len, files.values())))
    except FormatError as err:
        return unreadable(err)
    evidence = Evidence(files)
    unknown = unknown_schema(evidence)
    if unknown is not None:
        return _only_bytes(evidence.manifest_sha256, unknown)
    questions: dict[Axis, Callable[[], Iterator[Reason]]] = {
        Axis.BYTES: lambda: _chain(found, check_bytes(evidence)),
        Axis.SIGNER: lambda: check_signer(evidence, trusted),
        Axis.COMPLETENESS: lambda: check_completeness(evidence),
        Axis.PLAUSIBILITY: lambda: check_plausibility(evidence),
        Axis.RECOMPUTATION: lambda: check_recomputation(evidence),
        Axis.CLAIM: lambda: check_claim(evidence),
    }
    axes = tuple(
        _not_recomputed(evidence) if axis is Axis.RECOMPUTATION and not recompute else _ask(axis, question)
        for axis, question in questions.items()
    )
    return Report(evidence.manifest_sha256, axes)


def check_archive(data: bytes, *, trusted: TrustedKeys | None = None, recompute: bool = False) -> Report:
    """Check a package given as the bytes of a .zip file."""
    try:
        files, canonical = unpack(data)
    except FormatError as err:
        return unreadable(err)
    found = () if canonical else (Reason("ARCHIVE_FORM"),)
    return check(files, trusted=trusted, recompute=recompute, found=found)


def unreadable(err: FormatError) -> Report:
    """The report on something that could not even be read as a set of files, and why."""
    code = _ARCHIVE_REASONS.get(err.code)
    return _only_bytes("", Reason(code) if code else Reason("NO_PACKAGE", data={"detail": str(err)}))


def _only_bytes(manifest_sha256: str, reason: Reason) -> Report:
    others = (AxisReport(axis, run=False) for axis in Axis if axis is not Axis.BYTES)
    return Report(manifest_sha256, (AxisReport(Axis.BYTES, (reason,)), *others))


def _not_recomputed(evidence: Evidence) -> AxisReport:
    held = READINGS_PARQUET in evidence.files
    return AxisReport(
        Axis.RECOMPUTATION, (Reason("PARQUET_NOT_COMPARED", READINGS_PARQUET),) if held else (), run=False
    )


def _ask(axis: Axis, question: Callable[[], Iterator[Reason]]) -> AxisReport:
    """Collect the reasons of one axis, up to the first thing that it needs and cannot use."""
    reasons: list[Reason] = []
    try:
        for reason in question():
            reasons.append(reason)  # noqa: PERF402 - what came before the exception is kept
    except UnusableError as err:
        reasons.append(err.reason)
    return AxisReport(axis, tuple(reasons))


def _chain(found: Iterable[Reason], reasons: Iterator[Reason]) -> Iterator[Reason]:
    yield from found
    yield from reasons
