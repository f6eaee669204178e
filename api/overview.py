"""What is stored of a project, gathered for a list, a page or an answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from api import dossier, schemas
from api.clock import from_microseconds
from api.database import Connection
from api.dossier import FiledPlan, Project, Run
from api.filing import baseline_entry
from ingest import read
from verification.engine.result import Result, parse_result
from verification.evidence.logentry import BaselineEntry
from verification.plan import Plan, parse_plan


@dataclass(frozen=True, slots=True)
class Overview:
    """A project with what is in force. `state` is the verdict, or `no_plan` or `no_run` before there is one.

    `result` is that of the newest run, and only where that run judged the plan in force.
    """

    project: Project
    plans: list[FiledPlan]
    plan: Plan | None
    baseline: BaselineEntry | None
    runs: list[Run]
    result: Result | None
    coverage: schemas.Coverage

    @property
    def state(self) -> str:
        """One word for where the project stands."""
        if self.result is not None:
            return self.result.verdict.state
        return "no_run" if self.plans else "no_plan"

    @property
    def latest(self) -> dt.datetime | None:
        """The latest source time of any reading."""
        return max((point.last for point in self.coverage.points if point.last), default=None)


def gather(conn: Connection, project: Project) -> Overview:
    """Everything about one project."""
    plans, runs = dossier.list_plans(conn, project.id), dossier.list_runs(conn, project.id)
    judged = bool(plans and runs) and runs[0].plan_version == plans[0].version
    return Overview(
        project=project,
        plans=plans,
        plan=parse_plan(plans[0].data) if plans else None,
        baseline=baseline_entry(conn, plans[0]) if plans else None,
        runs=runs,
        result=parse_result(dossier.read_result(conn, runs[0])) if judged else None,
        coverage=coverage_of(conn, project),
    )


def coverage_of(conn: Connection, project: Project) -> schemas.Coverage:
    """The number of readings stored of the project's device, in all and by point; each as the device last
    described it.
    """
    counted = {found.point: found for found in read.coverage(conn, project.device)}
    described = {point.name: point for point in read.points(conn, project.device)}
    points = []
    for name, point in described.items():
        found = counted.get(name)
        points.append(
            schemas.PointCoverage(
                name=name,
                unit=point.unit,
                kind=point.kind,
                meter=point.meter,
                count=found.count if found else 0,
                first=from_microseconds(found.first_us) if found else None,
                last=from_microseconds(found.last_us) if found else None,
            )
        )
    return schemas.Coverage(readings=sum(point.count for point in points), points=points)
