"""/api/v1/projects: projects, plans, runs, packages, coverage. Each route states who may call it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from api import devices, dossier, filing, present, runs, schemas
from api.auth import Caller, allow
from api.clock import utc_now
from api.database import Connection, connect
from api.dossier import Project
from api.errors import ApiError
from api.overview import coverage_of
from api.services import Here
from api.tokens import Role
from verification.engine.result import parse_result
from verification.model import Grade

EVERYONE = allow(Role.ENTERPRISE, Role.EXPERT, Role.AUDITOR, Role.OPERATOR)
READERS = allow(Role.ENTERPRISE, Role.EXPERT, Role.AUDITOR)
LOGGED_READERS = frozenset({Role.EXPERT, Role.AUDITOR})
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": schemas.Error} for status in (401, 403, 404, 409, 422)}
PlanFile = Annotated[bytes, Body(media_type="application/yaml", description="The plan file as it stands, in UTF-8")]

router = APIRouter(prefix="/api/v1/projects", responses=REFUSALS)


@router.get("", openapi_extra=EVERYONE)
def list_projects(here: Here, caller: Caller) -> list[schemas.ProjectOut]:
    """The projects that you may see. An enterprise sees its own."""
    with connect(here.db) as conn:
        return [_describe(conn, project) for project in dossier.list_projects(conn, caller)]


@router.post("", status_code=201, openapi_extra=allow(Role.ENTERPRISE, Role.OPERATOR))
def create_project(here: Here, caller: Caller, body: schemas.NewProject) -> schemas.ProjectOut:
    """Enter a project.

    Its device must be enrolled for the same enterprise and sign what it sends; an enterprise enters its own only.
    """
    if caller.enterprise not in (None, body.enterprise):
        raise ApiError(403, "other_enterprise", f"You may enter projects of {caller.enterprise!r} only.")
    project = Project(
        id=body.id,
        enterprise=body.enterprise,
        title_en=body.title_en,
        title_zh=body.title_zh,
        device=body.device,
        created_at=utc_now(),
    )
    with connect(here.db) as conn:
        match devices.owner(conn, body.device):
            case (body.enterprise, Grade.SIGNED):
                pass
            case (body.enterprise, _):
                raise ApiError(
                    422,
                    "unsigned_device",
                    f"Nobody signs what {body.device!r} sends (a gateway, trust grade 'transport'), so no evidence can "
                    "be made of it; let an edge agent read the same points, and name that agent.",
                )
            case _:
                raise ApiError(
                    422,
                    "unknown_device",
                    f"Device {body.device!r} is not enrolled for {body.enterprise!r}; enrol it first.",
                )
        dossier.add_project(conn, project)
    return present.project(project, None, None)


@router.get("/{project_id}", openapi_extra=EVERYONE)
def show_project(here: Here, caller: Caller, project_id: str) -> schemas.ProjectOut:
    """One project."""
    with connect(here.db) as conn:
        return _describe(conn, dossier.find_project(conn, project_id, caller))


@router.get("/{project_id}/coverage", openapi_extra=EVERYONE)
def show_coverage(here: Here, caller: Caller, project_id: str) -> schemas.Coverage:
    """How many readings are stored, by point, with the first and the last source time."""
    with connect(here.db) as conn:
        return coverage_of(conn, dossier.find_project(conn, project_id, caller))


@router.post(
    "/{project_id}/plan",
    status_code=201,
    responses={200: {"model": schemas.PlanOut, "description": "These very bytes were filed before"}},
    openapi_extra=allow(Role.ENTERPRISE),
)
def file_plan(here: Here, caller: Caller, project_id: str, data: PlanFile, response: Response) -> schemas.PlanOut:
    """File the plan and lock it together with the baseline collected so far.

    Both go into the log at once, the plan first. The same bytes again change nothing (200); other bytes
    become a further version beside the first, never in its place. A mistake in the plan is refused with its
    line; what stands out in the baseline comes back as findings.
    """
    with connect(here.db) as conn:
        project = dossier.find_project(conn, project_id, caller)
    filed = filing.file_plan(here.db, here.log, project, data)
    if not filed.created:
        response.status_code = 200
    return present.plan(filed)


@router.get("/{project_id}/plan", openapi_extra=READERS)
def show_plan(here: Here, caller: Caller, project_id: str) -> schemas.PlanOut:
    """The plan in force, with its place in the log."""
    with connect(here.db) as conn:
        project = dossier.find_project(conn, project_id, caller)
        filed = dossier.newest_plan(conn, project.id)
        return present.plan(filing.Filing(filed, filing.baseline_entry(conn, filed), created=False))


@router.get("/{project_id}/plan.yaml", response_class=Response, openapi_extra=READERS)
def download_plan(here: Here, caller: Caller, project_id: str) -> Response:
    """The plan in force, byte for byte as it was filed."""
    with connect(here.db) as conn:
        project = dossier.find_project(conn, project_id, caller)
        return Response(dossier.newest_plan(conn, project.id).data, media_type="application/yaml")


@router.post("/{project_id}/runs", status_code=201, openapi_extra=allow(Role.EXPERT))
def start_run(here: Here, caller: Caller, project_id: str) -> schemas.RunOut:
    """Judge the plan in force on the readings stored now, build the evidence package and log the run.

    Every run counts and stays: there is no way to try until the figure pleases.
    """
    with connect(here.db) as conn:
        project = dossier.find_project(conn, project_id, caller)
    finished = runs.start_run(here.settings, here.log, project, caller)
    return present.run(finished.run, finished.result)


@router.get("/{project_id}/runs", openapi_extra=READERS)
def list_runs(here: Here, caller: Caller, project_id: str) -> list[schemas.RunSummary]:
    """Every run of the project, the newest first."""
    with connect(here.db) as conn:
        project = dossier.find_project(conn, project_id, caller)
        return [present.run_summary(run) for run in dossier.list_runs(conn, project.id)]


@router.get("/{project_id}/runs/{number}", openapi_extra=READERS)
def show_run(here: Here, caller: Caller, project_id: str, number: int) -> schemas.RunOut:
    """One run: verdict, change with its uncertainty, findings."""
    with connect(here.db) as conn:
        run = dossier.find_run(conn, dossier.find_project(conn, project_id, caller).id, number)
        return present.run(run, parse_result(dossier.read_result(conn, run)))


@router.get("/{project_id}/runs/{number}/result", response_class=Response, openapi_extra=READERS)
def show_result(here: Here, caller: Caller, project_id: str, number: int) -> Response:
    """The engine's result, byte for byte as the package holds it (docs/reference/result.md)."""
    with connect(here.db) as conn:
        run = dossier.find_run(conn, dossier.find_project(conn, project_id, caller).id, number)
        return Response(dossier.read_result(conn, run), media_type="application/json")


@router.get("/{project_id}/runs/{number}/findings", openapi_extra=READERS)
def show_findings(here: Here, caller: Caller, project_id: str, number: int) -> list[schemas.FindingOut]:
    """What was found, with what would resolve it, in both languages."""
    with connect(here.db) as conn:
        run = dossier.find_run(conn, dossier.find_project(conn, project_id, caller).id, number)
        return present.findings(parse_result(dossier.read_result(conn, run)).all_findings)


@router.get(
    "/{project_id}/runs/{number}/package.zip",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}},
    openapi_extra=READERS,
)
def download_package(here: Here, caller: Caller, project_id: str, number: int) -> Response:
    """The evidence package, for `retroproof check`.

    That an expert or an auditor read it is entered in the log.
    """
    with connect(here.db) as conn:
        run = dossier.find_run(conn, dossier.find_project(conn, project_id, caller).id, number)
    package = runs.read_package(here.db, here.log, run, caller, logged=caller.role in LOGGED_READERS)
    headers = {"Content-Disposition": f'attachment; filename="{runs.package_name(run)}"'}
    return Response(package, media_type="application/zip", headers=headers)


def _describe(conn: Connection, project: Project) -> schemas.ProjectOut:
    plans, finished = dossier.list_plans(conn, project.id), dossier.list_runs(conn, project.id)
    return present.project(project, plans[0] if plans else None, finished[0] if finished else None)
