"""Fills the templates.

Takes what the routes gathered and gives responses; reads no database and decides no access.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from api.auth import ROLES_KEY
from api.clock import from_microseconds
from api.errors import ApiError
from api.filing import findings_of
from api.overview import Overview
from api.runs import package_name
from api.tokens import Principal
from api.web.numbers import bytes_size, moment, number, zone_of
from api.web.pictures import charts, interval_gauges
from api.web.texts import Words, choose
from verification.engine.bridge import round_to_sum
from verification.engine.result import Effect, MeasureResult, Result
from verification.engine.rounding import short, significant
from verification.findings import Finding
from verification.plan import Measure, Plan, Window
from verification.plan.measure import measure_spec

LANGUAGE_COOKIE = "retroproof_lang"
LANGUAGE_COOKIE_S = 365 * 24 * 3600
SEVERITY_ORDER = {"error": 0, "warning": 1, "info": 2}
PERCENT = 100
SHOWN_DIGITS = 3

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("api.web"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Event:
    """One step on the line of evidence.

    `index` is its entry in the log; None for what happened in the plant.
    """

    label: str
    time: dt.datetime
    index: int | None
    collected_to: dt.datetime | None = None

    @property
    def kind(self) -> str:
        """How the step is drawn."""
        return "event" if self.index is None else "entry"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the bridge. `share` is the length of its bar in percent of the longest."""

    label: str
    value: str
    share: str
    saving: bool
    total: bool


def projects(request: Request, caller: Principal, overviews: Sequence[Overview]) -> HTMLResponse:
    """The list of projects."""
    rows = [
        {
            "project": overview.project,
            "state": overview.state,
            "effect": overview.result.measures[0].effect if overview.result else None,
            "unit": _measure(overview.plan).target.unit if overview.plan else "",
            "limit": number(_trim(_measure(overview.plan).target.value)) if overview.plan else None,
            "readings": overview.coverage.readings,
            "latest": overview.latest,
            "zone": zone_of(overview.plan.timezone) if overview.plan else dt.UTC,
        }
        for overview in overviews
    ]
    return _page(request, "projects.html", principal=caller, rows=rows)


def project(request: Request, caller: Principal, overview: Overview, *, read_is_logged: bool) -> HTMLResponse:
    """One project on one page."""
    t = _words(request)
    plan, result = overview.plan, overview.result
    run = overview.runs[0] if result else None
    values: dict[str, Any] = {
        "project": overview.project,
        "state": overview.state,
        "plan": plan,
        "filed_measure": _measure(plan) if plan else None,
        "spec": measure_spec(plan, next(iter(plan.measures))) if plan else None,
        "measure": result.measures[0] if result else None,
        "filed": overview.plans[0] if overview.plans else None,
        "locked_findings": _by_severity(findings_of(overview.plans[0])) if overview.plans else [],
        "zone": zone_of(plan.timezone) if plan else dt.UTC,
        "windows": _windows(overview),
        "run": run,
        "runs": overview.runs,
        "result": result,
        "timeline": _timeline(overview),
        "coverage": overview.coverage.points,
        "read_is_logged": read_is_logged,
    }
    if result and run:
        path = f"/api/v1/projects/{overview.project.id}/runs/{run.number}"
        values |= {"package_path": f"{path}/package.zip", "result_path": f"{path}/result"}
        values |= {"package_name": package_name(run)} | _figures(result, t)
    return _page(request, "project.html", principal=caller, **values)


def login(request: Request, *, status: int, wrong: bool = False) -> HTMLResponse:
    """The sign-in form; after it the reader goes on to the page that was asked for."""
    wanted = request.url.path if request.method == "GET" and request.url.path != "/login" else "/"
    answer = _page(request, "login.html", status=status, wrong=wrong, next=wanted)
    if status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 15.5.2: a 401 names its scheme
    return answer


def error(request: Request, refused: ApiError) -> HTMLResponse:
    """A refusal as a page; without a session, the sign-in form."""
    if refused.status == HTTPStatus.UNAUTHORIZED:
        return login(request, status=401)
    t = _words(request)
    known = {403: "error_forbidden", 404: "error_not_found"}
    key = known.get(refused.status)
    message = t(key) if key else t("error_other", message=str(refused))
    principal = getattr(request.state, "principal", None)
    return _page(request, "error.html", status=refused.status, principal=principal, message=message)


def api_description(request: Request, description: dict[str, Any]) -> HTMLResponse:
    """The OpenAPI description as a plain page."""
    operations = [
        {
            "method": method,
            "path": path,
            "description": operation.get("description", ""),
            "roles": operation.get(ROLES_KEY, []),
            "parameters": [(item["name"], item["in"]) for item in operation.get("parameters", [])],
            "body": next(iter(operation.get("requestBody", {}).get("content", {})), None),
            "answers": [
                (status, next(iter(answer.get("content", {})), ""))
                for status, answer in operation["responses"].items()
                if int(status) < HTTPStatus.BAD_REQUEST
            ],
            "refusals": [status for status in operation["responses"] if int(status) >= HTTPStatus.BAD_REQUEST],
        }
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    return _page(request, "docs.html", description=description, operations=operations)


def local_path(wanted: str) -> str:
    """`wanted` where it is a path on this server, else the front page: a form must not send people elsewhere."""
    harmless = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if harmless else "/"


def _figures(result: Result, t: Words) -> dict[str, Any]:
    """Drawings, bridge and findings of a result, in the reader's language."""
    measure = result.measures[0]
    reasons = {(reason.code, str(reason.data)) for reason in result.verdict.reasons}
    others = [finding for finding in result.all_findings if (finding.code, str(finding.data)) not in reasons]
    figures: dict[str, Any] = {
        "charts": charts(measure, t),
        "findings": _by_severity(others),
        "bridge": [],
        "gauges": [],
    }
    if measure.effect is not None:
        percent = Decimal(measure.effect.confidence) * PERCENT
        figures |= {
            "gauges": interval_gauges(measure, measure.effect, t),
            "confidence_percent": short(percent),
            "bridge": _bridge(measure, measure.effect, t),
        }
    return figures


def _bridge(measure: MeasureResult, effect: Effect, t: Words) -> list[Step]:
    """The rows of the bridge one place finer than the reported change, rounded so that they add up as shown."""
    places = len(effect.reported_uncertainty.partition(".")[2])
    steps, total = [float(row.value) for row in measure.bridge[:-1]], float(measure.bridge[-1].value)
    shown = round_to_sum(steps, total, min(places + 1, effect.decimals))
    values = [*shown, sum(shown, Decimal(0))]
    longest = max(map(abs, values)) or Decimal(1)
    return [
        Step(
            label=t.or_same(f"bridge_{row.step}", row.step.removeprefix("driver:")),
            value=number(f"{value:f}", signed=True),
            share=f"{abs(value) / longest * PERCENT:.1f}",
            saving=value < 0,
            total=row.step == "verified",
        )
        for row, value in zip(measure.bridge, values, strict=True)
    ]


def _windows(overview: Overview) -> list[tuple[str, Window, object]]:
    if overview.plan is None:
        return []
    measure = overview.result.measures[0] if overview.result else None
    return [
        ("baseline", overview.plan.baseline, measure.baseline if measure else None),
        ("reporting", overview.plan.reporting, measure.reporting if measure else None),
    ]


def _timeline(overview: Overview) -> list[Event]:
    """The log's entries in their order, and the start of the reporting period before or after them.

    Where it belongs, the readings say: those that the baseline entry locked end before it, or they do not.
    """
    if overview.plan is None or overview.baseline is None:
        return []
    filed, first = overview.plans[0], overview.plan.reporting.start
    begins = dt.datetime(first.year, first.month, first.day, tzinfo=zone_of(overview.plan.timezone))
    collected = from_microseconds(overview.baseline.latest_source_time_us)
    locked = [
        Event("log_plan", filed.locked_at, filed.plan_index),
        Event("log_baseline", filed.locked_at, filed.baseline_index, collected_to=collected),
    ]
    begin = [Event("log_first_reading", begins, None)]
    events = locked + begin if collected < begins else begin + locked
    if overview.result is not None:
        events.append(Event("log_run", overview.runs[0].finished_at, overview.runs[0].log_index))
    return events


def _measure(plan: Plan) -> Measure:
    """The plan's first measure, which the page shows."""
    return next(iter(plan.measures.values()))


def _by_severity(found: Sequence[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: SEVERITY_ORDER[finding.severity])


def _last_day(window: Window) -> dt.date:
    """A plan's window ends before its `end`; people read the last day that counts."""
    return window.end - dt.timedelta(days=1)


def _trim(value: float) -> str:
    return short(Decimal(str(value)))


def _three_digits(value: str) -> str:
    """As much of an uncertainty or a factor as a person can use; the result itself has all of it."""
    return significant(float(value), SHOWN_DIGITS)


def _words(request: Request) -> Words:
    wish, kept = request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)
    return Words(choose(wish, kept, request.headers.get("accept-language", "")))


def _page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - template values
    t = _words(request)
    helpers = {
        "number": number,
        "moment": moment,
        "bytes_size": bytes_size,
        "last_day": _last_day,
        "trim": _trim,
        "short": _three_digits,
    }
    html = _TEMPLATES.get_template(template).render(**{"principal": None, "t": t, **helpers, **values})
    answer = HTMLResponse(
        html, status_code=status, headers={"Content-Language": t.language, "Vary": "Accept-Language, Cookie"}
    )
    if "lang" in request.query_params:
        answer.set_cookie(LANGUAGE_COOKIE, t.language, max_age=LANGUAGE_COOKIE_S, httponly=True, samesite="strict")
    return answer
