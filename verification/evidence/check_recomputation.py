"""The axis `recomputation`: does the engine make the same result of the signed batches, to the last digit?

The one axis that needs the analysis extra; numpy is imported inside, so that the others run without it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from verification import strictjson
from verification.evidence import build, package
from verification.evidence.check_evidence import Evidence
from verification.evidence.check_report import Reason
from verification.plan import plan_digest


def check_recomputation(evidence: Evidence) -> Iterator[Reason]:
    """Every reason to doubt that the result comes from these batches."""
    try:
        from verification.engine import verify as engine  # noqa: PLC0415 - heavy, and optional
        from verification.evidence import readings_table  # noqa: PLC0415 - heavy, and optional
    except ModuleNotFoundError as err:
        yield Reason("ANALYSIS_MISSING", data={"module": err.name or "numpy"})
        return
    deliveries = [delivery for _, delivery in evidence.deliveries]
    plan, stated = evidence.plan, evidence.result
    if package.READINGS_PARQUET in evidence.listed:
        parquet = evidence.data(package.READINGS_PARQUET)
        if not readings_table.parquet_holds(parquet, deliveries, plan.points):
            yield Reason("DERIVED_DISAGREES", package.READINGS_PARQUET, {"source": "batches/"})
    readings = readings_table.to_series(deliveries, plan.points)
    again = engine.verify(plan, plan_digest(evidence.data(package.PLAN)), readings, stated.context).to_json()
    if again == evidence.data(package.RESULT):
        counts = {"readings": sum(map(len, readings.values())), "batches": len(deliveries)}
        yield Reason("RECOMPUTED", package.RESULT, counts)
        return
    here = importlib.metadata.version("retroproof")
    if stated.engine_version != here:
        yield Reason("OTHER_ENGINE", package.RESULT, {"found": stated.engine_version, "known": here})
        return
    yield Reason("RESULT_DIFFERS", package.RESULT, {"field": _first_difference(evidence, again)})
    yield from _other_build(evidence)


def _other_build(evidence: Evidence) -> Iterator[Reason]:
    """Whether another build of the same version is what the package says that it was made by. It excuses nothing: any
    package could say so.
    """
    method = evidence.json(package.METHOD)
    found, known = method.get(build.KEY), build.sources_sha256()
    version = {"version": evidence.result.engine_version}
    if found is None:
        yield Reason("BUILD_NOT_STATED", package.METHOD, version)
    elif found != known:
        yield Reason("OTHER_BUILD", package.METHOD, {"found": str(found), "known": known, **version})


def _first_difference(evidence: Evidence, again: bytes) -> str:
    """The top-level fields in which the two results differ."""
    ours, theirs = strictjson.read(again), evidence.json(package.RESULT)
    return ", ".join(sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)))
