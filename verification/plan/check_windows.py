"""What the windows of a plan contradict: their order, their length, and the chain that an intermediate one links."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator

from verification.plan.edges import DAYS_A_WEEK, interval_edges_us
from verification.plan.measure import MeasureSpec, Path, PlanError
from verification.plan.shape import Event, Measure, Plan, Window, WindowName

FIRST_DAY, LAST_DAY = dt.date(1970, 1, 1), dt.date(2199, 12, 31)
MAX_WINDOW_DAYS = 3660  # ten years; a longer window is a typing mistake
FEWEST_INTERVALS = 6  # of a window that a model is fitted to: the engine asks for as many independent ones
SPOKEN: dict[WindowName, str] = {
    "baseline": "baseline",
    "intermediate": "intermediate window",
    "reporting": "reporting period",
}


def _dates(plan: Plan) -> Iterator[tuple[Path, dt.date]]:
    """Every date that becomes an instant, under its key."""
    spans: list[tuple[Path, Window | Event]] = [((label,), window) for label, window in plan.windows.items()]
    spans += [(("events", index), event) for index, event in enumerate(plan.events)]
    spans += [(("adjustments", n, "window"), each.window) for n, each in enumerate(plan.adjustments) if each.window]
    for path, span in spans:
        yield from (((*path, "start"), span.start), ((*path, "end"), span.end))
    for name, meter in plan.meters.items():
        for index, change in enumerate(meter.changes):
            yield ("meters", name, "changes", index, "date"), change.date


def check_windows(plan: Plan) -> None:
    """Raise PlanError for windows out of order, too long, not of whole intervals, or without a use."""
    for path, day in _dates(plan):
        if not FIRST_DAY <= day <= LAST_DAY:
            raise PlanError(path, f"{day} is not between {FIRST_DAY} and {LAST_DAY}")
    windows: dict[str, Window] = {**plan.windows} | ({"blanking": plan.blanking} if plan.blanking else {})
    for label, window in windows.items():
        days = (window.end - window.start).days
        if days < 1:
            raise PlanError(
                (label, "end"), f"end {window.end} is not after start {window.start}; end is the first day left out"
            )
        if days > MAX_WINDOW_DAYS:
            raise PlanError((label,), f"{days} days; a window has at most {MAX_WINDOW_DAYS}")
    for label, window in plan.windows.items():
        _check_whole_intervals(plan, label, window)
    for earlier, later in itertools.pairwise(plan.windows):
        _check_order(plan, earlier, later)
    _check_use(plan)
    _check_blanking(plan)


def _check_blanking(plan: Plan) -> None:
    blanking, between = plan.blanking, plan.intermediate
    if blanking and not plan.baseline.end <= blanking.start < blanking.end <= plan.reporting.start:
        raise PlanError(
            ("blanking",),
            f"must lie between the end of the baseline ({plan.baseline.end}) and the start of the reporting period "
            f"({plan.reporting.start})",
        )
    if blanking and between and blanking.start < between.end and between.start < blanking.end:
        raise PlanError(
            ("blanking",),
            f"overlaps the intermediate window ({between.start} to {between.end}), whose readings count; shorten one "
            "of the two",
        )


def _check_order(plan: Plan, earlier: WindowName, later: WindowName) -> None:
    """Windows follow each other in time; a common edge is allowed."""
    before, after = plan.windows[earlier], plan.windows[later]
    if after.start >= before.end:
        return
    name = SPOKEN[earlier]
    if after.end <= before.start:
        raise PlanError(
            (later, "start"),
            f"starts on {after.start}, and lies before the {name} ({before.start} to {before.end}); the order is "
            f"{', '.join(plan.windows)}",
        )
    raise PlanError(
        (later, "start"),
        f"starts on {after.start}, before the {name} ends on {before.end}; windows must not overlap",
    )


def _check_whole_intervals(plan: Plan, label: str, window: Window) -> None:
    days = (window.end - window.start).days
    if plan.interval == "week" and days % DAYS_A_WEEK:
        raise PlanError((label,), f"{days} days are not whole weeks, as `interval: week` asks for")
    if plan.interval == "month" and (window.start.day, window.end.day) != (1, 1):
        raise PlanError((label,), "with `interval: month` a window begins and ends on the first day of a month")


def _check_use(plan: Plan) -> None:
    if plan.intermediate is not None and all(one.method != "chaining" for one in plan.measures.values()):
        raise PlanError(
            ("intermediate",),
            "no measure uses it; write `method: chaining` in the measure that it links, or take it out",
        )


def check_chaining(plan: Plan, measure: Measure, spec: MeasureSpec) -> None:
    """Raise PlanError where a chain lacks its link: a window between the two, long enough for a model with drivers."""
    path: Path = ("measures", spec.name)
    if measure.method != "chaining":
        return
    if plan.intermediate is None:
        raise PlanError(
            (*path, "method"),
            "`method: chaining` carries a model of an intermediate window to both ends; write "
            "`intermediate: {start, end}` between the baseline and the reporting period",
        )
    if measure.model.kind in ("ratio", "mean"):
        raise PlanError(
            (*path, "model", "kind"),
            f"the {measure.model.kind} of the intermediate window cancels out of a chain; use a model with drivers, or "
            "`method: avoided`",
        )
    intervals = len(interval_edges_us(plan, plan.intermediate)) - 1
    fewest = max(FEWEST_INTERVALS, len(spec.drivers) + 2)  # more than the coefficients, of which the intercept is one
    if intervals < fewest:
        raise PlanError(
            ("intermediate",),
            f"has {intervals} intervals ({plan.interval}), too few for the model of {spec.name}, which needs {fewest} "
            "at the very least and ten times as many to be of use",
        )
