"""Building a package: the same inputs give the same bytes, and what it holds follows from the batches."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from package_builder import (
    DEVICE_ID,
    ENGINE,
    EPOCH,
    LOG,
    PLAN,
    POINTS,
    World,
    good_package,
    line_payloads,
    line_rows,
    register,
    seal_chain,
)

from verification import batch, strictjson
from verification.errors import ConfigError, FormatError
from verification.evidence import keyring, logentry, package, readings_table
from verification.evidence.deliveries import Delivery, decode_all, heads, negative_evidence, readings_csv, utc_text
from verification.model import NULL_TIME_US, Rows
from verification.plan import parse_plan

HEX = "ab" * 32


def test_the_same_inputs_give_the_same_package_in_whatever_order_the_batches_come() -> None:
    world = World()
    shuffled = list(world.batches)
    random.Random(1).shuffle(shuffled)
    assert world.build() == good_package()
    inputs = package.PackageInputs(
        plan=PLAN,
        plan_logged=package.Logged(0, logentry.encode(logentry.PlanEntry("test-line", HEX, 1))),
        baseline_logged=package.Logged(1, logentry.encode(logentry.PlanEntry("test-line", HEX, 1))),
        batches=[*shuffled, shuffled[0]],
        result=world.result(),
        keys=register(),
        method={},
    )
    in_order = dataclasses.replace(inputs, batches=world.batches)
    assert package.assemble(inputs) == package.assemble(in_order)


def test_the_manifest_lists_every_file_but_itself_and_the_three_made_over_it() -> None:
    files = good_package()
    listed = strictjson.read_canonical(files[package.MANIFEST])["files"]
    assert set(files) - set(listed) == {package.MANIFEST, package.STATEMENT, package.INCLUSION, package.CHECKPOINT}
    for name, entry in listed.items():
        assert entry == {"sha256": hashlib.sha256(files[name]).hexdigest(), "size": len(files[name])}


def test_plan_and_batches_are_kept_byte_for_byte() -> None:
    files = good_package()
    assert files["plan.yaml"] == PLAN
    kept = [data for name, data in sorted(files.items()) if package.parse_batch_name(name)]
    assert kept == list(World().batches)


def test_every_name_is_safe_and_numbers_of_the_meter_register_are_decimal_strings() -> None:
    files = good_package()
    assert all(package.is_safe_name(name) for name in files)
    assert strictjson.read_canonical(files["meters.json"])["meters"]["M-1"]["class_percent"] == "0.2"


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../b", "a//b", "a/", "", ".x", "a/.b", "A", "a\\b", "a b", "a\n", "é", "a" * 201]
)
def test_a_name_that_leaves_the_folder_or_differs_between_file_systems_is_not_safe(name: str) -> None:
    assert not package.is_safe_name(name)


def test_two_different_batches_of_one_sequence_are_refused() -> None:
    world = World()
    rival = seal_chain([batch.Catalogue(POINTS, first_index=10)])
    with pytest.raises(FormatError, match="two different batches"):
        dataclasses.replace(world, batches=(*world.batches, *rival)).build()


def test_a_package_is_not_sealed_before_its_run_is_logged() -> None:
    with pytest.raises(FormatError, match="log its run entry before"):
        package.seal(good_package(), log_entries=[], log_key=LOG, engine_key=ENGINE)


def test_a_log_that_does_not_hold_what_the_package_names_is_not_signed() -> None:
    files = good_package()
    entries = strictjson.read_canonical(files[package.INCLUSION])
    moved = [entries[label]["entry"].encode() for label in ("baseline", "plan", "run")]
    with pytest.raises(FormatError, match="is not the plan"):
        package.seal(files, log_entries=moved, log_key=LOG, engine_key=ENGINE)


def test_bounds_of_files_and_bytes_are_inclusive() -> None:
    package.check_bounds(package.MAX_FILES, package.MAX_TOTAL_BYTES)
    with pytest.raises(FormatError, match="files"):
        package.check_bounds(package.MAX_FILES + 1, 0)
    with pytest.raises(FormatError, match="bytes"):
        package.check_bounds(1, package.MAX_TOTAL_BYTES + 1)


def test_a_baseline_without_a_reading_of_the_plan_is_not_locked() -> None:
    with pytest.raises(FormatError, match="no baseline to lock"):
        package.baseline_entry(PLAN, World().batches[:1], logged_at_us=1)


def test_readings_are_the_planned_points_in_order_of_collection_with_exact_values() -> None:
    deliveries = decode_all(World().batches)
    lines = readings_csv(deliveries, {"ac_energy", "metal_tapped"}).decode().splitlines()
    assert lines[:3] == [
        "point,time,value,status",
        "ac_energy,2026-02-27T16:00:00.000000Z,1000000.0,0",
        "metal_tapped,2026-02-27T16:00:00.000000Z,5000.0,0",
    ]
    assert len(lines) == 1 + sum(len(part) for part in line_rows()) * 2 // 3


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e300, -0.0, float("nan"), float("inf"), 5e-324])
def test_any_float_reads_back_from_csv_as_it_was(value: float) -> None:
    rows = Rows.empty()
    rows.append(0, NULL_TIME_US, value, status=0x80AB0000)
    sealed = seal_chain([batch.Catalogue(POINTS), rows])
    _, time, text, status = readings_csv(decode_all(sealed), {"ac_energy"}).decode().splitlines()[1].split(",")
    assert repr(float(text)) == repr(value)
    assert (time, status) == ("1601-01-01T00:00:00.000000Z", "2158690304")


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e300, -0.0, float("nan"), float("inf"), 5e-324])
def test_a_parquet_file_holds_any_float_to_the_bit_and_no_other(value: float) -> None:
    def delivered(value: float) -> list[Delivery]:
        rows = Rows.empty()
        rows.append(0, NULL_TIME_US, 1.5, status=0x80AB0000)
        rows.append(0, NULL_TIME_US, value)
        return decode_all(seal_chain([batch.Catalogue(POINTS), rows]))

    data, deliveries = readings_table.to_parquet(delivered(value), {"ac_energy"}), delivered(value)
    assert readings_table.parquet_holds(data, deliveries, {"ac_energy"})
    assert not readings_table.parquet_holds(data, delivered(0.0), {"ac_energy"})
    assert readings_table.to_series(deliveries, {"ac_energy"})["ac_energy"].status.tolist() == [0x80AB0000, 0]
    empty = pq.read_table(io.BytesIO(data)).set_column(2, "value", pa.array([1.5, None], pa.float64()))
    buffer = io.BytesIO()
    pq.write_table(empty, buffer)
    assert not readings_table.parquet_holds(buffer.getvalue(), deliveries, {"ac_energy"})


def test_times_keep_their_last_microsecond() -> None:
    assert utc_text(1_772_294_400_000_001) == "2026-02-28T16:00:00.000001Z"


def test_missing_batches_admitted_gaps_and_dropped_rows_are_listed() -> None:
    sealed = list(World().batches)
    found = negative_evidence(decode_all([*sealed[:3], *sealed[5:7], *sealed[8:]]))
    where = {"device": DEVICE_ID, "epoch": EPOCH}
    assert found["missing_batches"] == [{**where, "first": 3, "last": 4}, {**where, "first": 7, "last": 7}]
    assert [(gap["points"], gap["reason"], gap["count"]) for gap in found["admitted_gaps"]] == [
        (["so2"], "server_without_history", 3)
    ]


def test_heads_are_the_last_batch_of_each_device_and_epoch() -> None:
    payloads = line_payloads()
    older = seal_chain(payloads[:2], epoch=EPOCH - 5)
    found = heads(decode_all([*World().batches, *older]))
    assert [(head.epoch, head.sequence) for head in found] == [(EPOCH - 5, 1), (EPOCH, len(payloads) - 1)]
    assert found[0].sha256 == hashlib.sha256(older[1]).hexdigest()


@pytest.mark.parametrize(
    "payloads",
    [
        [line_rows()[0]],
        [batch.Catalogue(POINTS), batch.Catalogue(POINTS)],
        [batch.Gaps((batch.Gap((0,), 1, 2, "outage"),))],
    ],
)
def test_a_batch_that_uses_an_unnamed_point_or_names_one_twice_is_refused(payloads: list[batch.Payload]) -> None:
    with pytest.raises(FormatError, match=r"named before|given before"):
        decode_all(seal_chain(payloads))


ENTRIES = [
    logentry.PlanEntry("p", HEX, 1),
    logentry.BaselineEntry("p", HEX, [logentry.Head("d", 1, 2, HEX)], HEX, -5, 2),
    logentry.RunEntry("p", HEX, 1, HEX, HEX, [], 3),
    logentry.DecisionEntry("p", HEX, "expert-1", "accepted", HEX, 4),
    logentry.ReadEntry("p", HEX, "auditor-1", "auditor", 5),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_log_entry_reads_back_as_written(entry: logentry.Entry) -> None:
    assert logentry.parse(logentry.encode(entry)) == entry


@pytest.mark.parametrize(
    "change", [{"type": "other"}, {"plan_sha256": "AB" * 32}, {"plan_sha256": HEX + "\n"}, {"project": ""}, {"new": 1}]
)
def test_a_log_entry_of_another_shape_is_refused(change: dict[str, object]) -> None:
    value = strictjson.read(logentry.encode(ENTRIES[0])) | change
    with pytest.raises(FormatError, match="not an entry"):
        logentry.parse(strictjson.encode(value))


def test_an_entry_that_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(FormatError, match="not an entry"):
        logentry.encode(logentry.PlanEntry("p", "short", 1))


def test_a_key_counts_from_its_first_instant_until_just_before_its_end() -> None:
    key = keyring.DeviceKey("ed25519:" + HEX, 10, 20)
    assert [key.valid_at(time) for time in (9, 10, 19, 20)] == [False, True, True, False]
    assert keyring.DeviceKey("ed25519:" + HEX, 10).valid_at(2**62)


def test_a_register_with_a_malformed_key_is_refused() -> None:
    for wrong in ("ed25519:" + "zz" * 32, "rsa:" + HEX, "ed25519:" + HEX + "\n"):
        with pytest.raises(FormatError, match="not a key register"):
            keyring.parse_register(
                strictjson.encode({"engine": wrong, "log": {"name": "l", "key": wrong}, "devices": {}})
            )


def test_a_trust_file_has_names_keys_and_comments() -> None:
    key = register().engine
    text = f"\ufeff# from the city's web page\n\nengine {key}  # 2026\r\ndevice/edge-1 {key}\n"
    found = keyring.parse_trust(text.encode(), name="t")
    assert found.keys == {"engine": {key}, "device/edge-1": {key}}
    assert found.names_devices()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no key"),
        ("engine\n", r"t:1: write a name and its key, such as: engine ed25519:HEX \(here are 1 words\)"),
        ("\nengine nonsense\n", "t:2: write a name and its key"),
        (f"edge-1/x {register().engine}\n", "t:1: 'edge-1/x' names no signer"),
        (f"engine {register().engine}\nengine {register().log.key}\n", "t:2: engine has two different keys"),
    ],
)
def test_a_trust_file_that_cannot_be_used_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        keyring.parse_trust(text.encode(), name="t")
    with pytest.raises(ConfigError, match="UTF-8"):
        keyring.parse_trust(b"\xff", name="t")


def test_the_plan_of_these_tests_is_a_plan() -> None:
    assert parse_plan(PLAN).project == "test-line"
