"""The axis `plausibility`: can these data be true of a real line, as far as the engine and the plan can tell?

Findings of the engine at severity `error` refute it, warnings are listed. An honest result that admits bad data is
refuted here too: its bytes may be as signed, its data still do not bear a conclusion.
"""

from __future__ import annotations

from collections.abc import Iterator

from verification.batch import Catalogue
from verification.evidence import package
from verification.evidence.check_evidence import Evidence
from verification.evidence.check_report import Reason

_CODES = {"error": "DATA_FINDING_ERROR", "warning": "DATA_FINDING_WARNING"}


def check_plausibility(evidence: Evidence) -> Iterator[Reason]:
    """Every reason to doubt that the data are true of the line."""
    for finding in evidence.result.all_findings:
        if finding.severity in _CODES:
            yield Reason(_CODES[finding.severity], package.RESULT, {"finding_code": finding.code}, finding)
    yield from _check_points(evidence)


def _check_points(evidence: Evidence) -> Iterator[Reason]:
    """The signed catalogues must give each point the plan's unit and kind, and one device must own it."""
    owners: dict[str, str] = {}
    for name, delivery in evidence.deliveries:
        if not isinstance(delivery.payload, Catalogue):
            continue
        for point in delivery.payload.points:
            planned = evidence.plan.points.get(point.name)
            if planned is None:
                continue
            if (point.unit, point.kind) != (planned.unit, planned.kind):
                stated = {"found": f"{point.kind} [{point.unit}]", "planned": f"{planned.kind} [{planned.unit}]"}
                yield Reason("POINT_DIFFERS", name, {"point": point.name, **stated})
            if owners.setdefault(point.name, delivery.header.device) != delivery.header.device:
                yield Reason("POINT_TWICE", name, {"point": point.name})
