"""What was left out and put back: by updating the fit as by fitting anew, and what it does to a verdict."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.verification.engine.samples import NAMING, STANDING, line, sample
from verification.engine.assess import Primary, Turning, answer_of
from verification.engine.case import ALL_EVENTS, Case, PutBack
from verification.engine.models.family import BaselineModel, ModelSpec, refit
from verification.engine.models.sample import Sample
from verification.engine.robustness.judge import Standing, judge
from verification.engine.robustness.left_out import WithOne, WithPutBack, with_one, with_put_back
from verification.engine.robustness.panel import Entry
from verification.engine.savings import Estimate
from verification.plan.shape import Method, WindowName

OLS = ModelSpec("ols", ("output",))
SPECS = [OLS, ModelSpec("ratio"), ModelSpec("mean"), ModelSpec("change_point", ("output", "degrees"), (), "degrees")]
EXCLUDED = (5, 17, 18, 19, 40)


def window(seed: int, first: int, change: float = 0.0) -> Sample:
    """Sixty days with a temperature, of which the excluded ones are far off, each by another amount."""
    rng = np.random.default_rng(seed)
    tons, degrees = rng.normal(656, 26, 60), rng.uniform(0, 30, 60)
    y = 150_000 + (13_270 + change) * tons + 9_000 * np.maximum(15 - degrees, 0) + rng.normal(0, 44_000, 60)
    y[list(EXCLUDED)] += [4e5, -6e5, 1e5, 8e5, -2e5]
    return sample(y, tons, np.column_stack([tons, degrees]), ("output", "degrees"), first)


def case_of(method: Method, name: WindowName, reason: str = "event:alert") -> Case:
    """A case of which the excluded intervals of one window can be put back."""
    whole = {"baseline": window(1, 0), "intermediate": window(2, 90, -100), "reporting": window(3, 180, -260)}
    used = np.isin(np.arange(60), EXCLUDED, invert=True)
    windows = {each: full.take(used) for each, full in whole.items()}
    return Case(
        windows["baseline"],
        windows["reporting"],
        method,
        adjustment=2.0,
        output="output",
        intermediate=windows["intermediate"] if method == "chaining" else None,
        put_back=[PutBack(reason, {name: whole[name]})],
    )


def answered(spec: ModelSpec, case: Case) -> Primary:
    primary = answer_of(spec, case)
    assert isinstance(primary, Primary)
    return primary


def one_by_one(primary: Primary, case: Case, name: WindowName) -> list[float]:
    """The change with each excluded interval of a window, everything computed anew."""
    (put_back,) = case.put_back
    full, deltas = put_back.windows[name], []
    for index in EXCLUDED:
        kept = np.isin(np.arange(60), [each for each in EXCLUDED if each != index], invert=True)
        changed = case.with_window(name, full.take(kept))
        model = refit(primary.model, changed.fitted)
        assert isinstance(model, BaselineModel)
        estimate = changed.answer(model, primary.noise)
        assert isinstance(estimate, Estimate)
        deltas.append(estimate.delta)
    return deltas


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
@pytest.mark.parametrize(
    ("method", "name"),
    [
        (method, name)
        for method in ("avoided", "backcast", "normalised", "chaining")
        for name in ("baseline", "intermediate", "reporting")
        if (method == "chaining") >= (name == "intermediate")
    ],
)
def test_the_interval_that_matters_most_alone_is_that_of_fitting_each_anew(
    spec: ModelSpec, method: Method, name: WindowName
):
    case = case_of(method, name)
    primary = answered(spec, case)
    (found,) = with_one(primary.model, primary.noise, case, primary.estimate.delta)
    expected = one_by_one(primary, case, name)
    largest = int(np.argmax(np.abs(np.array(expected) - primary.estimate.delta)))
    assert (found.window, found.reason, found.position) == (name, "event:alert", EXCLUDED[largest])
    assert found.delta == pytest.approx(expected[largest], rel=1e-7)


def test_a_single_interval_is_its_reason_and_said_once():
    case = case_of("avoided", "baseline")
    baseline = case.put_back[0].windows["baseline"]
    one = baseline.take(np.isin(np.arange(60), EXCLUDED[1:], invert=True))
    case = dataclasses.replace(case, put_back=[PutBack("event:alert", {"baseline": one})])
    primary = answered(OLS, case)
    assert with_one(primary.model, primary.noise, case, primary.estimate.delta) == []
    assert len(with_put_back(primary.model, primary.noise, case)) == 1


def test_all_events_of_all_windows_are_put_back_at_once():
    baseline, reporting = window(1, 0), window(3, 180, -260)
    case = dataclasses.replace(
        case_of("avoided", "baseline"), put_back=[PutBack(ALL_EVENTS, {"baseline": baseline, "reporting": reporting})]
    )
    primary = answered(OLS, case)
    (found,) = with_put_back(primary.model, primary.noise, case)
    whole = answered(OLS, Case(baseline, reporting, adjustment=2.0, output="output"))
    assert (found.window, found.reason) == ("all", ALL_EVENTS)
    assert found.delta == pytest.approx(whole.estimate.delta, rel=1e-12)
    assert with_one(primary.model, primary.noise, case, primary.estimate.delta) == []


def of_products(products: dict[int, str], name: WindowName) -> Case:
    """A case whose excluded intervals of one window made what `products` says; the others made A and B."""
    case = case_of("avoided", name)
    usual = np.where(np.arange(60) % 2, "B", "A")
    labels = usual.copy()
    labels[list(products)] = list(products.values())
    used = np.isin(np.arange(60), EXCLUDED, invert=True)
    marked = dataclasses.replace(case.put_back[0].windows[name], categories={"product": labels})
    plain = {"product": usual[used]}
    return dataclasses.replace(
        case,
        baseline=dataclasses.replace(case.baseline, categories=plain),
        reporting=dataclasses.replace(case.reporting, categories=plain),
        put_back=[PutBack("event:alert", {name: marked})],
    )


@pytest.mark.parametrize("name", ["baseline", "reporting"])
def test_an_interval_of_a_category_that_the_model_never_met_is_not_put_back_as_another(name: WindowName):
    spec = ModelSpec("ols", ("output",), ("product",))
    some = of_products({17: "X", 40: "X"}, name)
    (whole,) = some.put_back
    primary = answered(spec, some)
    known = whole.windows[name].take(np.isin(np.arange(60), [17, 40], invert=True))
    expected = dataclasses.replace(some, put_back=[PutBack(whole.reason, {name: known})])
    for check in (
        lambda case: with_put_back(primary.model, primary.noise, case),
        lambda case: with_one(primary.model, primary.noise, case, primary.estimate.delta),
    ):
        assert check(some) == check(expected) != []
    none = of_products(dict.fromkeys(EXCLUDED, "X"), name)
    assert with_put_back(primary.model, primary.noise, none) == []
    assert with_one(primary.model, primary.noise, none, primary.estimate.delta) == []


def turned(
    together: float, alone: float | None = None, reason: str = "event:alert", standing: Standing | None = STANDING
) -> list[str]:
    """The codes for one exclusion of the reporting period: the change with all of it, and with one interval alone."""
    window: WindowName = "reporting"
    put_back = WithPutBack("all" if reason == ALL_EVENTS else window, reason, together)
    one = [] if alone is None else [WithOne(window, reason, 3, alone)]
    found = Turning(panel=[Entry(OLS, True, ())], months=[], influence=[], put_back=[put_back], one_back=one)  # noqa: FBT003
    return [finding.code for finding in judge(found, standing, NAMING, "output")]


def test_only_an_exclusion_as_a_whole_turns_a_verdict_and_one_interval_of_it_warns():
    assert turned(-201.0) == []
    assert turned(-199.0) == ["EXCLUSION_FLIPS"]
    assert turned(-199.0, -100.0) == ["EXCLUSION_FLIPS"]
    assert turned(-201.0, -199.0) == ["EXCLUDED_INTERVAL_MATTERS"]
    assert turned(-199.0, reason=ALL_EVENTS) == ["EXCLUSIONS_FLIP"]
    for reason in ("stops", "impossible"):
        assert turned(+50.0, +50.0, reason) == []
    assert turned(+50.0, standing=None) == []


def test_a_change_that_turns_its_sign_turns_a_verdict_whose_limit_still_holds():
    lenient = dataclasses.replace(STANDING, passes=lambda change: change <= 100)
    assert turned(+50.0, standing=lenient) == ["EXCLUSION_FLIPS_SIGN"]
    assert turned(+50.0, reason=ALL_EVENTS, standing=lenient) == ["EXCLUSION_FLIPS_SIGN"]
    assert turned(-50.0, standing=lenient) == []
    assert turned(+50.0, standing=dataclasses.replace(lenient, significant_sign=False)) == []


def test_a_line_without_exclusions_costs_nothing_more():
    case = Case(*line(1), output="output")
    primary = answered(OLS, case)
    assert with_put_back(primary.model, primary.noise, case) == []
    assert with_one(primary.model, primary.noise, case, primary.estimate.delta) == []
