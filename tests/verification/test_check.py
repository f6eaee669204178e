"""The offline check: an honest package is verified on every axis, and no byte of it can change unseen."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from package_builder import (
    DEVICE,
    DEVICE_ID,
    ENGINE,
    EPOCH,
    LOG,
    PLAN_OF_SEVERAL,
    STRANGER,
    World,
    check_world,
    codes,
    good_package,
    line_payloads,
    outcomes,
    register,
    resealed,
    resigned_statement,
    seal_chain,
)

from verification import batch, keys, strictjson
from verification.evidence import archive, keyring, note, package
from verification.evidence.check import check, check_archive
from verification.evidence.check_bytes import check_bytes
from verification.evidence.check_evidence import Evidence
from verification.evidence.check_messages import MESSAGES, Weight
from verification.evidence.check_report import Axis, AxisReport, Outcome, Reason, Report
from verification.findings import Finding
from verification.texts import names_of

GOLDEN = Path(__file__).parent.parent / "golden"
VERIFIED, REFUTED, OPEN, NOT_RUN = Outcome.VERIFIED, Outcome.REFUTED, Outcome.CANNOT_VERIFY, Outcome.NOT_RUN
SUCCESSOR = Ed25519PrivateKey.from_private_bytes(bytes([5]) * 32)


def trust(**named: Ed25519PrivateKey) -> keyring.TrustedKeys:
    """One key for each name; `device` stands for the device of the package."""
    names = {f"device/{DEVICE_ID}" if name == "device" else name: key for name, key in named.items()}
    return keyring.TrustedKeys({name: frozenset({keys.public_text(key)}) for name, key in names.items()})


TRUST = trust(engine=ENGINE, log=LOG, device=DEVICE)

BATCHES = [name for name in sorted(good_package()) if name.startswith("batches/")]
SAMPLE = [*(name for name in sorted(good_package()) if name not in BATCHES), BATCHES[0], BATCHES[9], BATCHES[-1]]


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    return data[:position] + bytes([data[position] ^ (1 << bit)]) + data[position + 1 :]


def named(report: Report) -> set[str]:
    """The files that decide the axis `bytes`."""
    return {reason.file for reason in report.axes[0].reasons if reason.weight is not Weight.NOTE}


def test_an_honest_package_is_verified_on_every_axis() -> None:
    report = check(good_package(), trusted=TRUST, recompute=True)
    assert set(outcomes(report).values()) == {VERIFIED}
    assert report.exit_code == 0


def test_without_recompute_that_axis_is_not_run_and_the_rest_is_verified() -> None:
    report = check(good_package())
    assert outcomes(report)[Axis.RECOMPUTATION] is NOT_RUN
    assert report.exit_code == 0
    assert "compared with the signed batches only with --recompute" in report.text()


@pytest.mark.parametrize("name", SAMPLE)
def test_one_changed_byte_in_any_file_is_refuted_and_the_file_is_named(name: str) -> None:
    files = good_package()
    data = files[name]
    rng = random.Random(name)
    positions = {0, 1, len(data) // 2, len(data) - 1, *(rng.randrange(len(data)) for _ in range(4))} & {
        *range(len(data))
    }
    for position in sorted(positions):
        report = check({**files, name: flipped(data, position, rng.randrange(8))})
        assert report.exit_code == 1, f"byte {position}"
        assert name in named(report), f"byte {position}"


@pytest.mark.parametrize("name", BATCHES)
def test_one_changed_byte_in_any_batch_is_refuted_and_the_batch_is_named(name: str) -> None:
    files = good_package()
    changed = flipped(files[name], random.Random(name).randrange(len(files[name])))
    reasons = list(check_bytes(Evidence({**files, name: changed})))
    assert [(reason.code, reason.file) for reason in reasons] == [("ALTERED", name)]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*package.SEALING, package.MANIFEST])
def test_every_single_byte_of_the_files_that_seal_the_package_counts(name: str) -> None:
    files = good_package()
    for position in range(0, len(files[name]), 1 if len(files[name]) < 1000 else 7):
        reasons = list(check_bytes(Evidence({**files, name: flipped(files[name], position)})))
        assert any(reason.weight is Weight.REFUTES and reason.file == name for reason in reasons), f"byte {position}"


@pytest.mark.parametrize("name", SAMPLE)
def test_a_file_that_is_cut_short_or_has_a_byte_added_is_refuted(name: str) -> None:
    files = good_package()
    for changed in (files[name][:-1], files[name] + b"\n", b""):
        assert check({**files, name: changed}).exit_code == 1


@pytest.mark.parametrize("name", SAMPLE)
def test_a_missing_file_is_named_and_never_verified(name: str) -> None:
    files = good_package()
    del files[name]
    report = check(files)
    assert report.exit_code == (2 if name in (*package.SEALING, package.MANIFEST) else 1)
    assert name in named(report)


@pytest.mark.parametrize("name", ["notes.txt", "../evil", "batches/.hidden", "batches/edge-1/1/0.cose", "a\x1b[2Jb"])
def test_a_file_that_the_manifest_does_not_list_is_refuted(name: str) -> None:
    report = check({**good_package(), name: b"x"})
    assert report.exit_code == 1
    assert name in named(report)
    assert "\x1b" not in report.text()


def test_a_changed_file_leaves_the_axes_that_need_it_open_and_the_others_alone() -> None:
    files = good_package()
    report = check({**files, "readings.csv": flipped(files["readings.csv"], 500)})
    assert codes(report, Axis.BYTES) == ["ALTERED"]
    found = outcomes(report)
    assert (found[Axis.SIGNER], found[Axis.COMPLETENESS], found[Axis.CLAIM]) == (VERIFIED, OPEN, VERIFIED)


def test_a_new_manifest_over_a_changed_file_is_refuted_by_statement_and_log() -> None:
    files = good_package()
    report = check(resealed(files, "result.json", files["result.json"].replace(b"-2", b"-9", 1)))
    assert report.exit_code == 1
    assert codes(report, Axis.BYTES).count("MANIFEST_DISAGREES") == 2


def test_a_statement_signed_by_another_key_or_by_one_more_is_not_verified() -> None:
    files = good_package()
    by_stranger = check({**files, package.STATEMENT: resigned_statement(files, STRANGER)})
    assert codes(by_stranger, Axis.BYTES) == ["STATEMENT_SIGNATURE"]
    by_both = check({**files, package.STATEMENT: resigned_statement(files, ENGINE, STRANGER)})
    assert codes(by_both, Axis.BYTES) == ["EXTRA_SIGNATURE"]
    assert by_both.exit_code == 2


def test_a_checkpoint_of_another_log_state_is_refuted() -> None:
    files = good_package()
    signed = note.read_checkpoint(note.parse(files[package.CHECKPOINT]))
    shorter = note.sign_checkpoint(dataclasses.replace(signed, size=signed.size - 1), LOG)
    report = check({**files, package.CHECKPOINT: shorter})
    assert "INCLUSION_FAILS" in codes(report, Axis.BYTES)
    other_origin = note.sign_checkpoint(dataclasses.replace(signed, origin="log.test/other"), LOG)
    assert codes(check({**files, package.CHECKPOINT: other_origin}), Axis.BYTES) == ["CHECKPOINT_SIGNATURE"]


def test_a_package_of_a_later_version_cannot_be_verified_and_says_why() -> None:
    files = good_package()
    manifest = strictjson.read(files[package.MANIFEST]) | {"schema": "retroproof.package/2"}
    changed = {**files, package.MANIFEST: strictjson.encode(manifest)}
    assert check(changed).exit_code == 1, "under the old statement it is a changed byte"
    statement = strictjson.read(base64.b64decode(strictjson.read(files[package.STATEMENT])["payload"]))
    statement["subject"][0]["digest"]["sha256"] = package.manifest_sha256(changed)
    changed[package.STATEMENT] = package.dsse.sign(strictjson.encode(statement), [ENGINE])
    report = check(changed)
    assert (report.exit_code, codes(report, Axis.BYTES)) == (2, ["SCHEMA_UNKNOWN"])
    assert "retroproof.package/2" in report.text()


# signer


def test_keys_taken_from_the_package_are_said_loudly_with_the_keys_to_compare() -> None:
    text = check(good_package()).text()
    assert f"KEYS TAKEN FROM THE PACKAGE: compare engine {keys.public_text(ENGINE)}" in text
    assert "KEYS TAKEN" not in check(good_package(), trusted=TRUST).text()


@pytest.mark.parametrize("name", ["engine", "log", f"device/{DEVICE_ID}"])
def test_a_key_other_than_the_trusted_one_is_refuted(name: str) -> None:
    foreign = keyring.TrustedKeys({**TRUST.keys, name: frozenset({keys.public_text(STRANGER)})})
    report = check(good_package(), trusted=foreign)
    assert codes(report, Axis.SIGNER) == ["FOREIGN_KEY"]
    assert report.exit_code == 1


def test_a_name_that_the_trust_file_leaves_out_is_open_but_devices_may_be_left_to_the_engine() -> None:
    only = {name: key for name, key in TRUST.keys.items() if name != "log"}
    assert codes(check(good_package(), trusted=keyring.TrustedKeys(only)), Axis.SIGNER) == ["UNTRUSTED_NAME"]
    without_devices = {name: TRUST.keys[name] for name in ("engine", "log")}
    report = check(good_package(), trusted=keyring.TrustedKeys(without_devices))
    assert report.exit_code == 0
    assert "vouched for by the engine's key" in report.text()
    other_device = keyring.TrustedKeys({**without_devices, "device/edge-2": frozenset({keys.public_text(DEVICE)})})
    assert codes(check(good_package(), trusted=other_device), Axis.SIGNER) == ["UNTRUSTED_NAME"]


def changed_key_world(successor: Ed25519PrivateKey = SUCCESSOR) -> World:
    """The device changed its key after the third batch: it signed the change itself, `successor` what follows."""
    payloads = line_payloads()
    change: list[batch.Payload] = [batch.KeyChange(keys.raw_public(SUCCESSOR))]
    sealed = seal_chain([*payloads[:3], *change, *payloads[3:]])
    at_us = EPOCH + 1 + 3  # seal_chain counts the signing time up by one for each batch
    previous = batch.open_batch(sealed[2]).sha256
    for sequence in range(3, len(sealed)):
        payload = batch.read_payload(batch.open_batch(sealed[sequence]))
        header = dataclasses.replace(batch.open_batch(sealed[sequence]).header, previous=previous)
        sealed[sequence] = batch.seal(header, payload, DEVICE if sequence == 3 else successor)
        previous = batch.open_batch(sealed[sequence]).sha256
    device_keys = [
        keyring.DeviceKey(keys.public_text(DEVICE), EPOCH, at_us + 1),
        keyring.DeviceKey(keys.public_text(SUCCESSOR), at_us),
    ]
    return World(batches=tuple(sealed), locked=15, register=register(devices={DEVICE_ID: device_keys}))


def test_a_key_that_a_trusted_key_named_as_its_successor_is_trusted() -> None:
    files = changed_key_world().build()
    assert codes(check(files, trusted=TRUST), Axis.SIGNER) == []
    both = keyring.TrustedKeys(
        {**TRUST.keys, f"device/{DEVICE_ID}": frozenset(map(keys.public_text, (DEVICE, SUCCESSOR)))}
    )
    assert codes(check(files, trusted=both), Axis.SIGNER) == []


def test_a_successor_says_nothing_of_the_key_before_it() -> None:
    """Anybody can name a known public key as his own successor."""
    files = changed_key_world().build()
    report = check(files, trusted=trust(engine=ENGINE, log=LOG, device=SUCCESSOR))
    assert codes(report, Axis.SIGNER) == ["FOREIGN_KEY"]


def test_what_an_ended_key_signed_afterwards_is_refuted() -> None:
    report = check_world(changed_key_world(successor=DEVICE))
    assert set(codes(report, Axis.SIGNER)) >= {"DEVICE_KEY_EXPIRED"}


def test_a_batch_by_an_unknown_key_is_refuted() -> None:
    report = check_world(World(register=register(devices={})))
    assert set(codes(report, Axis.SIGNER)) == {"DEVICE_KEY_UNKNOWN"}
    assert outcomes(report)[Axis.COMPLETENESS] is OPEN


@pytest.mark.parametrize(("first", "end", "holds"), [(1, None, True), (2, None, False), (1, 29, True), (1, 28, False)])
def test_a_batch_counts_only_while_its_key_does(first: int, end: int | None, *, holds: bool) -> None:
    """The batches are signed at EPOCH + 1 to EPOCH + 28."""
    last = None if end is None else EPOCH + end
    device_key = keyring.DeviceKey(keys.public_text(DEVICE), EPOCH + first, last)
    report = check_world(World(register=register(devices={DEVICE_ID: [device_key]})))
    assert codes(report, Axis.SIGNER) == ([] if holds else ["DEVICE_KEY_EXPIRED"])


def test_a_batch_whose_signature_does_not_hold_is_refuted_and_named() -> None:
    batches = list(World().batches)
    batches[3] = flipped(batches[3], len(batches[3]) - 1)
    forged = World(batches=tuple(batches), parquet=False)
    report = check_world(forged)
    assert codes(report, Axis.SIGNER) == ["BATCH_SIGNATURE"]
    assert "000000000003.cose" in report.text()


# archive, bounds, report


def test_the_archive_is_verified_like_the_folder_and_has_one_form() -> None:
    packed = archive.pack(good_package())
    assert archive.unpack(packed) == (good_package(), True)
    assert check_archive(packed).exit_code == 0


def test_one_changed_byte_anywhere_in_the_archive_is_never_verified() -> None:
    packed = archive.pack(good_package())
    rng = random.Random(5)
    head_and_directory = [*range(0, 120, 3), *range(len(packed) - 260, len(packed), 3)]
    for position in [*head_and_directory, *(rng.randrange(len(packed)) for _ in range(40))]:
        assert check_archive(flipped(packed, position, rng.randrange(8))).exit_code in (1, 2), f"byte {position}"


def test_a_changed_file_inside_an_archive_is_named() -> None:
    packed = archive.pack(good_package())
    inside = packed.index(b"point,time,value,status\n") + 100
    report = check_archive(flipped(packed, inside))
    assert report.exit_code == 1
    assert "readings.csv" in named(report)


@pytest.mark.parametrize("keep", [0, 1, 21, 22, 1000, -1, -22, -3000])
def test_a_truncated_archive_cannot_be_verified(keep: int) -> None:
    packed = archive.pack(good_package())
    report = check_archive(packed[:keep])
    assert report.exit_code == 2
    assert codes(report, Axis.BYTES) == ["NO_ARCHIVE" if keep in (0, 1) else "ARCHIVE_CUT"]


def test_every_reason_reads_in_both_languages_with_the_same_numbers() -> None:
    for code, message in MESSAGES.items():
        fields = [set(names_of(text)) for text in message[1:]]
        assert fields[0] == fields[1], code
        assert any("\u4e00" <= character <= "\u9fff" for character in message.zh) or code.startswith("DATA_"), code


def test_the_report_reads_in_chinese_and_in_json() -> None:
    report = check(good_package())
    assert "字节：已核实" in report.text("zh")
    content = json.loads(json.dumps(report.to_builtins()))
    assert content["outcome"] == "verified"
    assert content["axes"]["claim"]["reasons"][0]["zh"] == (
        "指标 energy_per_ton 的结论达标：变化量 -257 ± 16，限值 -200 kWh/t"
    )


def test_a_refuting_reason_outweighs_an_open_one_and_axes_are_never_merged() -> None:
    refutes, prevents, notes = Reason("ALTERED", "x"), Reason("NOT_RELIABLE", "x"), Reason("RECOMPUTED", "x")
    assert AxisReport(Axis.BYTES, (notes, prevents, refutes)).outcome is REFUTED
    assert AxisReport(Axis.BYTES, (notes, prevents)).outcome is OPEN
    assert AxisReport(Axis.BYTES, (notes,)).outcome is VERIFIED
    both = Report("", (AxisReport(Axis.BYTES, (prevents,)), AxisReport(Axis.SIGNER, (refutes,))))
    assert both.exit_code == 1
    assert "bytes:         CANNOT BE VERIFIED" in both.text()


def test_findings_of_one_kind_are_one_line_with_their_number() -> None:
    def stuck(point: str) -> Reason:
        finding = Finding.of("EVENTS_UNCHECKED", point=point)
        return Reason("DATA_FINDING_WARNING", "result.json", {}, finding)

    lone = Reason("DATA_FINDING_WARNING", "result.json", {}, Finding.of("RESIDUALS_ZERO", fitted="in_baseline"))
    gaps = [Reason("BATCHES_MISSING", "", {"device": d, "epoch": 1, "first": 1, "last": 2}) for d in ("a", "b")]
    report = Report("", (AxisReport(Axis.PLAUSIBILITY, (stuck("x"), lone, *gaps, *map(stuck, "yz"))),))
    lines = report.text().splitlines()[2:]
    assert [line.partition("] ")[2][:20] for line in lines] == [
        "result.json: x repor",
        "result.json: The rea",
        "a epoch 1: batches 1",
        "b epoch 1: batches 1",
    ]
    assert lines[0].endswith(" (and 2 more of this kind, see --json)")
    assert "（另有 2 条同类，见 --json）" in report.text("zh")
    assert len(report.to_builtins()["axes"]["plausibility"]["reasons"]) == 6


@pytest.mark.parametrize(
    ("filed", "instead"),
    [
        (b"unit: kWh/t\n    boundary: {en: whole", b"unit: MWh/t\n    boundary: {en: whole"),  # relative, of 7 decimals
        (b"at_most: -200, unit: kWh/t", b"at_most: -1.0e+18, unit: kWh/t"),
        (b"unit: kWh/t\n    boundary: liquid_ac", b"unit: TWh/g\n    boundary: liquid_ac"),  # of 19 decimals
    ],
)
def test_an_honest_package_is_verified_whatever_its_unit_and_its_limit(filed: bytes, instead: bytes):
    assert filed in PLAN_OF_SEVERAL
    report = check_world(World(plan=PLAN_OF_SEVERAL.replace(filed, instead)))
    assert outcomes(report)[Axis.CLAIM] == Outcome.VERIFIED


def test_a_package_of_several_measures_is_recomputed_and_says_what_each_limit_is_about() -> None:
    report = check_world(World(plan=PLAN_OF_SEVERAL), recompute=True)
    assert set(outcomes(report).values()) == {VERIFIED}, report.text()
    text = report.text()
    assert "verdict met on energy: change -257 ± " in text
    assert "verdict not_met on relative: relative change -1.9" in text
    assert "verdict met on metal: level 16" in text


def test_many_reasons_are_cut_short_in_text_and_whole_in_json() -> None:
    report = Report("", (AxisReport(Axis.BYTES, tuple(Reason("ALTERED", f"f{n}") for n in range(13))),))
    assert "and 1 more" in report.text()
    assert len(report.to_builtins()["axes"][Axis.BYTES]["reasons"]) == 13


def test_too_many_files_are_refused_before_any_is_read() -> None:
    report = check({f"f{number}": b"" for number in range(package.MAX_FILES + 1)})
    assert (report.exit_code, codes(report, Axis.BYTES)) == (2, ["NO_PACKAGE"])


def test_without_numpy_all_axes_but_recomputation_are_answered() -> None:
    """In a new process, in which the analysis extra cannot be imported."""
    program = """
import sys
for name in ("numpy", "pandas", "scipy", "pyarrow"):
    sys.modules[name] = None
from pathlib import Path
from verification.evidence.check import check_archive
report = check_archive(Path(sys.argv[1]).read_bytes(), recompute=sys.argv[2] == "1")
print(report.text())
raise SystemExit(report.exit_code)
"""
    path = str(GOLDEN / "v1" / "test-line.zip")
    for recompute, expected in (("0", 0), ("1", 2)):
        run = subprocess.run(
            [sys.executable, "-c", program, path, recompute], capture_output=True, text=True, check=False
        )
        assert run.returncode == expected, run.stdout + run.stderr
    assert "pip install 'retroproof[analysis]'" in run.stdout


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/*.zip")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_package_that_a_release_wrote_is_verified_for_ever(path: Path) -> None:
    report = check_archive(path.read_bytes())
    assert report.exit_code == 0, report.text()


def test_the_builder_makes_what_these_tests_assume() -> None:
    assert len(line_payloads()) == 28
    assert batch.open_batch(seal_chain(line_payloads())[-1]).header.signed_at_us == EPOCH + 28
    assert {path.parent.name for path in GOLDEN.glob("*/*.zip")} == {"v1", "v2"}
