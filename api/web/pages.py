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
from api.web.measures import by_severity, measure_views, target_in_words, three_digits
from api.web.numbers import bytes_size, moment, zone_of
from api.web.operations import OPERATIONS_ZH
from api.web.texts import choose, words
from verification.engine.rounding import short
from verification.findings import alike_together
from verification.plan import Window
from verification.report.numbers import number
from verification.report.words import Words

LANGUAGE_COOKIE = "retroproof_lang"
LANGUAGE_COOKIE_S = 365 * 24 * 3600
PERCENT = 100

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("api.web"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["alike_together"] = alike_together


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


def projects(request: Request, caller: Principal, overviews: Sequence[Overview]) -> HTMLResponse:
    """The list of projects."""
    t = _words(request)
    rows = [
        {
            "project": overview.project,
            "state": overview.state,
            "measures": _list_rows(overview, t),
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
        "measures": measure_views(plan, result, overview.state, t) if plan else [],
        "filed": overview.plans[0] if overview.plans else None,
        "locked_findings": by_severity(findings_of(overview.plans[0])) if overview.plans else [],
        "zone": zone_of(plan.timezone) if plan else dt.UTC,
        "windows": [*plan.windows.items()] if plan else [],
        "run": run,
        "runs": overview.runs,
        "result": result,
        "timeline": _timeline(overview),
        "coverage": overview.coverage.points,
        "read_is_logged": read_is_logged,
    }
    if result and run:
        path = f"/api/v1/projects/{overview.project.id}/runs/{run.number}"
        shown = [reason for measure in result.measures for reason in measure.verdict.reasons]
        values |= {
            "package_path": f"{path}/package.zip",
            "result_path": f"{path}/result",
            "package_name": package_name(run),
            "confidence_percent": short(Decimal(result.confidence) * PERCENT),
            "findings": by_severity([finding for finding in result.findings if finding not in shown]),
        }
    return _page(request, "project.html", principal=caller, **values)


def login(request: Request, *, status: int, refused_for: str | None = None) -> HTMLResponse:
    """The sign-in form; after it the reader goes on to the page that was asked for, also where a wrong token came
    between: `refused_for` is the page that it was sent for.
    """
    here = request.url.path if request.method == "GET" and request.url.path != "/login" else "/"
    wanted = here if refused_for is None else local_path(refused_for)
    answer = _page(request, "login.html", status=status, wrong=refused_for is not None, next=wanted)
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
            "description_zh": OPERATIONS_ZH[f"{method.upper()} {path}"],
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


def _list_rows(overview: Overview, t: Words) -> list[dict[str, Any]]:
    """Each measure of a project in the list: its change, and its limit in words that say what has to keep to it."""
    if overview.plan is None:
        return []
    judged = {measure.name: measure for measure in overview.result.measures} if overview.result else {}
    return [
        {
            "effect": judged[name].effect if name in judged else None,
            "unit": measure.unit,
            "target": target_in_words(measure.target, t),
        }
        for name, measure in overview.plan.measures.items()
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


def _last_day(window: Window) -> dt.date:
    """A plan's window ends before its `end`; people read the last day that counts."""
    return window.end - dt.timedelta(days=1)


def _words(request: Request) -> Words:
    wish, kept = request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)
    return words(choose(wish, kept, request.headers.get("accept-language", "")))


def _page(request: Request, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - template values
    t = _words(request)
    helpers = {
        "number": number,
        "moment": moment,
        "bytes_size": bytes_size,
        "last_day": _last_day,
        "short": three_digits,
    }
    html = _TEMPLATES.get_template(template).render(**{"principal": None, "t": t, **helpers, **values})
    answer = HTMLResponse(
        html, status_code=status, headers={"Content-Language": t.language, "Vary": "Accept-Language, Cookie"}
    )
    if "lang" in request.query_params:
        answer.set_cookie(LANGUAGE_COOKIE, t.language, max_age=LANGUAGE_COOKIE_S, httponly=True, samesite="strict")
    return answer
