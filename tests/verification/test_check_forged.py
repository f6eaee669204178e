"""Packages whose every signature holds, but which a dishonest or careless owner of the keys has made: each lie is
named.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from package_builder import (
    DEVICE,
    DEVICE_ID,
    EPOCH,
    LOGGED_US,
    ORIGIN,
    PLAN,
    PLAN_OF_SEVERAL,
    POINTS,
    STRANGER,
    World,
    at_us,
    check_world,
    codes,
    forged,
    good_package,
    line_payloads,
    line_rows,
    outcomes,
    register,
    seal_chain,
)

from verification import batch, keys, strictjson
from verification.engine.result import Context
from verification.evidence import build, keyring, package, readings_table
from verification.evidence.check import check
from verification.evidence.check_report import Axis, Outcome, Report
from verification.evidence.deliveries import decode_all
from verification.model import Rows
from verification.plan import EDGE_TOLERANCE_US, parse_plan

VERIFIED, REFUTED, OPEN = Outcome.VERIFIED, Outcome.REFUTED, Outcome.CANNOT_VERIFY


def with_result(path: str, value: object, build_stated: dict[str, str] | None = None) -> Report:
    """Check a package whose result has one field changed before it was signed; `build_stated` is what it says of the
    engine's build, by default what the engine writes.
    """
    content = strictjson.read(good_package()[package.RESULT])
    target: Any = content
    *parents, last = path.split(".")
    for name in parents:
        target = target[int(name) if name.isdigit() else name]
    target[int(last) if last.isdigit() else last] = value
    files = {package.RESULT: strictjson.encode(content)}
    if build_stated is not None:
        method = strictjson.read(good_package()[package.METHOD])
        del method[build.KEY]
        files[package.METHOD] = strictjson.encode(method | build_stated)
    return check(forged(files), recompute=True)


def notes(report: Report, axis: Axis) -> list[str]:
    (found,) = (item for item in report.axes if item.axis is axis)
    return [reason.code for reason in found.reasons if reason.weight == "note"]


def test_the_forger_of_these_tests_makes_packages_that_hold() -> None:
    assert check(forged({}), recompute=True).exit_code == 0


# bytes: what is derived must follow from what it is derived from


@pytest.mark.parametrize(("name", "old", "new"), [("plan.json", b"1790", b"1780"), ("meters.json", b'"0.2"', b'"0.5"')])
def test_a_file_that_contradicts_what_it_comes_from_is_refuted(name: str, old: bytes, new: bytes) -> None:
    report = check(forged({name: good_package()[name].replace(old, new)}))
    assert codes(report, Axis.BYTES) == ["DERIVED_DISAGREES"]


def test_another_plan_than_the_logged_one_is_refuted() -> None:
    report = check(forged({"plan.yaml": PLAN.replace(b"at_most: -200", b"at_most: -100")}))
    assert {"ENTRY_DISAGREES", "DERIVED_DISAGREES"} <= set(codes(report, Axis.BYTES))
    assert "about another plan_sha256" in report.text()


def test_a_required_file_that_was_left_out_is_named() -> None:
    report = check(forged({"gaps.json": None}))
    assert "MISSING" in codes(report, Axis.BYTES)
    assert "gaps.json is missing" in report.text()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"engine": keys.public_text(STRANGER)}, "STATEMENT_SIGNATURE"),
        ({"log": keyring.LogKey(ORIGIN, keys.public_text(STRANGER))}, "CHECKPOINT_SIGNATURE"),
    ],
)
def test_signatures_by_other_keys_than_the_register_names_are_refuted(change: dict[str, Any], code: str) -> None:
    assert codes(check_world(World(register=register(**change))), Axis.BYTES) == [code]


def test_a_run_number_beyond_the_number_of_logged_runs_is_refuted() -> None:
    report = check_world(World(run=3, context=Context(run_number=3, run_count=3)))
    assert codes(report, Axis.BYTES) == ["STATEMENT_DISAGREES"]


HOSTILE = [b"", b"null", b"[]", b"{}", b"1", b'"x"', b"[" * 5000, b'{"schema":1}', b"\xff\xfe", b"{}" * 9, b"key: [1"]


@pytest.mark.parametrize("name", [*package.REQUIRED, "batches/edge-1/1772000000000000/000000000003.cose"])
def test_signed_nonsense_in_any_file_is_an_answer_and_never_a_crash(name: str) -> None:
    for content in HOSTILE:
        if (name, content) != ("decisions.json", b"[]"):  # which is what an honest one may hold
            assert check(forged({name: content}), recompute=True).exit_code != 0, content


# completeness


def test_a_batch_taken_out_unsaid_is_refuted() -> None:
    report = check(forged({"batches/edge-1/1772000000000000/000000000005.cose": None}))
    assert {"DERIVED_DISAGREES", "READINGS_DIFFER"} <= set(codes(report, Axis.COMPLETENESS))
    assert "gaps.json does not follow from batches/" in report.text()


def test_a_last_batch_taken_out_is_seen_by_the_log() -> None:
    report = check(forged({"batches/edge-1/1772000000000000/000000000027.cose": None}))
    assert "HEADS_DIFFER" in codes(report, Axis.COMPLETENESS)


def test_a_missing_batch_that_is_admitted_is_shown_and_does_not_refute() -> None:
    batches = World().batches
    report = check_world(World(batches=(*batches[:20], *batches[21:])))
    assert outcomes(report)[Axis.COMPLETENESS] is VERIFIED
    assert notes(report, Axis.COMPLETENESS) == ["BATCHES_MISSING"]
    assert "batches 20 to 20 are missing" in report.text()


def test_a_batch_exchanged_for_another_by_the_same_device_breaks_the_chain() -> None:
    payloads = line_payloads()
    payloads[6] = line_rows(seed=8)[5]
    batches = list(World().batches)
    batches[6] = seal_chain(payloads)[6]
    report = check_world(World(batches=tuple(batches)))
    assert codes(report, Axis.COMPLETENESS) == ["CHAIN_BROKEN"]
    assert "000000000007.cose does not follow" in report.text()


def test_a_first_batch_that_names_a_predecessor_breaks_the_chain() -> None:
    header = batch.Header(DEVICE_ID, EPOCH + 1, 0, b"x" * 32, EPOCH + 1)
    extra = batch.seal(header, batch.Catalogue((POINTS[2],)), DEVICE)
    report = check_world(World(batches=(*World().batches, extra)))
    assert codes(report, Axis.COMPLETENESS) == ["CHAIN_BROKEN"]


def test_a_batch_under_another_name_is_refuted() -> None:
    files = good_package()
    old, new = (f"batches/edge-1/1772000000000000/{number:012d}.cose" for number in (27, 28))
    report = check(forged({old: None, new: files[old]}))
    assert "BATCH_MISPLACED" in codes(report, Axis.COMPLETENESS)


@pytest.mark.parametrize("line", [1, 2, 500, 1032])
def test_a_changed_reading_is_refuted_with_its_line(line: int) -> None:
    lines = good_package()["readings.csv"].split(b"\n")
    lines[line] = lines[line].replace(b",0", b",1") if line % 2 else lines[line] + b"0"
    report = check(forged({"readings.csv": b"\n".join(lines)}))
    assert codes(report, Axis.COMPLETENESS) == ["READINGS_DIFFER"]
    assert f"readings.csv line {line + 1} " in report.text()


@pytest.mark.parametrize("extra", [b"ac_energy,2026-07-06T00:00:00.000000Z,1.0,0\n", b"\n"])
def test_a_reading_added_to_the_end_is_refuted(extra: bytes) -> None:
    report = check(forged({"readings.csv": good_package()["readings.csv"] + extra}))
    assert codes(report, Axis.COMPLETENESS) == ["READINGS_DIFFER"]


def test_a_gap_that_an_agent_admitted_cannot_be_left_out() -> None:
    gaps = strictjson.read(good_package()["gaps.json"]) | {"admitted_gaps": []}
    report = check(forged({"gaps.json": strictjson.encode(gaps)}))
    assert codes(report, Axis.COMPLETENESS) == ["DERIVED_DISAGREES"]


def test_a_baseline_that_was_locked_on_other_batches_is_refuted() -> None:
    payloads = line_payloads()
    payloads[3] = line_rows(seed=8)[2]
    report = check_world(World(baseline_from=tuple(seal_chain(payloads)[:14])))
    assert "HEADS_DIFFER" in codes(report, Axis.COMPLETENESS)
    assert "baseline entry of the log names other batches" in report.text()


def test_a_package_without_batches_is_refuted() -> None:
    names = [name for name in good_package() if name.startswith("batches/")]
    report = check(forged(dict.fromkeys(names)))
    assert codes(report, Axis.COMPLETENESS) == ["NO_BATCHES"]


# plausibility


def test_bad_data_admitted_by_the_engine_refute_plausibility_and_nothing_else() -> None:
    batches = World().batches
    report = check_world(World(batches=(*batches[:16], *batches[21:])), recompute=True)
    found = outcomes(report)
    assert found.pop(Axis.PLAUSIBILITY) is REFUTED
    assert set(found.values()) == {VERIFIED}
    assert "intervals" in report.text() or "days" in report.text()


def test_a_unit_or_kind_other_than_the_planned_one_is_refuted() -> None:
    payloads = line_payloads()
    payloads[0] = batch.Catalogue((dataclasses.replace(POINTS[0], unit="MWh"), *POINTS[1:]))
    report = check_world(World(batches=tuple(seal_chain(payloads))))
    assert codes(report, Axis.PLAUSIBILITY) == ["POINT_DIFFERS"]
    assert "ac_energy counter [MWh], the plan says counter [kWh]" in report.text()


def test_a_point_that_two_devices_deliver_is_refuted() -> None:
    other = seal_chain([batch.Catalogue(POINTS[:1])], device="edge-2")
    held = register().devices[DEVICE_ID]
    both = register(devices={DEVICE_ID: held, "edge-2": held})
    report = check_world(World(batches=(*World().batches, *other), register=both))
    assert codes(report, Axis.PLAUSIBILITY) == ["POINT_TWICE"]


# recomputation


def test_a_changed_figure_does_not_survive_recomputation() -> None:
    report = with_result("measures.0.rows.3.numerator", "1.000")
    assert codes(report, Axis.RECOMPUTATION) == ["RESULT_DIFFERS"]
    assert "measures differs" in report.text()


@pytest.mark.parametrize(
    ("stated", "code", "told"),
    [
        ({build.KEY: "ab" * 32}, ["OTHER_BUILD"], f"sources {'ab' * 32}; here {build.sources_sha256()}"),
        ({}, ["BUILD_NOT_STATED"], "does not say which build"),
        ({build.KEY: build.sources_sha256()}, [], ""),
    ],
    ids=["another build", "no build", "this build"],
)
def test_a_result_that_differs_names_the_build_that_made_it_and_stays_refuted(
    stated: dict[str, str], code: list[str], told: str
) -> None:
    report = with_result("measures.0.rows.3.numerator", "1.000", stated)
    assert codes(report, Axis.RECOMPUTATION) == ["RESULT_DIFFERS"]
    assert notes(report, Axis.RECOMPUTATION) == code
    assert (report.exit_code, told in report.text()) == (1, True)


def test_the_digest_of_the_sources_tells_one_changed_byte_and_one_changed_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    found = [build.sources_sha256()]
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.yaml", "2")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        found.append(build.sources_sha256())
    (tmp_path / "b.yaml").rename(tmp_path / "c.yaml")
    found.append(build.sources_sha256())
    assert len(set(found)) == len(found)
    (tmp_path / "a.pyc").write_bytes(b"3")
    assert build.sources_sha256() == found[-1]


def test_a_result_of_another_engine_version_is_open_and_says_which_to_install() -> None:
    content = strictjson.read(good_package()["result.json"]) | {"engine_version": "0.0.9"}
    method = strictjson.encode({"engine_version": "0.0.9"})
    report = check(forged({"result.json": strictjson.encode(content), "method.json": method}), recompute=True)
    assert codes(report, Axis.RECOMPUTATION) == ["OTHER_ENGINE"]
    assert report.exit_code == 2
    assert "retroproof[analysis]==0.0.9" in report.text()


def test_a_result_of_a_later_schema_is_open() -> None:
    report = with_result("schema", 3)
    assert codes(report, Axis.CLAIM) == ["SCHEMA_UNKNOWN"]
    assert report.exit_code == 2


def test_a_parquet_file_must_hold_the_rows_of_the_batches() -> None:
    plan, deliveries = parse_plan(PLAN), decode_all(World().batches)
    shuffled = readings_table.to_parquet(reversed(deliveries), plan.points)
    for wrong in (b"PAR1", b"", shuffled, readings_table.to_parquet(deliveries, {"ac_energy"})):
        report = check(forged({"readings.parquet": wrong}), recompute=True)
        assert codes(report, Axis.RECOMPUTATION) == ["DERIVED_DISAGREES"]
    without = check(forged({"readings.parquet": None}), recompute=True)
    assert without.exit_code == 0


# claim


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("verdict.state", "not_met"),
        ("verdict.reasons", []),
        ("measures", []),
        ("measures.0.name", "other"),
        ("timezone", "UTC"),
        ("interval", "hour"),
        ("measures.0.verdict.state", "not_met"),
        ("measures.0.verdict.limit.side", "at_least"),
        ("measures.0.verdict.limit.value", "-100.0000"),
        ("measures.0.verdict.limit.value", "-200.000"),
        ("measures.0.verdict.limit.unit", "MWh/t"),
        ("measures.0.verdict.reasons", []),
        ("measures.0.effect.delta", "-199.0000"),
        ("measures.0.effect.expanded_uncertainty", "99.0000"),
        ("measures.0.effect.reported_delta", "-260"),
        ("measures.0.effect.reported_uncertainty", "15"),
        ("measures.0.effect.confidence", "0.9"),
        ("measures.0.effect.decimals", 3),
        ("measures.0.bridge.0.value", "0.0000"),
        ("measures.0.bridge", []),
        ("measures.0.budget", []),
        ("measures.0.budget.0.standard_uncertainty", "1.0000"),
        ("measures.0.effect.standard_uncertainty", "1.0000"),
        ("measures.0.effect.coverage_factor", "1.6449"),
        ("measures.0.claim.assessment", "overstated"),
        ("measures.0.claim", None),
        ("plan_digest", "00" * 32),
        ("project", "other"),
        ("measures.0.metric.unit", "MWh/t"),
        ("measures.0.baseline.start", "2026-03-02"),
        ("measures.0.reporting.end", "2026-07-04"),
        ("context.run_number", 2),
        ("engine_version", "0.0.9"),
        ("context.plan_logged_at", "2026-01-01T00:00:00Z"),
        ("context.baseline_logged_at", "2026-01-01T00:00:00Z"),
    ],
)
def test_a_result_that_does_not_follow_from_plan_and_figures_is_refuted(path: str, value: object) -> None:
    assert "RESULT_DISAGREES" in codes(with_result(path, value), Axis.CLAIM)


@pytest.mark.parametrize(
    "path",
    [
        "measures.0.effect.delta",
        "measures.0.effect.expanded_uncertainty",
        "measures.0.verdict.limit.value",
        "measures.0.bridge.0.value",
        "measures.0.budget.0.standard_uncertainty",
        "measures.0.effect.coverage_factor",
    ],
)
@pytest.mark.parametrize("value", ["NaN", "1E+999999999", "", "1e-9999", "٣", "9" * 400])
def test_what_is_not_a_plain_decimal_is_open_and_costs_nothing(path: str, value: str) -> None:
    report = with_result(path, value)
    assert codes(report, Axis.CLAIM)[-1] == "UNREADABLE"
    assert report.exit_code == 1, "recomputation refutes it"


@pytest.mark.parametrize(("locked", "code"), [(13, "BASELINE_ADDED"), (14, None), (15, "BASELINE_LATE")])
def test_the_baseline_is_locked_after_its_last_reading_and_before_the_first_of_the_reporting_period(
    locked: int, code: str | None
) -> None:
    """Batch 12 ends on 28 April, batch 13 on 3 May, batch 14 on 8 May; the first 13, 14 or 15 of them are locked."""
    report = check_world(World(locked=locked))
    assert codes(report, Axis.CLAIM) == ([code] if code else [])


def test_a_late_baseline_that_the_result_itself_admits_is_shown_and_does_not_refute() -> None:
    logged_at = dt.datetime.fromtimestamp(LOGGED_US / 1e6, dt.UTC) + dt.timedelta(microseconds=2)
    report = check_world(World(locked=15, context=Context(baseline_logged_at=logged_at)))
    assert codes(report, Axis.CLAIM) == []
    assert "BASELINE_LATE_MARKED" in notes(report, Axis.CLAIM)


@pytest.mark.parametrize(
    "order", [("baseline", "plan", "run"), ("plan", "run", "baseline"), ("run", "plan", "baseline")]
)
def test_the_log_must_hold_plan_then_baseline_then_run(order: tuple[str, ...]) -> None:
    assert codes(check_world(World(log_order=order)), Axis.CLAIM) == ["ORDER_WRONG"]


def again_in_a_new_epoch(change: float) -> tuple[bytes, ...]:
    """A lost spool, filled again from the server's history, with the value of one baseline reading changed."""
    rows, old = Rows.empty(), line_rows()[2]
    for number in range(6):
        rows.append(old.point[number], old.time_us[number], old.value[number] + (change if number == 3 else 0))
    return (*World().batches, *seal_chain([batch.Catalogue(POINTS), rows], epoch=EPOCH + 1))


@pytest.mark.parametrize(("change", "code"), [(0.0, []), (1.0, ["BASELINE_ADDED"])])
def test_baseline_readings_may_come_again_but_not_anew(change: float, code: list[str]) -> None:
    report = check_world(World(batches=again_in_a_new_epoch(change)))
    assert codes(report, Axis.CLAIM) == code


def test_a_bill_that_disagrees_withdraws_one_measure_and_the_check_follows_the_engine_in_the_others() -> None:
    bill = b"bills: [{id: grid, point: ac_energy, start: 2026-03-01, end: 2026-04-01, value: 1, unit: kWh}]\n"
    report = check_world(World(plan=PLAN_OF_SEVERAL + bill))
    assert codes(report, Axis.CLAIM) == []
    assert "verdict inconclusive on energy" in report.text()
    assert "verdict met on metal" in report.text()


def as_by_an_engine_that_withdrew_every_measure(files: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    """The package as earlier engines made it: one finding about the readings of a point left no measure a number."""
    result = strictjson.read(files[package.RESULT])
    shown = {"point": "ac_energy", "count": 3, "first": "2026-03-05", "factor": "1000"}
    unit_changed = {"code": "UNIT_CHANGED", "severity": "error", "data": shown}
    result["findings"].append(unit_changed)
    result["verdict"] = {"state": "invalid_data", "reasons": [unit_changed]}
    for measure in result["measures"]:
        measure |= {"effect": None, "model": None, "claim": None, "bridge": [], "budget": [], "findings": []}
        measure["verdict"] |= result["verdict"]
    result["measures"][-1]["verdict"] |= changes
    return forged({package.RESULT: strictjson.encode(result)}, of=files)


def test_a_verdict_by_the_rule_of_an_earlier_engine_is_open_and_says_why() -> None:
    report = check(as_by_an_engine_that_withdrew_every_measure(World(plan=PLAN_OF_SEVERAL).build()))
    assert codes(report, Axis.CLAIM) == ["OTHER_RULES"]
    assert "the verdict invalid_data on metal does not follow from its findings by the rules of this engine" in (
        report.text()
    )
    assert "verdict invalid_data on energy" in report.text(), "which this engine withdraws, too"


@pytest.mark.parametrize(("severity", "code"), [("warning", "OTHER_RULES"), ("error", "RESULT_DISAGREES")])
def test_a_bill_that_disagrees_leaves_a_verdict_open_where_it_was_a_warning_to_its_engine(
    severity: str, code: str
) -> None:
    bill = b"bills: [{id: grid, point: ac_energy, start: 2026-03-01, end: 2026-04-01, value: 1, unit: kWh}]\n"
    files = World(plan=PLAN_OF_SEVERAL + bill).build()
    content = strictjson.read(files[package.RESULT])
    without = strictjson.read(World(plan=PLAN_OF_SEVERAL).build()[package.RESULT])
    content |= {name: without[name] for name in ("measures", "verdict")}
    disagrees = next(finding for finding in content["findings"] if finding["code"] == "BILL_DISAGREES")
    disagrees["severity"] = severity
    report = check(forged({package.RESULT: strictjson.encode(content)}, of=files))
    assert set(codes(report, Axis.CLAIM)) == {code}


@pytest.mark.parametrize("state", ["met", "not_met"])
def test_without_a_number_no_rule_of_any_engine_keeps_or_breaks_a_limit(state: str) -> None:
    report = check(as_by_an_engine_that_withdrew_every_measure(World(plan=PLAN_OF_SEVERAL).build(), state=state))
    assert codes(report, Axis.CLAIM)[0] == "RESULT_DISAGREES"
    assert "measures.metal.effect is None, but should be a change, or a finding" in report.text()


def test_a_withdrawn_verdict_for_another_reason_than_any_rule_gives_is_refuted() -> None:
    files = World(plan=PLAN_OF_SEVERAL).build()
    report = check(as_by_an_engine_that_withdrew_every_measure(files, reasons=[]))
    assert outcomes(report)[Axis.CLAIM] is REFUTED


def test_a_change_that_is_left_out_is_open_where_the_result_says_why_in_words_that_this_engine_does_not_know() -> None:
    content = strictjson.read(good_package()[package.RESULT])
    unknown = {"code": "FROM_THE_FUTURE", "severity": "error", "data": {}}
    withdrawn = {"state": "inconclusive", "reasons": [unknown]}
    content |= {"findings": [unknown], "verdict": withdrawn}
    content["measures"][0] |= {"effect": None, "verdict": content["measures"][0]["verdict"] | withdrawn}
    report = check(forged({package.RESULT: strictjson.encode(content)}))
    assert codes(report, Axis.CLAIM) == ["OTHER_RULES"]


@pytest.mark.parametrize("field", ["level", "level_expanded_uncertainty"])
@pytest.mark.parametrize("value", ["1E+99999999", "NaN", "", "9" * 400])
def test_no_figure_of_a_limit_asks_for_gigabytes_of_digits(field: str, value: str) -> None:
    files = World(plan=PLAN_OF_SEVERAL).build()
    content = strictjson.read(files[package.RESULT])
    content["measures"][-1]["effect"] |= {"level_expanded_uncertainty": "0", field: value}
    report = check(forged({package.RESULT: strictjson.encode(content)}, of=files))
    assert codes(report, Axis.CLAIM) == ["UNREADABLE"]
    assert "not a decimal number" in report.text()


PLAN_WITH_SO2 = PLAN.replace(b"meters:", b"  so2: {kind: gauge, unit: mg/m3, cadence_s: 21600}\nmeters:", 1)


@pytest.mark.parametrize(
    ("point", "after_the_end_us", "code"),
    [
        ("ac_energy", 0, ["BASELINE_ADDED"]),
        ("ac_energy", EDGE_TOLERANCE_US, ["BASELINE_ADDED"]),
        ("ac_energy", EDGE_TOLERANCE_US + 1, []),
        ("so2", -1, ["BASELINE_ADDED"]),
        ("so2", 0, []),
    ],
)
def test_a_new_reading_where_the_baseline_ends_is_of_it_only_as_a_counter_s(
    point: str, after_the_end_us: int, code: list[str]
) -> None:
    """The first line of the next day's roster is handed in after the lock, and changes nothing before it."""
    rows = Rows.empty()
    rows.append([each.name for each in POINTS].index(point), at_us(dt.date(2026, 4, 30)) + after_the_end_us, 1.0)
    added = seal_chain([batch.Catalogue(POINTS), rows], epoch=EPOCH + 1)
    report = check_world(World(plan=PLAN_WITH_SO2, batches=(*World().batches, *added)))
    assert codes(report, Axis.CLAIM) == code


def test_a_verdict_without_a_number_follows_from_its_findings() -> None:
    batches = World().batches
    report = check_world(World(batches=(*batches[:16], *batches[21:])))
    assert outcomes(report)[Axis.CLAIM] is VERIFIED
    assert "verdict invalid_data" in report.text()


def test_the_day_edge_tolerance_is_the_engine_s() -> None:
    assert EDGE_TOLERANCE_US == 60_000_000
    assert at_us(dt.date(2026, 3, 1)) == 1_772_294_400_000_000


def test_a_chain_is_recomputed_and_bound_to_the_plan_s_intermediate_window() -> None:
    windows = b"baseline: {start: 2026-03-01, end: 2026-04-05}\nintermediate: {start: 2026-04-05, end: 2026-04-30}"
    plan = PLAN_OF_SEVERAL.replace(b"baseline: {start: 2026-03-01, end: 2026-04-30}", windows)
    files = World(plan=plan.replace(b"    claim:", b"    method: chaining\n    claim:", 1)).build()
    report = check(files, recompute=True)
    assert set(outcomes(report).values()) == {VERIFIED}, report.text()
    content: Any = strictjson.read(files[package.RESULT])
    content["measures"][0]["chain"]["intermediate"]["end"] = "2026-04-29"
    found = check(forged({package.RESULT: strictjson.encode(content)}, of=files))
    assert outcomes(found)[Axis.CLAIM] is REFUTED
    assert "measures.energy.intermediate.end" in found.text()
