"""Small real packages for tests: two counters of a made-up line, sealed by real keys, judged by the real engine.

A `World` is everything that happened before a package is built; a test changes one thing in it and builds.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import functools
import hashlib
import importlib.metadata
import random
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import batch, keys, strictjson
from verification.engine import verify as engine
from verification.engine.result import Context
from verification.evidence import build, check, dsse, keyring, logentry, merkle, note, package, readings_table
from verification.evidence.check_report import Axis, Outcome, Report
from verification.evidence.deliveries import decode_all
from verification.model import Point, PointKind, Rows
from verification.plan import parse_plan, plan_digest

PLAN = """\
retroproof_plan: 1
project: test-line
title: {en: Test line, zh: 试验线}
metric:
  id: energy_per_ton
  unit: kWh/t
  boundary: {en: whole line, zh: 全线}
  energy: ac_energy
  output: metal_tapped
points:
  ac_energy: {kind: counter, unit: kWh, meter: M-1, cadence_s: 21600}
  metal_tapped: {kind: counter, unit: t, meter: S-1, cadence_s: 21600}
meters:
  M-1: {serial: A17, class_percent: 0.2, unit: kWh, max_rate_per_hour: 600000, installed: 2025-01-01}
  S-1: {serial: B42, class_percent: 0.1, unit: t, max_rate_per_hour: 200, installed: 2025-01-01}
timezone: Asia/Shanghai
interval: day
baseline: {start: 2026-03-01, end: 2026-04-30}
reporting: {start: 2026-05-06, end: 2026-07-05}
model: {kind: ols, drivers: [metal_tapped]}
target: {at_most: -200, unit: kWh/t}
claim: {value: -260, unit: kWh/t}
""".encode()

PLAN_OF_SEVERAL = """\
retroproof_plan: 2
project: test-line
title: {en: Test line, zh: 试验线}
timezone: Asia/Shanghai
interval: day
baseline: {start: 2026-03-01, end: 2026-04-30}
reporting: {start: 2026-05-06, end: 2026-07-05}
points:
  ac_energy: {kind: counter, unit: kWh, meter: M-1, cadence_s: 21600}
  metal_tapped: {kind: counter, unit: t, meter: S-1, cadence_s: 21600}
meters:
  M-1: {serial: A17, class_percent: 0.2, unit: kWh, max_rate_per_hour: 600000, installed: 2025-01-01}
  S-1: {serial: B42, class_percent: 0.1, unit: t, max_rate_per_hour: 200, installed: 2025-01-01}
measures:
  energy:
    metric: energy_per_ton
    unit: kWh/t
    boundary: liquid_ac
    inputs: {energy: ac_energy, output: metal_tapped}
    model: {kind: ols, drivers: [metal_tapped]}
    target: {at_most: -200, unit: kWh/t}
    claim: {value: -260, unit: kWh/t}
    factors: {money: {value: 0.42, unit: CNY/kWh, version: contract 2025}}
    annual_output: {value: 58400, unit: t, basis: planned}
  relative:
    metric: energy_per_ton
    unit: kWh/t
    boundary: {en: whole line, zh: 全线}
    inputs: {energy: ac_energy, output: metal_tapped}
    model: {kind: ratio}
    target: {of: relative, at_most: -5, unit: "%"}
  metal:
    metric: {numerator: metal_tapped, better: higher, decimals: 3}
    unit: t
    boundary: {en: metal a day, zh: 日产量}
    model: {kind: mean}
    target: {of: level, at_least: 120, unit: t}
""".encode()

ENGINE, LOG, DEVICE, STRANGER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3, 4))
OTHER_ENTRY = logentry.encode(logentry.PlanEntry("another-line", "ab" * 32, 1))
LOGGED_US = 1_790_000_000_000_000
ORIGIN = "log.test/retroproof"
DEVICE_ID, EPOCH = "edge-1", 1_772_000_000_000_000
ZONE = ZoneInfo("Asia/Shanghai")
FIRST_DAY, DAYS, SLOTS_A_DAY, DAYS_A_BATCH = dt.date(2026, 2, 28), 129, 4, 5
RETROFIT = dt.date(2026, 5, 1)
EFFECT_KWH_PER_T = -260
FIRST_RUN = Context(run_number=1, run_count=1)
POINTS = (
    Point("ac_energy", "ns=2;s=ac", "kWh", PointKind.COUNTER, "M-1"),
    Point("metal_tapped", "ns=2;s=metal", "t", PointKind.COUNTER, "S-1"),
    Point("so2", "ns=2;s=so2", "mg/m3", PointKind.GAUGE),  # collected, but not part of the plan
)


def at_us(day: dt.date, hour: int = 0) -> int:
    """Microseconds since 1970 of an hour of a local day."""
    return round(dt.datetime(day.year, day.month, day.day, hour, tzinfo=ZONE).timestamp()) * 1_000_000


def line_rows(effect: float = EFFECT_KWH_PER_T, seed: int = 7) -> list[Rows]:
    """Counter readings every six hours, in parts of five days; deterministic."""
    noise = random.Random(seed)
    energy, metal = 1_000_000.0, 5_000.0
    parts, rows = [], Rows.empty()
    for number in range(DAYS):
        day = FIRST_DAY + dt.timedelta(days=number)
        tons = 160 + noise.gauss(0, 12)
        specific = 13_500 + noise.gauss(0, 40) + (effect if day >= RETROFIT else 0)
        for slot in range(SLOTS_A_DAY):
            time_us = at_us(day, slot * 6)
            rows.append(0, time_us, round(energy, 1))
            rows.append(1, time_us, round(metal, 3))
            rows.append(2, time_us, 80.0)
            energy += (specific * tons + 20_000) / SLOTS_A_DAY
            metal += tons / SLOTS_A_DAY
        if (number + 1) % DAYS_A_BATCH == 0 or number + 1 == DAYS:
            parts.append(rows)
            rows = Rows.empty()
    return parts


def seal_chain(
    payloads: Sequence[batch.Payload],
    *,
    device: str = DEVICE_ID,
    epoch: int = EPOCH,
    key: Ed25519PrivateKey = DEVICE,
    signed_at_us: int = EPOCH + 1,
) -> list[bytes]:
    """`payloads` as the batches of one epoch, chained."""
    sealed: list[bytes] = []
    previous = batch.NO_PREVIOUS
    for sequence, payload in enumerate(payloads):
        header = batch.Header(device, epoch, sequence, previous, signed_at_us + sequence, "synchronised", 0)
        sealed.append(batch.seal(header, payload, key))
        previous = batch.open_batch(sealed[-1]).sha256
    return sealed


def line_payloads() -> list[batch.Payload]:
    """Catalogue, readings, and one gap that the agent admits."""
    gap = batch.Gap((2,), at_us(FIRST_DAY), at_us(FIRST_DAY, 6), "server_without_history", 3)
    return [batch.Catalogue(POINTS), *line_rows(), batch.Gaps((gap,))]


def register(**changes: object) -> keyring.KeyRegister:
    """The key register of the package: one engine, one log, one device whose key counts from the epoch on."""
    fields: dict[str, object] = {
        "engine": keys.public_text(ENGINE),
        "log": keyring.LogKey(ORIGIN, keys.public_text(LOG)),
        "devices": {DEVICE_ID: [keyring.DeviceKey(keys.public_text(DEVICE), EPOCH)]},
    }
    return keyring.KeyRegister(**(fields | changes))  # type: ignore[arg-type]  # a test may give a wrong type


@dataclasses.dataclass(frozen=True)
class World:
    """What happened before the package. locked: how many of the batches were there when the baseline was locked."""

    plan: bytes = PLAN
    batches: tuple[bytes, ...] = dataclasses.field(default_factory=lambda: tuple(_line_batches()))
    locked: int = 14
    register: keyring.KeyRegister = dataclasses.field(default_factory=register)
    log_order: tuple[str, ...] = ("plan", "other", "baseline", "run", "other")
    context: Context = FIRST_RUN
    run: int = 1
    parquet: bool = True
    baseline_from: tuple[bytes, ...] | None = None  # what the baseline was locked on, where it is not these batches

    def build(self) -> dict[str, bytes]:
        """The sealed package."""
        times = {label: LOGGED_US + place for place, label in enumerate(self.log_order)}
        plan_sha256 = plan_digest(self.plan)
        project = parse_plan(self.plan).project
        entries = {
            "plan": logentry.encode(logentry.PlanEntry(project, plan_sha256, times["plan"])),
            "baseline": logentry.encode(
                package.baseline_entry(
                    self.plan, self.baseline_from or self.batches[: self.locked], logged_at_us=times["baseline"]
                )
            ),
            "other": OTHER_ENTRY,
        }
        inputs = package.PackageInputs(
            plan=self.plan,
            plan_logged=package.Logged(self.log_order.index("plan"), entries["plan"]),
            baseline_logged=package.Logged(self.log_order.index("baseline"), entries["baseline"]),
            batches=self.batches,
            result=self.result(),
            keys=self.register,
            method={
                "engine_version": importlib.metadata.version("retroproof"),
                build.KEY: build.sources_sha256(),
            },
            quarantined=[{"device": DEVICE_ID, "epoch": EPOCH, "sequence": 99, "code": "bad_signature"}],
            readings_parquet=self._parquet() if self.parquet else None,
        )
        files = package.assemble(inputs)
        entries["run"] = logentry.encode(package.run_entry(files, run=self.run, logged_at_us=times["run"]))
        log_entries = [entries[label] for label in self.log_order]
        return package.seal(files, log_entries=log_entries, log_key=LOG, engine_key=ENGINE)

    def result(self) -> bytes:
        """What the engine makes of the batches."""
        plan = parse_plan(self.plan)
        readings = readings_table.to_series(decode_all(self.batches), plan.points)
        return engine.verify(plan, plan_digest(self.plan), readings, self.context).to_json()

    def _parquet(self) -> bytes:
        return readings_table.to_parquet(decode_all(self.batches), parse_plan(self.plan).points)


@functools.cache
def _line_batches() -> list[bytes]:
    return seal_chain(line_payloads())


@functools.cache
def _good_package() -> dict[str, bytes]:
    return World().build()


def good_package() -> dict[str, bytes]:
    """An honest package on which every axis is verified; a fresh mapping each time."""
    return dict(_good_package())


def forged(changes: Mapping[str, bytes | None], *, of: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """A package whose files were changed before the engine and the log signed: what only their owner can forge.

    A change to None leaves the file out. Parses none of the changed files.
    """
    files = {**(good_package() if of is None else of), **changes}
    covered = {
        name: data
        for name, data in files.items()
        if data is not None and name not in (package.MANIFEST, *package.SEALING)
    }
    whole = {**covered, package.MANIFEST: strictjson.encode(package.manifest(covered))}
    proofs = strictjson.read((good_package() if of is None else of)[package.INCLUSION])
    run = logentry.parse(proofs["run"]["entry"].encode())
    assert isinstance(run, logentry.RunEntry)
    run = msgspec.structs.replace(
        run,
        manifest_sha256=package.manifest_sha256(whole),
        result_sha256=hashlib.sha256(whole.get(package.RESULT, b"")).hexdigest(),
    )
    entries = [
        proofs["plan"]["entry"].encode(),
        OTHER_ENTRY,
        proofs["baseline"]["entry"].encode(),
        logentry.encode(run),
    ]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    for label, index in (("plan", 0), ("baseline", 2), ("run", 3)):
        path = [node.hex() for node in merkle.inclusion_proof(index, leaves)]
        proofs[label] = {"index": index, "entry": entries[index].decode(), "path": path}
    checkpoint = note.Checkpoint(ORIGIN, len(leaves), merkle.root(leaves))
    return {
        **whole,
        package.STATEMENT: dsse.sign(strictjson.encode(package.statement_of(run, run.run)), [ENGINE]),
        package.INCLUSION: strictjson.encode(proofs),
        package.CHECKPOINT: note.sign_checkpoint(checkpoint, LOG),
    }


def resealed(files: Mapping[str, bytes], name: str, content: bytes) -> dict[str, bytes]:
    """`files` with one file replaced and the manifest made anew, but the old signatures."""
    changed = {**files, name: content}
    covered = {other: data for other, data in changed.items() if other not in (package.MANIFEST, *package.SEALING)}
    return {**changed, package.MANIFEST: strictjson.encode(package.manifest(covered))}


def resigned_statement(files: Mapping[str, bytes], *signers: Ed25519PrivateKey) -> bytes:
    """The statement of a package signed by others."""
    payload = base64.b64decode(strictjson.read(files[package.STATEMENT])["payload"])
    return dsse.sign(payload, list(signers))


def outcomes(report: Report) -> dict[Axis, Outcome]:
    """The outcome of each axis."""
    return {axis.axis: axis.outcome for axis in report.axes}


def codes(report: Report, axis: Axis) -> list[str]:
    """The codes of an axis's reasons other than notes."""
    (found,) = (item for item in report.axes if item.axis is axis)
    return [reason.code for reason in found.reasons if reason.weight != "note"]


def check_world(world: World, *, recompute: bool = False) -> Report:
    """Build and check."""
    return check.check(world.build(), recompute=recompute)
