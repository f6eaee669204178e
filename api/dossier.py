"""Projects, filed plans and runs as rows: what is stored, and how it is found.

Decides nothing about their content.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from psycopg.rows import class_row

from api.database import Connection, statement
from api.errors import ApiError, not_found
from api.tokens import Principal


@dataclass(frozen=True, slots=True)
class Project:
    """One retrofit. `device` is the edge agent whose readings count."""

    id: str
    enterprise: str
    title_en: str
    title_zh: str
    device: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class FiledPlan:
    """A plan as filed. `plan_index` and `baseline_index` are its entries in the log; `findings` is JSON."""

    project: str
    version: int
    sha256: bytes
    data: bytes
    locked_at: dt.datetime
    plan_index: int
    baseline_index: int
    findings: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run. `number` counts the project's runs, `k` those against this version of its plan."""

    project: str
    number: int
    plan_version: int
    k: int
    started_at: dt.datetime
    finished_at: dt.datetime
    started_by: str
    verdict: str
    manifest_sha256: bytes
    log_index: int
    package_bytes: int


def add_project(conn: Connection, project: Project) -> None:
    """Store a new project. Raises ApiError where its id is taken."""
    if conn.execute(statement("add_project"), asdict(project)).fetchone() is None:
        raise ApiError(409, "project_exists", f"There is a project {project.id!r} already; choose another id.")


def list_projects(conn: Connection, principal: Principal) -> list[Project]:
    """The projects that `principal` may see, the oldest first."""
    with conn.cursor(row_factory=class_row(Project)) as cursor:
        return cursor.execute(statement("list_projects"), {"enterprise": principal.enterprise}).fetchall()


def find_project(conn: Connection, project_id: str, principal: Principal) -> Project:
    """One project.

    Raises ApiError 404 where it is missing or another enterprise's: the two must look alike.
    """
    with conn.cursor(row_factory=class_row(Project)) as cursor:
        row = {"id": project_id, "enterprise": principal.enterprise}
        found = cursor.execute(statement("find_project"), row).fetchone()
    if found is None:
        raise not_found(f"project {project_id!r}")
    return found


def lock_project(conn: Connection, project_id: str) -> None:
    """Hold back every other plan and run of this project until the transaction ends."""
    conn.execute(statement("lock_project"), {"id": project_id})


def add_plan(conn: Connection, plan: FiledPlan) -> None:
    """Store a plan that has been logged."""
    conn.execute(statement("add_plan"), asdict(plan))


def list_plans(conn: Connection, project_id: str) -> list[FiledPlan]:
    """Every version of the project's plan, the newest first."""
    with conn.cursor(row_factory=class_row(FiledPlan)) as cursor:
        return cursor.execute(statement("list_plans"), {"project": project_id}).fetchall()


def newest_plan(conn: Connection, project_id: str) -> FiledPlan:
    """The plan in force. Raises ApiError where none was filed."""
    plans = list_plans(conn, project_id)
    if not plans:
        raise ApiError(409, "no_plan", f"Project {project_id!r} has no plan; file one with POST .../plan first.")
    return plans[0]


def add_run(conn: Connection, run: Run, *, result: bytes, package: bytes) -> None:
    """Store a run that has been logged, with its result and its package as one archive."""
    conn.execute(statement("add_run"), {**asdict(run), "result": result, "package": package})


def list_runs(conn: Connection, project_id: str) -> list[Run]:
    """Every run of the project, the newest first."""
    with conn.cursor(row_factory=class_row(Run)) as cursor:
        return cursor.execute(statement("list_runs"), {"project": project_id}).fetchall()


def find_run(conn: Connection, project_id: str, number: int) -> Run:
    """One run. Raises ApiError 404 where there is none of this number."""
    for run in list_runs(conn, project_id):
        if run.number == number:
            return run
    raise not_found(f"run {number} of project {project_id!r}")


def read_result(conn: Connection, run: Run) -> bytes:
    """The result's bytes, as the engine gave them and as the package holds them."""
    return _stored_bytes(conn, "read_result", run)


def read_package(conn: Connection, run: Run) -> bytes:
    """The package as one archive."""
    return _stored_bytes(conn, "read_package", run)


def _stored_bytes(conn: Connection, name: str, run: Run) -> bytes:
    row = conn.execute(statement(name), {"project": run.project, "number": run.number}).fetchone()
    if row is None:
        raise not_found(f"run {run.number} of project {run.project!r}")
    return bytes(row[0])
