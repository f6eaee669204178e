"""The command `retroproof plan power`: what a plan can prove, from the baseline's readings, before anyone builds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from verification.command_files import (
    EXIT_INVALID_DATA,
    FILE,
    READ_STEPS,
    Number,
    UnusableFileError,
    progress,
    read_plan,
    read_readings,
)
from verification.texts import fill

if TYPE_CHECKING:
    from verification.engine.power import Power

Language = Literal["en", "zh"]
WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "head": "measure {name} [{unit}]: {n} {n:interval|intervals} of {fitted}, worth {effective} independent ones "
        "(rho {rho})",
        "baseline": "the baseline",
        "intermediate": "the intermediate window, as it may be expected",
        "smallest": "smallest provable change over the planned {intervals} {intervals:interval|intervals}: {change} "
        "{unit} ({percent} %)",
        "untold": "the planned {intervals} {intervals:interval is|intervals are} too few to tell the noise of the "
        "line: no change can be promised to be proven",
        "row": "  over {intervals} intervals: {change} {unit}",
        "needed": "a change of {change} {unit} against {limit} needs {intervals} reporting "
        "{intervals:interval|intervals}",
        "never": "a change of {change} {unit} against {limit} cannot be proven by any number of intervals",
        "misses": "a change of {change} {unit} does not keep to {limit}: no number of intervals and no meter certifies "
        "it",
        "class": "  and over the planned {intervals} {intervals:interval|intervals} meters of class {percent} or "
        "better",
        "no_class": "  and over the planned {intervals} {intervals:interval|intervals} no class of meter is enough",
        "budget": "  of the variance: {shares}",
        "limit": "the limit of {limit} {unit}",
        "no_change": "none",
        "not_change": "measure {name}: its limit is on the {of}; what follows is about changes in {unit} against none",
    },
    "zh": {
        "head": "指标 {name} [{unit}]：{fitted} {n} 个时段，相当于 {effective} 个独立时段（rho {rho}）",
        "baseline": "基准期",
        "intermediate": "中间期（预期）",
        "smallest": "计划的 {intervals} 个报告时段内可证明的最小变化：{change} {unit}（{percent} %）",
        "untold": "计划的 {intervals} 个报告时段太少，无法判断产线的波动：不能保证证明任何变化",
        "row": "  {intervals} 个时段：{change} {unit}",
        "needed": "相对{limit}证明变化 {change} {unit} 需要 {intervals} 个报告时段",
        "never": "相对{limit}的变化 {change} {unit}，无论多少时段都无法证明",
        "misses": "变化 {change} {unit} 不满足{limit}：再多的时段、再好的仪表也无法予以认证",
        "class": "  且在计划的 {intervals} 个时段内，仪表须为 {percent} 级或更优",
        "no_class": "  且在计划的 {intervals} 个时段内，任何等级的仪表都不够",
        "budget": "  方差构成：{shares}",
        "limit": "限值 {limit} {unit} ",
        "no_change": "无变化",
        "not_change": "指标 {name}：其限值针对{of}；以下按 {unit} 的变化量与无变化相比说明",
    },
}


@click.command()
@click.argument("plan_file", metavar="PLAN.yaml", type=FILE)
@click.option("--readings", "table_file", metavar="FILE", type=FILE, required=True, help="The baseline's readings.")
@click.option(
    "--change", type=Number(-1e18, 1e18), help="A true change, in the metric's unit. Default: the plan's claim."
)
@click.option(
    "--output-change",
    metavar="PERCENT",
    type=Number(-99, 1000),
    help="By how much the output will differ in the reporting period.",
)
@click.option("--power", type=Number(0.5, 0.999), default=0.8, show_default=True, help="How surely.")
@click.option("--lang", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Language.")
@click.pass_context
def power(
    ctx: click.Context,
    plan_file: Path,
    table_file: Path,
    change: float | None,
    output_change: float | None,
    power: float,
    lang: Language,
) -> None:
    """Say which change PLAN.yaml can prove, how many intervals a given one needs, and which class of meters.

    Only the baseline's readings are used. Exit status: 0, 3 the baseline cannot be relied on or its model does not
    reach the output to come, 64 the plan or a file cannot be used.
    """
    from verification.engine.power import powers  # noqa: PLC0415 - brings numpy
    from verification.errors import ConfigError  # noqa: PLC0415
    from verification.report.text import finding_texts  # noqa: PLC0415

    plan, _ = read_plan(plan_file)
    with progress(table_file, READ_STEPS) as advance:
        table = read_readings(table_file, plan, advance)
    try:
        found, findings = powers(plan, table.readings, change=change, power=power, output_change=output_change)
    except ConfigError as err:
        raise UnusableFileError(str(err)) from err
    for one in found:
        for line in power_lines(one, lang):
            click.echo(line)
    findings = [*table.findings, *findings]
    for line in finding_texts(findings, lang):
        click.echo(line)
    ctx.exit(EXIT_INVALID_DATA if any(finding.blocks for finding in findings) else 0)


def power_lines(one: Power, lang: Language) -> Iterator[str]:
    """What one measure can prove, line by line."""
    from verification.report.read import source_text  # noqa: PLC0415
    from verification.report.words import REPORT, Words  # noqa: PLC0415

    words, t = WORDS[lang], Words(lang, REPORT)
    shown = {"name": one.name, "unit": one.unit, "n": one.n, "effective": one.effective, "rho": one.rho}
    shown |= {"of": t(f"of_{one.of}"), "fitted": words[one.fitted]}
    shown["limit"] = fill(words["limit" if one.of == "change" else "no_change"], {"limit": one.limit, **shown})
    planned = {"intervals": one.planned, "percent": one.class_percent, **shown}
    yield fill(words["head"], shown)
    if one.of != "change":
        yield fill(words["not_change"], shown)
    if one.smallest is None:
        yield fill(words["untold"], planned)
    else:
        yield fill(words["smallest"], {**planned, "change": one.smallest, "percent": one.smallest_percent})
        shares = ", ".join(f"{source_text(source, t)} {share} %" for source, share in one.shares)
        yield fill(words["budget"], {"shares": shares})
    for intervals, smallest in one.table:
        yield fill(words["row"], {"intervals": f"{intervals:>5}", "change": f"{smallest or '–':>12}", **shown})
    if one.change is None:
        return
    asked = {"intervals": one.needed, "change": one.change, **shown}
    if not one.keeps:
        yield fill(words["misses"], asked)
        return
    yield fill(words["never" if one.needed is None else "needed"], asked)
    yield fill(words["no_class" if one.class_percent is None else "class"], planned)
