"""A plan is read strictly; whatever contradicts itself is refused with a message that names the place."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from tests.verification.lines import PLAN_BYTES, PLAN_FILE
from verification.errors import ConfigError
from verification.plan import load_plan, parse_plan, plan_digest
from verification.plan.resolve import measure_spec


def refusal(old: str, new: str) -> str:
    text = PLAN_BYTES.decode()
    assert text.count(old) >= 1
    with pytest.raises(ConfigError) as caught:
        parse_plan(text.replace(old, new, 1).encode(), name="plan.yaml")
    return str(caught.value)


def test_the_example_is_a_plan():
    plan = load_plan(PLAN_FILE)
    assert (plan.baseline.end - plan.baseline.start).days == 120
    assert plan.points["ac_energy"].cadence_s == 900
    assert plan.meter_of("ac_energy").class_percent == 0.2
    assert plan.meter_of("line_state") is None
    assert plan.zone.key == "Asia/Shanghai"


def test_the_digest_is_of_the_bytes_as_filed():
    assert plan_digest(PLAN_BYTES) == hashlib.sha256(PLAN_BYTES).hexdigest()
    assert plan_digest(PLAN_BYTES + b"\n") != plan_digest(PLAN_BYTES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("confidence: 0.95", "confidnce: 0.95", "did you mean 'confidence'"),
        ("confidence: 0.95", "confidence: 0.5", "between 0.5 and 0.9999"),
        ("confidence: 0.95", "confidence: 1", "between 0.5 and 0.9999"),
        ("timezone: Asia/Shanghai", "timezone: Asia/Shangai", "time zone database"),
        ("timezone: Asia/Shanghai", "timezone: ../../etc/passwd", "time zone database"),
        ("end: 2026-06-29", "end: 2026-03-01", "not after start"),
        ("end: 2026-06-29", "end: 2026-07-10", "must not overlap"),
        ("start: 2026-03-01", "start: 2001-03-01", "at most 3660"),
        ("start: 2026-03-01", "start: 2026-02-30", "plan.yaml"),
        ("interval: day", "interval: fortnight", "interval"),
        ("energy: ac_energy", "energy: ac_enrgy", "ac_enrgy is not under points"),
        (
            "energy: ac_energy",
            "energy: metal_tapped",
            "measures.energy.inputs.energy: metal_tapped: 't' and 'kWh' do not measure",
        ),
        ("energy: ac_energy", "energy: line_state", "is a state"),
        ("drivers: [metal_tapped]", "drivers: [ac_energy]", "which the model predicts"),
        ("drivers: [metal_tapped]", "drivers: [line_state]", "is a state"),
        ("drivers: [metal_tapped]", "drivers: [metal_tapped, metal_tapped]", "twice"),
        ("drivers: [metal_tapped]", "drivers: []", "at least one driver"),
        ("meter: SCALE-01", "meter: SCALE-02", "SCALE-02 is not under meters"),
        (
            "unit: kWh/t}\n    claim",
            "unit: kWh}\n    claim",
            "'kWh' does not measure the same kind of quantity as 'kWh/t'",
        ),
        ("{value: -260, unit: kWh/t}", "{value: -260, unit: t}", "measures.energy.claim.unit: 't' does not measure"),
        ("at_most: -200", "at_most: .nan", "Expected a number >= -1e+18"),
        ("kind: counter, unit: kWh,", "kind: counter, unit: MWh,", "give both in one"),
        ("kind: counter, unit: kWh,", "kind: countr, unit: kWh,", "countr"),
        ("retroproof_plan: 2", "retroproof_plan: 3", "retroproof_plan"),
        ("class_percent: 0.2", "class_percent: -0.2", "Expected a number >= 0.0"),
        ("zh: 恒康铝业一号电解系列：铝液单位交流电耗", "zh: e\u0301", "normal form C"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(old: str, new: str, message: str):
    assert message in refusal(old, new)


def test_windows_may_touch():
    text = PLAN_BYTES.decode().replace("end: 2026-06-29", "end: 2026-07-09")
    assert parse_plan(text.encode()).baseline.end == parse_plan(text.encode()).reporting.start


def test_an_error_names_the_line():
    line = PLAN_BYTES.decode().splitlines().index("confidence: 0.95") + 1
    assert refusal("confidence: 0.95", "confidence: high").startswith(f"plan.yaml:{line}: ")


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(ConfigError, match="UTF-8"):
        parse_plan("title: 恒康".encode("gb18030"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_plan(tmp_path / "none.yaml")


def test_meter_changes_must_be_in_order():
    later, earlier = "{date: 2026-05-01, kind: replaced}", "{date: 2026-04-01, kind: replaced}"
    changes = f"installed: 2025-01-01\n    changes: [{later}, {earlier}]"
    assert "in order of date" in refusal("installed: 2025-01-01", changes)


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("bills", "{id: may, point: metal_tapped, start: 2026-05-01, end: 2026-06-01, value: 5, unit: t}"),
        ("balances", "{id: metal, left: metal_tapped, right: 2 * metal_tapped}"),
        ("events", "{id: outage, start: 2026-05-01, end: 2026-05-02, cause: {en: x, zh: x}}"),
    ],
)
def test_two_entries_of_one_id_are_refused(kind: str, entry: str):
    said = refusal("timezone:", f"{kind}: [{entry}, {entry}]\ntimezone:")
    assert f"{kind}: two entries have the same id" in said


@pytest.mark.parametrize("right", ["metal_tapped", "metal_tapped * 2 / 2"])
def test_a_balance_holds_no_point_against_itself(right: str):
    balance = f"balances: [{{id: metal, left: metal_tapped, right: {right}}}]"
    assert "metal_tapped stands on both sides" in refusal("timezone:", f"{balance}\ntimezone:")


# Version 1.

V1_BYTES = (PLAN_FILE.parent / "hengkang-v1.yaml").read_bytes()


def test_a_file_of_version_1_is_the_same_plan_as_one_of_version_2():
    old, new = parse_plan(V1_BYTES), parse_plan(PLAN_BYTES)
    [(name, measure)] = old.measures.items()
    assert name == "energy_per_ton"
    boundary = measure_spec(new, "energy").boundary
    assert msgspec.structs.replace(new.measures["energy"], boundary=boundary) == measure
    assert msgspec.structs.replace(new, measures=old.measures) == old


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  energy: ac_energy", "  energy: ac_enrgy", "plan.yaml:12: metric.energy: ac_enrgy is not under points"),
        ("drivers: [metal_tapped]", "drivers: [ac_energy]", "plan.yaml:36: model.drivers.0: ac_energy is the metric's"),
        ("claim: {value: -260, unit: kWh/t}", "claim: {value: -260, unit: t}", "plan.yaml:39: claim.unit: 't'"),
        ("confidence: 0.95", "events: []", "plan.yaml:37: unknown key 'events'"),
    ],
)
def test_an_error_in_a_file_of_version_1_names_its_own_keys(old: str, new: str, message: str):
    text = V1_BYTES.decode()
    assert old in text
    with pytest.raises(ConfigError) as caught:
        parse_plan(text.replace(old, new, 1).encode(), name="plan.yaml")
    assert message in str(caught.value)
