"""The commands `retroproof plan check`, `init`, `metrics`, `schema`, `sign-adjustment` and `power`: to write a plan
that holds when it is filed.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from verification.command_files import (
    FILE,
    READ_STEPS,
    UnusableFileError,
    progress,
    read_plan,
    read_readings,
    write_file,
)
from verification.power_command import power
from verification.texts import fill

if TYPE_CHECKING:
    from verification.findings import Finding
    from verification.plan import Plan

Language = Literal["en", "zh"]
EXIT_BLOCKED = 3
LANGUAGE = click.option(
    "--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language of what is printed."
)
WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "valid": "{name} is a valid plan: {project}",
        "window": "{label}: {start} to {end} (end excluded), {count} {count:{interval}}",
        "baseline": "baseline",
        "intermediate": "intermediate window",
        "reporting": "reporting period",
        "measure": "measure {name}: {formula} [{unit}], {title}",
        "points": "  reads {points}",
        "model": "  model {kind}{drivers}",
        "target": "  target: {of} {side} {value:g} {unit}",
        "no_meter": "  note: no meter is named for {points}; its error will not be in the uncertainty",
        "lower": "lower is better",
        "higher": "higher is better",
        "used": "{label}, {name}: {used} of {count} {count:{interval}} usable",
    },
    "zh": {
        "valid": "{name} 是有效的方案：{project}",
        "window": "{label}：{start} 至 {end}（不含结束日），{count} {interval}",
        "baseline": "基准期",
        "intermediate": "中间期",
        "reporting": "报告期",
        "measure": "指标 {name}：{formula} [{unit}]，{title}",
        "points": "  使用测点 {points}",
        "model": "  模型 {kind}{drivers}",
        "target": "  目标：{of} {side} {value:g} {unit}",
        "no_meter": "  提示：测点 {points} 未指明仪表，其误差将不计入不确定度",
        "lower": "越低越好",
        "higher": "越高越好",
        "used": "{label}，{name}：{count} {interval}中可用 {used}",
    },
}


@click.group()
def plan() -> None:
    """Check a plan, begin one, list the metrics."""


plan.add_command(power)


@plan.command()
@click.argument("plan_file", metavar="PLAN.yaml", type=FILE)
@click.option("--readings", "table_file", metavar="FILE", type=FILE, help="Also look at a CSV or Parquet table.")
@LANGUAGE
@click.pass_context
def check(ctx: click.Context, plan_file: Path, table_file: Path | None, lang: Language) -> None:
    """Check PLAN.yaml and say how it is understood; with --readings also whether the data would do.

    Nothing is judged: the outcome stays unread. Exit status: 0 valid, 3 the readings cannot be relied on, 64 the plan
    or a file cannot be used; the message names the line and the nearest right key.
    """
    from verification.plan.doubts import doubts  # noqa: PLC0415
    from verification.plan.resolve import measure_spec  # noqa: PLC0415
    from verification.report.text import finding_texts  # noqa: PLC0415

    read, _ = read_plan(plan_file)
    for line in _understood(read, str(plan_file), lang):
        click.echo(line)
    findings = [finding for name in read.measures for finding in doubts(measure_spec(read, name))]
    if table_file is not None:
        findings += _look_at(read, table_file, lang)
    for line in finding_texts(findings, lang):
        click.echo(line)
    ctx.exit(EXIT_BLOCKED if any(finding.blocks for finding in findings) else 0)


@plan.command()
@click.argument("metric")
@click.option("--out", metavar="FILE", type=FILE, help="Write it here instead of printing it.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), help="First day of the baseline. Default: tomorrow.")
@click.option("--project", default="my-line", show_default=True, help="Short name of the project.")
def init(metric: str, out: Path | None, start: dt.datetime | None, project: str) -> None:
    """Begin a plan for METRIC (see `retroproof plan metrics`): complete, commented, and valid as it stands."""
    from verification.errors import ConfigError  # noqa: PLC0415
    from verification.plan.draft import draft_plan  # noqa: PLC0415
    from verification.plan.read import parse_plan  # noqa: PLC0415

    first = start.date() if start else dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    try:
        text = draft_plan(metric, first, project=project)
        parse_plan(text.encode(), name="the plan begun so")
    except OverflowError as err:
        raise UnusableFileError(f"--start: {first} leaves no room for the windows of a plan") from err
    except ConfigError as err:
        raise UnusableFileError(str(err)) from err
    if out is None:
        click.echo(text, nl=False)
    else:
        write_file(out, text.encode(), new=True)


@plan.command()
@LANGUAGE
def metrics(lang: Language) -> None:
    """List the metrics of the catalogue with their formulas, units and inputs."""
    from verification.metrics.catalogue import catalogue  # noqa: PLC0415

    for name, definition in catalogue().metrics.items():
        title = definition.title.zh if lang == "zh" else definition.title.en
        formula = (
            definition.numerator
            if definition.denominator is None
            else (f"({definition.numerator}) / ({definition.denominator})")
        )
        click.echo(f"{name} [{definition.unit}] {title}; {WORDS[lang][definition.better]}")
        click.echo(f"    {formula}")
        for role, about in definition.roles.items():
            shown = about.title.zh if lang == "zh" else about.title.en
            click.echo(f"    {role}: {about.kind} [{about.unit}] {shown}")


@plan.command()
def schema() -> None:
    """Print the JSON schema of a plan file, for editors."""
    from verification.plan.schema import plan_schema  # noqa: PLC0415

    click.echo(plan_schema(), nl=False)


@plan.command(name="sign-adjustment")
@click.argument("plan_file", metavar="PLAN.yaml", type=FILE)
@click.argument("adjustment_id", metavar="ID")
@click.option(
    "--key", "key_file", metavar="FILE", type=FILE, required=True, help="The owner's Ed25519 key, PKCS #8 PEM."
)
def sign_adjustment(plan_file: Path, adjustment_id: str, key_file: Path) -> None:
    """Sign the non-routine adjustment ID of PLAN.yaml with its owner's key, and print the signature.

    Edits nothing: put what it prints behind `signature:`. Exit status: 0 signed, 64 the plan or the key cannot be used.
    """
    from verification.errors import ConfigError  # noqa: PLC0415
    from verification.keys import load_private  # noqa: PLC0415
    from verification.plan.signing import sign  # noqa: PLC0415

    read, _ = read_plan(plan_file)
    try:
        click.echo(sign(read, adjustment_id, load_private(key_file)))
    except ConfigError as err:
        raise UnusableFileError(str(err)) from err


def _understood(read: Plan, name: str, lang: Language) -> list[str]:
    """How a plan is understood, as lines."""
    from verification.finding_catalogue import WORDS as SHARED  # noqa: PLC0415
    from verification.plan.edges import interval_edges_us  # noqa: PLC0415
    from verification.plan.resolve import measure_spec  # noqa: PLC0415

    words = WORDS[lang]
    lines = [words["valid"].format(name=name, project=read.project)]
    for label, window in read.windows.items():
        count, interval = len(interval_edges_us(read, window)) - 1, SHARED[lang][read.interval]
        about = {"start": window.start, "end": window.end, "count": count, "interval": interval}
        lines.append(fill(words["window"], {"label": words[label], **about}))
    for measure_name in read.measures:
        spec = measure_spec(read, measure_name)
        target, model = spec.measure.target, spec.measure.model
        title = spec.title.zh if lang == "zh" else spec.title.en
        lines.append(words["measure"].format(name=measure_name, formula=spec.formula, unit=spec.unit, title=title))
        lines.append(words["points"].format(points=", ".join(spec.points)))
        drivers = f" ({', '.join(model.drivers)})" if model.drivers else ""
        lines.append(words["model"].format(kind=model.kind, drivers=drivers))
        limit = {"side": target.side, "value": target.value, "unit": target.unit}
        lines.append(words["target"].format(of=target.of, **limit))
        without = [point for point in spec.points if read.points[point].meter is None]
        if without:
            lines.append(words["no_meter"].format(points=", ".join(without)))
    return lines


def _look_at(read: Plan, table_file: Path, lang: Language) -> list[Finding]:
    """What stands out in the readings, before anything is judged; prints how many intervals are usable."""
    from verification.finding_catalogue import WORDS as SHARED  # noqa: PLC0415
    from verification.quality.balance import cross_checks  # noqa: PLC0415 - brings numpy
    from verification.quality.gate import gate  # noqa: PLC0415
    from verification.quality.points import measure_specs, point_windows, readings_used  # noqa: PLC0415

    with progress(table_file, READ_STEPS) as advance:
        table = read_readings(table_file, read, advance)
    windows, found = point_windows(read, readings_used(read, table.readings))
    findings = [*table.findings, *found, *cross_checks(read, [*windows.values()])]
    for spec in measure_specs(read):
        for window in [windows[name] for name in read.windows_of(spec.measure)]:
            data, found = gate(read, spec, window)
            findings += [finding for finding in found if finding not in findings]
            about = {"used": data.intervals_used, "count": len(data.calendar), "interval": SHARED[lang][read.interval]}
            click.echo(fill(WORDS[lang]["used"], {"label": WORDS[lang][data.label], "name": spec.name, **about}))
    return findings
