"""What the checks of step 6 say about a verdict: which of them would have turned it.

Only a conclusive verdict can be turned: by an admissible model whose answer differs by more than chance explains, and
whose own interval does not bear the verdict out (or excludes zero on the other side); by a month or an interval left
out, where the change without it lies on the other side of the limit, because it then outweighs the whole interval of
the change by itself; by what the plan left out, where the change with it lies on the other side of it, or of zero.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

from verification.engine.assess import Turning
from verification.engine.budget import Contribution, combine, coverage_factor
from verification.engine.robustness.assumptions import Assumptions, Choice, Drift
from verification.engine.robustness.panel import SURE_REJECTION_P, Entry, differs, label, rejected_by
from verification.engine.robustness.placebo import PlaceboDates
from verification.engine.rounding import significant
from verification.findings import Finding
from verification.plan.shape import WindowName

SHOWN_DIGITS = 4
MATTERS = 0.25  # of U: a bias of this size lets an interval of 95 % miss in one case of thirteen
BENT = 0.5  # of U: a few days at a stop are far from the others and bend a straight line by less
WORST_CASE = 1.5  # of U: no driver of a metered line errs as badly as this bound supposes
DRIFT_P = 0.01
ONE_SIDED_P = 5e-4  # of each window: honest plants, whose loads wander, come to twice as many chances or more
SURE_DRIFT_P = 1e-6  # of one case in a million a conclusion may be withheld for nothing
SURE_SEASON_P = 1e-4  # asked only of a short reporting period after a long baseline, and the season is no surprise
LARGEST_MONTH_SHARE = 1 / 4  # a month that is more of its window than this leaves too little to judge by
DECIDES_NOTHING = ("impossible", "stops")  # reasons for which intervals are left out
UNLIKELY = 0.01  # as many placebo claims on a steady line: from here on something changed within the baseline


@dataclasses.dataclass(frozen=True)
class Standing:
    """A conclusive verdict. `passes` says of a change [kernel unit] whether it would keep to the limit; `met` is the
    verdict itself; `significant_sign` whether the interval of the change excludes zero; `others` is the standard
    uncertainty by everything but noise, which every model shares; `limit`, `limit_unit` as shown.
    """

    delta: float
    met: bool
    significant_sign: bool
    passes: Callable[[float], bool]
    others: float
    confidence: float
    limit: str
    limit_unit: str


@dataclasses.dataclass(frozen=True)
class Naming:
    """How figures and intervals are shown: the metric's unit, its scale from the kernel unit, names of intervals."""

    unit: str
    scale: float
    interval: Callable[[WindowName, int], str]

    def figure(self, value: float) -> str:
        """A change, in the metric's unit."""
        return significant(value * self.scale, SHOWN_DIGITS)


def judge(found: Turning, standing: Standing | None, naming: Naming, output: str | None) -> list[Finding]:
    """What the checks that can turn a verdict say. Without a conclusive verdict nothing can flip, and the rest is still
    said.
    """
    return [
        *_of_panel(found.panel, standing, naming, output),
        *(_of_fewer_data(found, standing, naming) if standing else []),
    ]


def _of_panel(
    entries: Sequence[Entry], standing: Standing | None, naming: Naming, output: str | None
) -> Iterator[Finding]:
    primary = entries[0]
    rejecting = rejected_by(primary, entries, output, SURE_REJECTION_P)
    if rejecting:
        yield Finding.of("PRIMARY_REJECTED", model=label(rejecting[0].spec))
    for entry in entries[1:]:
        if not entry.admissible or entry.estimate is None or not differs(primary, entry):
            continue
        delta = entry.estimate.delta
        shown = {"model": label(entry.spec), "delta": naming.figure(delta), "unit": naming.unit}
        if standing is not None and not _bears_out(entry, standing):
            yield Finding.of("PANEL_FLIPS", limit=standing.limit, limit_unit=standing.limit_unit, **shown)
        elif standing is not None and standing.significant_sign and delta * standing.delta < 0:
            yield Finding.of("PANEL_FLIPS_SIGN", **shown)
        else:
            yield Finding.of("PANEL_DIFFERS", **shown)


def _bears_out(entry: Entry, standing: Standing) -> bool:
    """Whether the whole interval of another model's answer lies on the verdict's side of the limit."""
    if entry.estimate is None or entry.spread is None:
        return False
    rows = [
        Contribution("model", "A", entry.spread.u, entry.spread.dof),
        Contribution("others", "B", standing.others, math.inf),
    ]
    half_width = combine(rows, standing.confidence).expanded
    return all(standing.passes(entry.estimate.delta + sign * half_width) == standing.met for sign in (-1, 1))


def placebo_findings(placebo: PlaceboDates | None) -> Iterator[Finding]:
    """More claims than a steady line has: this warns, and does not forbid."""
    if placebo is not None and placebo.chance < UNLIKELY:
        yield Finding.of(
            "PLACEBO_EXCESS",
            claims=placebo.claims,
            dates=len(placebo.dates),
            independent=f"{placebo.independent:.1f}",
            chance=f"{100 * placebo.chance:.1f}",
        )


def assumption_findings(
    found: Assumptions, standing: Standing | None, naming: Naming, delta: float, expanded: float
) -> Iterator[Finding]:
    """What speaks against the comparison itself. A drift that is sure forbids a conclusion that does not hold without
    it; one that the windows cannot tell from none is said where it could turn the verdict.
    """
    unit = {"unit": naming.unit}
    if found.days_apart is not None:
        yield Finding.of("SEASON_OPPOSED", days=found.days_apart)
    elif found.baseline_days is not None:
        yield Finding.of("SEASON_NOT_COVERED", days=found.baseline_days)
    yield from _of_drift(found, standing, naming, expanded)
    if found.choice is not None and standing is not None and standing.met:
        yield from _of_choice(found.choice, standing, naming, expanded)
    curved = found.curvature
    if curved is not None and curved.p < SURE_REJECTION_P and abs(curved.shift) > BENT * expanded:
        yield Finding.of("LOAD_CURVED", delta=naming.figure(delta + curved.shift), **unit)
    for each in found.dilution:
        if abs(each.shift) > WORST_CASE * expanded:
            yield Finding.of("DRIVER_ERROR_MATTERS", driver=each.driver, bound=naming.figure(abs(each.shift)), **unit)


def _of_choice(choice: Choice, standing: Standing, naming: Naming, expanded: float) -> Iterator[Finding]:
    """Whether a met limit would be missed if the baseline had been chosen for its errors."""
    reach = expanded + choice.bias
    if not all(standing.passes(standing.delta + sign * reach) for sign in (-1, 1)):
        bias = naming.figure(choice.bias)
        yield Finding.of("BASELINE_CHOICE_MATTERS", stretches=choice.stretches, bias=bias, unit=naming.unit)


def _of_drift(found: Assumptions, standing: Standing | None, naming: Naming, expanded: float) -> Iterator[Finding]:
    """The season, and one drift: of two ways to see the same one the first that withholds the conclusion, else the
    first that warns.
    """
    seen: list[tuple[Drift, str, float, dict[str, str]]] = (
        [] if found.drift is None else [(found.drift, "DRIFT", DRIFT_P, {})]
    )
    seen += [
        (each, "DRIFT_ONE_SIDED", ONE_SIDED_P, {"window": window})
        for window, each in sorted(found.one_sided.items(), key=lambda item: item[1].p)
    ]
    said = [
        Finding.of(f"{code}_FLIPS" if each.p < SURE_DRIFT_P and _turned(each, standing) else code, **where, **shown)
        for each, code, p, where in seen
        if (shown := _shown(each, p, naming, expanded))
    ]
    if said:
        yield next((finding for finding in said if finding.blocks), said[0])
    elif found.drift is not None and standing is not None:
        reach = coverage_factor(standing.confidence, found.drift.dof) * found.drift.u_shift
        middle = standing.delta - found.drift.shift
        if not all(standing.passes(middle + sign * reach) == standing.met for sign in (-1, 1)):
            bound = naming.figure(abs(found.drift.shift) + reach)
            yield Finding.of("DRIFT_NOT_EXCLUDED", bound=bound, unit=naming.unit)
    if found.season is not None and (shown := _shown(found.season, DRIFT_P, naming, expanded)):
        sure = found.season.p < SURE_SEASON_P and _turned(found.season, standing)
        yield Finding.of("SEASON_FLIPS" if sure else "SEASON_SHIFTS", **shown)


def _shown(course: Drift, p: float, naming: Naming, expanded: float) -> dict[str, str]:
    """What a finding says of a course that chance does not explain and that matters; nothing of another."""
    if course.p >= p or abs(course.shift) <= MATTERS * expanded:
        return {}
    return {"shift": naming.figure(course.shift), "delta": naming.figure(course.delta), "unit": naming.unit}


def _turned(course: Drift, standing: Standing | None) -> bool:
    """Whether the interval of the change without the course does not bear the verdict out."""
    if standing is None:
        return False
    reach = coverage_factor(standing.confidence, course.dof) * course.u_delta
    return not all(standing.passes(course.delta + sign * reach) == standing.met for sign in (-1, 1))


def _of_exclusions(found: Turning, standing: Standing, naming: Naming) -> Iterator[Finding]:
    """What was left out for an event turns a verdict where the change with it lies on the other side of the limit, or,
    where the interval excludes zero, of zero. What is impossible, and what the metric is not of (shifts that nobody
    works), is shown but decides nothing. One interval of an event alone only warns: it has its cause in common with the
    others, and a batch that slipped over midnight makes two large intervals that cancel.
    """
    decided: set[tuple[str, str]] = set()
    for each in found.put_back:
        if each.reason in DECIDES_NOTHING:
            continue
        where = {"window": each.window, "reason": each.reason}
        shown = {"delta": naming.figure(each.delta), "unit": naming.unit}
        if standing.passes(each.delta) != standing.met:
            decided.add((each.window, each.reason))
            yield (
                Finding.of("EXCLUSIONS_FLIP", **shown)
                if each.window == "all"
                else Finding.of("EXCLUSION_FLIPS", **where, **shown)
            )
        elif standing.significant_sign and each.delta * standing.delta < 0:
            decided.add((each.window, each.reason))
            yield Finding.of("EXCLUSION_FLIPS_SIGN", where=f"in_{each.window}", reason=each.reason, **shown)
    for one in found.one_back:
        open_still = one.reason not in DECIDES_NOTHING and (one.window, one.reason) not in decided
        if open_still and standing.passes(one.delta) != standing.met:
            yield Finding.of(
                "EXCLUDED_INTERVAL_MATTERS",
                window=one.window,
                reason=one.reason,
                first=naming.interval(one.window, one.position),
                delta=naming.figure(one.delta),
                unit=naming.unit,
            )


def _of_fewer_data(found: Turning, standing: Standing, naming: Naming) -> Iterator[Finding]:
    for month in found.months:
        if month.share <= LARGEST_MONTH_SHARE and standing.passes(month.delta) != standing.met:
            yield Finding.of(
                "MONTH_FLIPS",
                window=month.window,
                month=f"{month.year}-{month.month:02}",
                delta=naming.figure(month.delta),
                unit=naming.unit,
            )
    yield from _of_exclusions(found, standing, naming)
    for each in found.influence:
        delta = standing.delta + each.change
        if standing.passes(delta) != standing.met:
            yield Finding.of(
                "INTERVAL_FLIPS",
                window=each.window,
                first=naming.interval(each.window, each.position),
                delta=naming.figure(delta),
                unit=naming.unit,
            )
