"""What is wrong with an intermediate window alone: it speaks against the chains, and against no other measure."""

from __future__ import annotations

import datetime as dt

import msgspec
import numpy as np
import pytest

from tests.verification.lines import changed, codes, line, micros
from tests.verification.test_chaining import DAYS, chained_plan
from verification.engine.verify import verify
from verification.findings import of_baseline
from verification.model import PointKind
from verification.plan import Plan, Point, Window
from verification.plan.shape import Balance, Bill
from verification.quality.points import reading_spans
from verification.report.explain import explain
from verification.series.columns import Series

DAY_US = 86_400_000_000
METAL, ENERGY, CAST = "metal_tapped", "ac_energy", "cast"


def with_direct(plan: Plan) -> Plan:
    """The plan with a second measure that never reads the intermediate window, and a second meter of the metal."""
    direct = msgspec.structs.replace(plan.measures["energy"], method="avoided")
    points = plan.points | {CAST: Point(PointKind.COUNTER, "t", cadence_s=3600)}
    return msgspec.structs.replace(
        plan, measures=plan.measures | {"direct": direct}, points=points, balances=[Balance("metal", METAL, CAST)]
    )


PLAN = with_direct(chained_plan())
READINGS = line(PLAN)
READINGS |= {CAST: READINGS[METAL]}
FIRST, SECOND, THIRD = ((first + 60_000_000, last - 60_000_000) for first, last in reading_spans(PLAN))


def states(plan: Plan = PLAN, readings: dict[str, Series] = READINGS) -> tuple[str, str]:
    """The verdicts of the chain and of the measure that never reads the intermediate window."""
    result = verify(plan, "0" * 64, readings)
    found = {measure.name: measure.verdict.state for measure in result.measures}
    return found["energy"], found["direct"]


def with_rises(change, *names: str) -> dict[str, Series]:
    """The readings whose registers rise otherwise: by what `change` makes of the rises and of when they end."""
    readings = dict(READINGS)
    for name in names:
        series = READINGS[name]
        rises = np.round(change(np.diff(series.value, prepend=series.value[0]), series.time_us), 4)
        readings[name] = Series.of(series.time_us, np.round(series.value[0] + np.cumsum(rises), 4))
    return readings


def within(time_us, span: tuple[int, int], days: int | None = None):
    """Which rises end inside a window, or inside its days from the tenth on."""
    start_us = span[0] if days is None else span[0] + 10 * DAY_US
    end_us = span[1] if days is None else start_us + days * DAY_US
    return (time_us > start_us) & (time_us <= end_us)


def scaled(*spans: tuple[int, int], factor: float = 1e-3, days: int | None = None):
    """A change of rises inside these windows."""

    def change(rises, time_us):
        marked = np.logical_or.reduce([within(time_us, span, days) for span in spans])
        return np.where(marked, rises * factor, rises)

    return change


def pasted(source: tuple[int, int], span: tuple[int, int]):
    """Ten days of one window that are those of another; every rise has digits of its own."""

    def change(rises, time_us):
        rises = rises * np.random.default_rng(3).uniform(0.99, 1.01, len(rises))
        rises[within(time_us, span, 10)] = rises[within(time_us, source, 10)]
        return rises

    return change


def test_honest_readings_withdraw_neither():
    assert states() == ("met", "met")


@pytest.mark.parametrize(
    ("change", "code", "direct"),
    [
        (scaled(SECOND, days=10), "UNIT_CHANGED", "met"),
        (scaled(SECOND), "UNIT_CHANGED", "met"),
        (scaled(THIRD), "UNIT_CHANGED", "invalid_data"),
        (scaled(SECOND, THIRD), "UNIT_CHANGED", "invalid_data"),
        (scaled(FIRST), "UNIT_CHANGED", "invalid_data"),
        (pasted(FIRST, SECOND), "COPIED_PERIOD", "met"),
        (pasted(SECOND, THIRD), "COPIED_PERIOD", "invalid_data"),
        (pasted(FIRST, THIRD), "COPIED_PERIOD", "invalid_data"),
    ],
    ids=["days", "window", "reporting", "both later", "baseline", "copy", "copy of it", "copy beyond it"],
)
def test_readings_of_the_intermediate_window_that_cannot_be_believed_withdraw_the_chain_alone(change, code, direct):
    readings = with_rises(change, METAL, CAST)
    assert code in codes(verify(PLAN, "0" * 64, readings))
    assert states(readings=readings) == ("invalid_data", direct)


@pytest.mark.parametrize(("span", "direct"), [(SECOND, "met"), (THIRD, "inconclusive")])
def test_a_balance_that_is_open_in_the_intermediate_window_withdraws_the_chain_alone(span, direct):
    readings = with_rises(scaled(span, factor=1.2), CAST)
    assert "BALANCE_OPEN" in codes(verify(PLAN, "0" * 64, readings))
    assert states(readings=readings) == ("inconclusive", direct)


def billed(window: Window) -> Plan:
    """The plan with a bill for ten days of a window that says a tenth of what was metered."""
    start = window.start + dt.timedelta(days=10)
    bill = Bill("b", ENERGY, start, start + dt.timedelta(days=10), value=9e6, unit="kWh")
    return msgspec.structs.replace(PLAN, bills=[bill])


@pytest.mark.parametrize(("name", "direct"), [("intermediate", "met"), ("reporting", "inconclusive")])
@pytest.mark.parametrize("metered", [True, False])
def test_a_bill_of_the_intermediate_window_withdraws_the_chain_alone(name: str, direct: str, *, metered: bool):
    plan, readings = billed(PLAN.windows[name]), READINGS
    if not metered:
        [bill] = plan.bills
        time_us = READINGS[ENERGY].time_us
        midnights = [micros(plan, bill.start + dt.timedelta(days=day)) for day in (3, 5)]
        readings = READINGS | {ENERGY: READINGS[ENERGY].take(~np.isin(time_us, midnights))}
    found = codes(verify(plan, "0" * 64, readings))
    assert ("BILL_DISAGREES" if metered else "BILLS_NOT_COMPARABLE") in found
    assert states(plan, readings) == ("inconclusive", direct)


@pytest.mark.parametrize("name", ["intermediate", "reporting"])
def test_at_filing_nothing_is_said_of_a_bill_to_come(name: str):
    readings = {point: series.within([reading_spans(PLAN)[0]]) for point, series in READINGS.items()}
    result = verify(billed(PLAN.windows[name]), "0" * 64, readings)
    assert {"BILL_NOT_COMPARABLE", "BILLS_NOT_COMPARABLE"} <= codes(result)
    assert {each.code for each in of_baseline(result.all_findings)} <= {
        "NO_STATIC_FACTORS",
        "PLAN_NOT_LOGGED",
        "COUNTER_ROLLOVER",
    }


@pytest.mark.parametrize("name", ["intermediate", "reporting"])
def test_at_filing_nothing_is_said_of_a_line_that_is_to_run(name: str):
    span = {"intermediate": SECOND, "reporting": THIRD}[name]
    result = verify(PLAN, "0" * 64, with_rises(scaled(span, factor=0.0), METAL, CAST))
    idle = [each for each in result.all_findings if each.code.endswith("_IDLE")]
    assert idle
    assert not [each for each in of_baseline(result.all_findings) if each in idle]


def test_an_idle_intermediate_window_is_named_as_what_it_is():
    result = verify(PLAN, "0" * 64, with_rises(scaled(SECOND, factor=0.0), METAL, CAST))
    chain, direct = result.measures
    assert [each.code for each in chain.verdict.reasons] == ["INTERMEDIATE_IDLE"]
    assert chain.verdict.state == "not_verifiable"
    assert direct.verdict.state == "met"
    assert "of the intermediate window" in explain(result)
    assert "中间期 60 天中" in explain(result, "zh")


@pytest.mark.parametrize("days", [4, DAYS])
def test_a_short_intermediate_window_leaves_the_units_of_the_others_checked(days: int):
    window = PLAN.intermediate
    plan = changed(
        msgspec.structs.replace(PLAN, measures={"energy": PLAN.measures["energy"]}),
        intermediate=Window(window.start, window.start + dt.timedelta(days=days)),
    )
    assert "UNIT_CHANGED" in codes(verify(plan, "0" * 64, with_rises(scaled(THIRD), METAL, CAST)))
