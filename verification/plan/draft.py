"""A first plan for a metric, to be filled in: complete, commented in both languages, and valid as it stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from verification.errors import ConfigError
from verification.metrics.catalogue import MetricDefinition, catalogue

WINDOW_DAYS = 120  # enough for a conclusion at the autocorrelation that lines usually have
WORKS_DAYS = 30
EXAMPLE_PARAMETERS = {"electricity_equal_value": 0.3, "oxygen_reference": 9.0, "ideal_cycle_time": 2.0}


def draft_plan(metric_id: str, start: dt.date, *, project: str = "my-line") -> str:
    """The text of a plan that measures `metric_id` from `start` on. Raises ConfigError for an unknown metric."""
    definition = catalogue().metrics.get(metric_id)
    if definition is None:
        raise ConfigError(f"{metric_id} is not in the catalogue; `retroproof plan metrics` lists it")
    return "\n".join(_lines(metric_id, definition, start, project)) + "\n"


def _lines(metric_id: str, definition: MetricDefinition, start: dt.date, project: str) -> Iterator[str]:
    roles = _given_roles(definition)
    baseline_end = start + dt.timedelta(days=WINDOW_DAYS)
    reporting = baseline_end + dt.timedelta(days=WORKS_DAYS)
    yield f"# {definition.title.en} / {definition.title.zh}"
    yield "# Check it with / 检查: retroproof plan check THIS-FILE"
    yield "retroproof_plan: 2"
    yield f"project: {project}"
    yield "title:"
    yield f'  en: "{definition.title.en}"'
    yield f'  zh: "{definition.title.zh}"'
    yield "timezone: Asia/Shanghai"
    yield "interval: day  # 15min, hour, shift, day, week, month"
    yield "# Local dates; the end is the first day that no longer counts. / 当地日期，end 为不再计入的第一天。"
    yield f"baseline: {{start: {start}, end: {baseline_end}}}"
    yield f"blanking: {{start: {baseline_end}, end: {reporting}}}  # the works / 改造施工期"
    yield f"reporting: {{start: {reporting}, end: {reporting + dt.timedelta(days=WINDOW_DAYS)}}}"
    yield "points:  # as the agent or the table names them / 与采集代理或表格中的名称一致"
    for name in roles:
        yield from _point(name, definition)
    yield "meters:"
    for name in roles:
        if definition.roles[name].kind == "total":
            yield f"  M-{name}: {{class_percent: 0.5, unit: {_quoted(definition.roles[name].unit)}}}"
    if not any(definition.roles[name].kind == "total" for name in roles):
        yield "  {}"
    yield "confidence: 0.95"
    yield "measures:"
    yield f"  {metric_id}:"
    yield from (f"    {line}" for line in _measure(metric_id, definition, roles))


def _point(name: str, definition: MetricDefinition) -> Iterator[str]:
    role = definition.roles[name]
    if role.kind == "total":
        kind, others, meter = "counter", "interval_total, event", f", meter: M-{name}"
    else:
        kind, others, meter = ("state" if role.unit == "1" else "gauge"), "gauge, state", ""
    about = f"{role.title.en} / {role.title.zh}; {kind}, {others}"
    yield f"  {name}: {{kind: {kind}, unit: {_quoted(role.unit)}{meter}}}  # {about}"


def _measure(metric_id: str, definition: MetricDefinition, roles: list[str]) -> Iterator[str]:
    unit = _quoted(definition.unit)
    yield f"metric: {metric_id}"
    yield f"unit: {unit}"
    if definition.boundaries:
        yield f"boundary: {next(iter(definition.boundaries))}  # {', '.join(definition.boundaries)}, or en and zh"
    else:
        yield 'boundary: {en: "what belongs to it", zh: "包含的范围"}'
    yield f"inputs: {{{', '.join(f'{name}: {name}' for name in roles)}}}"
    parameters = {
        name: EXAMPLE_PARAMETERS.get(name, 1.0) for name, about in definition.parameters.items() if about.value is None
    }
    if parameters:
        shown = ", ".join(f"{name}: {value}" for name, value in parameters.items())
        units = ", ".join(f"{name} in {definition.parameters[name].unit}" for name in parameters)
        yield f"parameters: {{{shown}}}  # {units}"
    yield f"model: {_model(definition, roles)}"
    side, value = ("at_most", -1.0) if definition.better == "lower" else ("at_least", 1.0)
    yield f"target: {{of: change, {side}: {value}, unit: {unit}}}  # after minus before / 改造后减改造前"


def _model(definition: MetricDefinition, roles: list[str]) -> str:
    """Regression on the denominator where it is a point of its own, else the plain ratio or mean."""
    if definition.denominator in roles:
        return f"{{kind: ols, drivers: [{definition.denominator}]}}"
    return "{kind: ratio}" if definition.denominator else "{kind: mean}"


def _given_roles(definition: MetricDefinition) -> list[str]:
    """The roles that a first plan fills in: those without a default, and one of the others where there is none."""
    needed = [name for name, role in definition.roles.items() if role.default is None]
    in_numerator = [name for name in definition.roles if name in definition.numerator]
    return needed if set(needed) & set(in_numerator) else [in_numerator[0], *needed]


def _quoted(unit: str) -> str:
    return unit if unit.replace("/", "").replace("_", "").isalpha() else f'"{unit}"'
