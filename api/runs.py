"""Runs a verification: readings and batches of one moment, the engine's result, the evidence package, the
log, one transaction.

Either everything of a run is stored and logged, or nothing is: no result leaves this room that the log does
not know.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
from dataclasses import dataclass
from typing import Any

from api import dossier
from api.clock import from_microseconds, microseconds, utc_now
from api.config import Settings
from api.database import Connection, connect, snapshot
from api.devices import signing_keys
from api.dossier import FiledPlan, Project, Run
from api.filing import baseline_entry
from api.log import Log, stored_entries
from api.readings import end_of, load
from api.tokens import Principal
from ingest import read
from verification import keys
from verification.engine.result import Context, Result
from verification.engine.verify import needed_points, verify
from verification.evidence import archive, build, logentry
from verification.evidence.deliveries import decode_all, steps_back
from verification.evidence.keyring import DeviceKey, KeyRegister, LogKey
from verification.evidence.package import (
    CHECKPOINT,
    RESULT,
    Logged,
    PackageInputs,
    assemble,
    manifest_sha256,
    run_entry,
    seal,
)
from verification.findings import Finding
from verification.model import Grade
from verification.plan import Plan, parse_plan
from verification.series.columns import Series

ACCEPTED = "accepted"
ENGINE_PACKAGES = ("numpy", "pint", "rfc8785", "scipy", "tzdata")  # what a recomputation could differ by


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A stored run and what came out of it."""

    run: Run
    result: Result


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a run is made from, all of one moment.

    `refused`: batches that have their place in a chain but no readings; `quarantined`: all that lie there, by code.
    """

    batches: list[bytes]
    refused: list[dict[str, str | int]]
    quarantined: dict[str, int]
    readings: dict[str, Series]
    grades: dict[str, Grade]
    device_keys: list[DeviceKey]


@dataclass(frozen=True, slots=True)
class _Order:
    """Which run this is, of which plan."""

    project: Project
    filed: FiledPlan
    number: int
    k: int
    started_at: dt.datetime
    started_by: str


def start_run(settings: Settings, log: Log, project: Project, caller: Principal) -> FinishedRun:
    """Judge the project's plan on what is stored now, and log it.

    Raises ApiError, LogTamperedError, FormatError.
    """
    started_at = utc_now()
    with connect(settings.db) as conn:
        dossier.lock_project(conn, project.id)
        filed = dossier.newest_plan(conn, project.id)
        earlier = dossier.list_runs(conn, project.id)
        k = sum(run.plan_version == filed.version for run in earlier) + 1
        order = _Order(project, filed, len(earlier) + 1, k, started_at, caller.subject)
        result, files = _judge(settings, conn, order)
        return FinishedRun(_log_and_store(settings, log, conn, order, result, files), result)


def package_name(run: Run) -> str:
    """What a downloaded package is called: its project, its run, and the start of its address."""
    return f"{run.project}-run-{run.number}-{run.manifest_sha256.hex()[:12]}.zip"


def read_package(db: str, log: Log, run: Run, caller: Principal, *, logged: bool) -> bytes:
    """The package as one archive. With `logged`, nothing is handed out before the log says who reads it."""
    with connect(db) as conn:
        package = dossier.read_package(conn, run)
        if logged:
            opened = log.open(conn)
            now = utc_now()
            entry = logentry.ReadEntry(
                run.project, run.manifest_sha256.hex(), caller.subject, caller.role, microseconds(now)
            )
            opened.append(logentry.encode(entry), logged_at=now)
    return package


def _judge(settings: Settings, conn: Connection, order: _Order) -> tuple[Result, dict[str, bytes]]:
    """The engine's result, and every file of the package that the manifest covers."""
    filed, device = order.filed, order.project.device
    plan = parse_plan(filed.data)
    locked = {head.epoch: head.sequence for head in baseline_entry(conn, filed).heads if head.device == device}
    stored = _load(settings.db, device, plan, locked)
    context = _context(conn, filed, order.k, stored.grades, [*_refiled(order), *_intake_findings(plan, stored)])
    result = verify(plan, filed.sha256.hex(), stored.readings, context)
    inputs = PackageInputs(
        plan=filed.data,
        plan_logged=_logged(conn, filed.plan_index),
        baseline_logged=_logged(conn, filed.baseline_index),
        batches=stored.batches,
        result=result.to_json(),
        keys=KeyRegister(
            engine=keys.public_text(settings.engine_key),
            log=LogKey(settings.log_origin, keys.public_text(settings.log_key)),
            devices={device: stored.device_keys},
        ),
        method=_method(result),
        quarantined=stored.refused,
    )
    return result, assemble(inputs)


def _log_and_store(
    settings: Settings, log: Log, conn: Connection, order: _Order, result: Result, files: dict[str, bytes]
) -> Run:
    """Log the run, seal its package with the log's word, store both.

    Nothing counts before the caller's commit.
    """
    opened = log.open(conn)
    finished_at = utc_now()
    entry = run_entry(files, run=order.k, logged_at_us=microseconds(finished_at))
    index = opened.append(logentry.encode(entry), logged_at=finished_at)
    sealed = seal(files, log_entries=opened.entries, log_key=settings.log_key, engine_key=settings.engine_key)
    opened.keep(sealed[CHECKPOINT], signed_at=finished_at)
    package = archive.pack(sealed)
    run = Run(
        project=order.project.id,
        number=order.number,
        plan_version=order.filed.version,
        k=order.k,
        started_at=order.started_at,
        finished_at=finished_at,
        started_by=order.started_by,
        verdict=result.verdict.state,
        manifest_sha256=bytes.fromhex(manifest_sha256(files)),
        log_index=index,
        package_bytes=len(package),
    )
    dossier.add_run(conn, run, result=files[RESULT], package=package)
    return run


def _load(db: str, device: str, plan: Plan, locked: dict[int, int]) -> _Stored:
    """What is stored up to the plan's end, and in any case what was locked with the baseline (sequence by epoch)."""
    with snapshot(db) as conn:
        batches = list(read.batches(conn, device, end_us=end_of(plan), at_least=locked, refused=True))
        return _Stored(
            batches=[batch.data for batch in batches if batch.code == ACCEPTED],
            refused=[
                {
                    "device": device,
                    "epoch": batch.epoch,
                    "sequence": batch.sequence,
                    "sha256": batch.sha256.hex(),
                    "code": batch.code,
                }
                for batch in batches
                if batch.code != ACCEPTED
            ],
            quarantined=read.quarantined(conn, device),
            readings=load(conn, device, plan),
            grades={point.name: point.grade for point in read.points(conn, device) if point.name in plan.points},
            device_keys=signing_keys(conn, device),
        )


def _refiled(order: _Order) -> list[Finding]:
    """Whether the project was judged under other plans before: who tries until a window pleases leaves this trace."""
    if order.filed.version == 1:
        return []
    return [Finding.of("PLAN_REFILED", version=order.filed.version, runs=order.number - order.k)]


def _intake_findings(plan: Plan, stored: _Stored) -> list[Finding]:
    """What the way of the readings shows: batches in quarantine, and readings that came out of order."""
    findings = []
    if stored.quarantined:
        codes = ", ".join(f"{code} {count}" for code, count in stored.quarantined.items())
        findings.append(Finding.of("BATCHES_QUARANTINED", count=sum(stored.quarantined.values()), codes=codes))
    back = steps_back(decode_all(stored.batches), needed_points(plan))
    return findings + [Finding.of("DISORDER_SORTED", point=name, count=count) for name, count in sorted(back.items())]


def _context(conn: Connection, filed: FiledPlan, k: int, grades: dict[str, Grade], found: list[Finding]) -> Context:
    """What only the platform knows: when it locked what, which run this is, and the trust grade of each point."""
    return Context(
        plan_logged_at=filed.locked_at,
        baseline_logged_at=filed.locked_at,
        latest_collected_at=from_microseconds(baseline_entry(conn, filed).latest_source_time_us),
        run_number=k,
        run_count=k,
        trust_grades={name: grade.value for name, grade in grades.items()},
        input_findings=found,
    )


def _logged(conn: Connection, index: int) -> Logged:
    [entry] = stored_entries(conn, start=index, limit=1)
    return Logged(entry.index, entry.data)


def _method(result: Result) -> dict[str, Any]:
    """Which software computed the result."""
    packages = {name: importlib.metadata.version(name) for name in ENGINE_PACKAGES}
    return {
        "engine_version": result.engine_version,
        build.KEY: build.sources_sha256(),
        "python": platform.python_version(),
        "packages": packages,
    }
