"""Files a plan: checks it, reads the baseline as it stands, and enters both in the log, plan first, in one
transaction.

From then on nobody can fit the plan to the outcome unnoticed: the log's order shows what was fixed before
what. What is wrong with the plan itself is refused; what stands out in the baseline is returned as findings,
and the plan is filed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from api import dossier
from api.clock import microseconds, utc_now
from api.database import Connection, connect, snapshot
from api.dossier import FiledPlan, Project
from api.errors import ApiError
from api.log import Log, stored_entries
from api.readings import load
from ingest import read
from verification.engine.result import Context
from verification.engine.verify import verify
from verification.errors import ConfigError, FormatError
from verification.evidence import logentry
from verification.evidence.deliveries import Delivery, decode_all
from verification.evidence.package import baseline_of
from verification.findings import Finding, of_baseline
from verification.plan import Plan, parse_plan, plan_digest
from verification.shapes import ready


@dataclass(frozen=True, slots=True)
class Filing:
    """A filed plan with its baseline entry.

    `created` is false where these very bytes had been filed before.
    """

    plan: FiledPlan
    baseline: logentry.BaselineEntry
    created: bool


@dataclass(frozen=True, slots=True)
class _Baseline:
    """What is stored of the baseline at the moment of filing."""

    deliveries: list[Delivery]
    findings: list[Finding]


def file_plan(db: str, log: Log, project: Project, data: bytes) -> Filing:
    """Lock `data` as the project's plan, as a further version where there is one.

    Raises ApiError, LogTamperedError.
    """
    plan = _checked(project, data)
    with connect(db) as conn:
        dossier.lock_project(conn, project.id)
        versions = dossier.list_plans(conn, project.id)
        for filed in versions:
            if filed.data == data:
                return Filing(filed, baseline_entry(conn, filed), created=False)
        return _lock(conn, log, plan, data, version=len(versions) + 1, stored=_stored_baseline(db, project, plan, data))


def findings_of(filed: FiledPlan) -> list[Finding]:
    """What stood out in the baseline when the plan was locked."""
    return msgspec.json.decode(filed.findings, type=ready(list[Finding]))


def baseline_entry(conn: Connection, filed: FiledPlan) -> logentry.BaselineEntry:
    """The log entry that locked the baseline of this plan."""
    [stored] = stored_entries(conn, start=filed.baseline_index, limit=1)
    entry = logentry.parse(stored.data)
    if not isinstance(entry, logentry.BaselineEntry):
        raise FormatError(
            "undecodable", f"entry {stored.index} of the log is not a baseline; ask for the log's checkpoint"
        )
    return entry


def _checked(project: Project, data: bytes) -> Plan:
    try:
        plan = parse_plan(data)
    except ConfigError as err:
        raise ApiError(422, "invalid_plan", str(err)) from err
    if plan.project != project.id:
        raise ApiError(
            422,
            "other_project",
            f"plan.yaml: project is {plan.project!r}, but this is {project.id!r}; correct one of them",
        )
    return plan


def _stored_baseline(db: str, project: Project, plan: Plan, data: bytes) -> _Baseline:
    """Batches and readings of one moment.

    The engine sees the baseline only: nothing of the outcome is judged here.
    """
    with snapshot(db) as conn:
        sealed = [batch.data for batch in read.batches(conn, project.device)]
        readings = load(conn, project.device, plan, baseline_only=True)
    now = utc_now()
    result = verify(plan, plan_digest(data), readings, Context(plan_logged_at=now, baseline_logged_at=now))
    return _Baseline(decode_all(sealed), of_baseline(result.all_findings))


def _lock(conn: Connection, log: Log, plan: Plan, data: bytes, *, version: int, stored: _Baseline) -> Filing:
    opened = log.open(conn)
    now, digest = utc_now(), plan_digest(data)
    try:
        baseline = baseline_of(plan, digest, stored.deliveries, logged_at_us=microseconds(now))
    except FormatError as err:
        raise ApiError(
            409, "no_readings", f"The plan cannot be locked yet: {err}. Collect the baseline first."
        ) from err
    entry = logentry.PlanEntry(plan.project, digest, microseconds(now))
    filed = FiledPlan(
        project=plan.project,
        version=version,
        sha256=bytes.fromhex(digest),
        data=data,
        locked_at=now,
        plan_index=opened.append(logentry.encode(entry), logged_at=now),
        baseline_index=opened.append(logentry.encode(baseline), logged_at=now),
        findings=msgspec.json.encode(stored.findings),
    )
    opened.sign(signed_at=now)
    dossier.add_plan(conn, filed)
    return Filing(filed, baseline, created=True)
