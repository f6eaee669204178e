"""The evidence package: a mapping of file names to bytes, built once and never changed (docs/reference/package.md).

Two steps, because the log must hold the package's digest and the package must hold the log's word. `assemble` makes
every file that the manifest covers, and the manifest; its SHA-256 addresses the package. The caller logs `run_entry`
and then calls `seal`, which adds the three files made over that digest: statement, inclusion proofs, checkpoint. The
same inputs give the same bytes. Reads and writes no disk, holds no log, and judges nothing: `check` does.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import strictjson
from verification.errors import FormatError
from verification.evidence import dsse, logentry, merkle, note
from verification.evidence.deliveries import Delivery, decode_all, heads, negative_evidence, readings_csv
from verification.evidence.keyring import KeyRegister
from verification.plan import Plan, parse_plan, plan_digest

SCHEMA = "retroproof.package/1"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:retroproof:verification-result:v1"

MANIFEST, PLAN, PLAN_LOG, METERS, KEYS = "manifest.json", "plan.yaml", "plan.json", "meters.json", "keys.json"
READINGS_CSV, READINGS_PARQUET, GAPS, RESULT = "readings.csv", "readings.parquet", "gaps.json", "result.json"
DECISIONS, METHOD = "decisions.json", "method.json"
STATEMENT, INCLUSION, CHECKPOINT = "statement.dsse.json", "inclusion.json", "checkpoint"
SEALING = (STATEMENT, INCLUSION, CHECKPOINT)  # made over the manifest's digest, so the manifest cannot list them
REQUIRED = (PLAN, PLAN_LOG, METERS, KEYS, READINGS_CSV, GAPS, RESULT, DECISIONS, METHOD)

MAX_FILES = 65_000  # a zip without the zip64 extension holds 65,535
MAX_TOTAL_BYTES = 512 * 1024 * 1024
MAX_NAME_CHARS = 200
SEQUENCE_DIGITS = 12
LATER_FIELDS = frozenset({"minimum", "maximum", "column", "final_reading", "first_reading"})  # of points and meters

# Lower case only, so that names stay apart on file systems that ignore case; no part begins with a dot.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
_BATCH_NAME = re.compile(rf"batches/([a-z0-9-]+)/([0-9]{{1,19}})/([0-9]{{{SEQUENCE_DIGITS}}})\.cose")


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of the log: its position, counted from 0, and its bytes."""

    index: int
    entry: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageInputs:
    """Everything that a package is made of.

    plan: the plan file's bytes as filed; batches: the signed batches as received, in any order; result: the engine's
    bytes; method: engine version, dependency lock digest, versions of coefficients and limits; quarantined: what ingest
    refused, with reason codes; decisions: expert decisions so far; readings_parquet: the readings once more, for
    people's tools (`readings_table.to_parquet`).
    """

    plan: bytes
    plan_logged: Logged
    baseline_logged: Logged
    batches: Sequence[bytes]
    result: bytes
    keys: KeyRegister
    method: Mapping[str, Any]
    quarantined: Sequence[Mapping[str, Any]] = ()
    decisions: Sequence[Mapping[str, Any]] = ()
    readings_parquet: bytes | None = None


def assemble(inputs: PackageInputs) -> dict[str, bytes]:
    """Every file that the manifest covers, and the manifest. Raises FormatError or ConfigError for unusable inputs."""
    plan = parse_plan(inputs.plan)
    sealed = {hashlib.sha256(data).digest(): data for data in inputs.batches}  # a batch given twice is kept once
    deliveries = decode_all(sealed.values())
    strictjson.read_canonical(inputs.result)
    files = {
        PLAN: inputs.plan,
        PLAN_LOG: strictjson.encode(plan_log(inputs.plan, inputs.plan_logged, inputs.baseline_logged)),
        METERS: strictjson.encode(meter_register(plan)),
        KEYS: inputs.keys.encode(),
        READINGS_CSV: readings_csv(deliveries, plan.points),
        GAPS: strictjson.encode({**negative_evidence(deliveries), "quarantined": list(inputs.quarantined)}),
        RESULT: inputs.result,
        DECISIONS: strictjson.encode(list(inputs.decisions)),
        METHOD: strictjson.encode(dict(inputs.method)),
    }
    if inputs.readings_parquet is not None:
        files[READINGS_PARQUET] = inputs.readings_parquet
    for delivery in deliveries:
        name = batch_name(delivery)
        if files.setdefault(name, sealed[delivery.sha256]) != sealed[delivery.sha256]:
            raise FormatError("undecodable", f"{name}: two different batches have this device, epoch and sequence")
    files[MANIFEST] = strictjson.encode(manifest(files))
    check_bounds(len(files) + len(SEALING), sum(map(len, files.values())))
    return files


def manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The content of manifest.json over `files`."""
    listed = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in sorted(files.items())
    }
    return {"schema": SCHEMA, "files": listed}


def manifest_sha256(files: Mapping[str, bytes]) -> str:
    """The address of a package, in hexadecimal."""
    return hashlib.sha256(files[MANIFEST]).hexdigest()


def plan_log(plan: bytes, plan_logged: Logged, baseline_logged: Logged) -> dict[str, Any]:
    """The content of plan.json: the plan's digest, and where and when plan and baseline stand in the log."""
    content: dict[str, Any] = {"plan_sha256": plan_digest(plan)}
    for label, logged in (("plan", plan_logged), ("baseline", baseline_logged)):
        entry = logentry.parse(logged.entry)
        content[label] = {
            "index": logged.index,
            "leaf_sha256": merkle.leaf_hash(logged.entry).hex(),
            "logged_at_us": entry.logged_at_us,
        }
    return content


def meter_register(plan: Plan) -> dict[str, Any]:
    """The content of meters.json: the plan's points and meters, every number as an exact decimal string.

    A field that came after release 0.1 stands there only where the plan gives it: older packages stay derivable.
    """
    return {
        "points": _decimals(_without_unset(msgspec.to_builtins(plan.points))),
        "meters": _decimals(_without_unset(msgspec.to_builtins(plan.meters))),
    }


def batch_name(delivery: Delivery) -> str:
    """Where a package keeps a batch."""
    header = delivery.header
    return f"batches/{header.device}/{header.epoch}/{header.sequence:0{SEQUENCE_DIGITS}}.cose"


def parse_batch_name(name: str) -> tuple[str, int, int] | None:
    """Device, epoch and sequence of a batch's file name, or None where it is the name of something else."""
    found = _BATCH_NAME.fullmatch(name)
    return (found[1], int(found[2]), int(found[3])) if found else None


def is_safe_name(name: str) -> bool:
    """Whether a package may hold a file of this name: no way out of the folder, the same on every file system."""
    return len(name) <= MAX_NAME_CHARS and _NAME.fullmatch(name) is not None


def check_bounds(file_count: int, total_bytes: int) -> None:
    """Raise FormatError (`bound_exceeded`) where a package has too many files or bytes."""
    if file_count > MAX_FILES:
        raise FormatError("bound_exceeded", f"{file_count} files; a package holds at most {MAX_FILES}")
    if total_bytes > MAX_TOTAL_BYTES:
        raise FormatError("bound_exceeded", f"{total_bytes} bytes; a package holds at most {MAX_TOTAL_BYTES}")


def baseline_entry(plan: bytes, sealed: Sequence[bytes], *, logged_at_us: int) -> logentry.BaselineEntry:
    """The entry that locks the baseline: made of every batch received so far. Raises FormatError, ConfigError."""
    parsed = parse_plan(plan)
    deliveries = decode_all(sealed)
    return baseline_of(parsed, plan_digest(plan), deliveries, logged_at_us=logged_at_us)


def baseline_of(
    plan: Plan, plan_sha256: str, deliveries: Collection[Delivery], *, logged_at_us: int
) -> logentry.BaselineEntry:
    """The entry that locks `deliveries` as the baseline. Raises FormatError where they hold no reading of the plan."""
    times = [reading.time_us for delivery in deliveries for reading in delivery.readings(plan.points)]
    if not times:
        raise FormatError(
            "undecodable", "the batches hold no reading of the plan's points: there is no baseline to lock"
        )
    digest = hashlib.sha256(readings_csv(deliveries, plan.points)).hexdigest()
    return logentry.BaselineEntry(plan.project, plan_sha256, heads(deliveries), digest, max(times), logged_at_us)


def run_entry(files: Mapping[str, bytes], *, run: int, logged_at_us: int) -> logentry.RunEntry:
    """The entry that logs an assembled package as run number `run` (from 1) of its plan."""
    return logentry.RunEntry(
        project=parse_plan(files[PLAN]).project,
        plan_sha256=plan_digest(files[PLAN]),
        run=run,
        manifest_sha256=manifest_sha256(files),
        result_sha256=hashlib.sha256(files[RESULT]).hexdigest(),
        heads=heads(decode_all(data for name, data in files.items() if parse_batch_name(name))),
        logged_at_us=logged_at_us,
    )


def seal(
    files: Mapping[str, bytes],
    *,
    log_entries: Sequence[bytes],
    log_key: Ed25519PrivateKey,
    engine_key: Ed25519PrivateKey,
) -> dict[str, bytes]:
    """The whole package: `files` with statement, inclusion proofs and checkpoint over them.

    log_entries: every entry of the log from the first to this package's run entry or beyond; the root that is signed is
    derived from these stored entries, never from a remembered one. Raises FormatError where the log does not hold what
    the package names.
    """
    run_index, run, run_count = _find_run(files, log_entries)
    logged = strictjson.read_canonical(files[PLAN_LOG])
    leaves = [merkle.leaf_hash(entry) for entry in log_entries]
    proofs: dict[str, Any] = {}
    for label, index in (
        ("plan", logged["plan"]["index"]),
        ("baseline", logged["baseline"]["index"]),
        ("run", run_index),
    ):
        if index >= len(leaves) or (label != "run" and leaves[index].hex() != logged[label]["leaf_sha256"]):
            raise FormatError("undecodable", f"entry {index} of the log is not the {label} that the package names")
        path = [node.hex() for node in merkle.inclusion_proof(index, leaves)]
        proofs[label] = {"index": index, "entry": log_entries[index].decode(), "path": path}
    origin = strictjson.read_canonical(files[KEYS])["log"]["name"]
    checkpoint = note.Checkpoint(origin, len(leaves), merkle.root(leaves))
    statement = strictjson.encode(statement_of(run, run_count))
    return {
        **files,
        STATEMENT: dsse.sign(statement, [engine_key]),
        INCLUSION: strictjson.encode(proofs),
        CHECKPOINT: note.sign_checkpoint(checkpoint, log_key),
    }


def _find_run(files: Mapping[str, bytes], log_entries: Sequence[bytes]) -> tuple[int, logentry.RunEntry, int]:
    """Index and entry of this package's run, and how many runs of its plan the log holds."""
    digest, plan_sha256 = manifest_sha256(files), plan_digest(files[PLAN])
    runs = [
        (index, entry)
        for index, entry in enumerate(map(logentry.parse, log_entries))
        if isinstance(entry, logentry.RunEntry) and entry.plan_sha256 == plan_sha256
    ]
    for index, entry in runs:
        if entry.manifest_sha256 == digest:
            return index, entry, len(runs)
    raise FormatError("undecodable", f"no run of package {digest} is in the log; log its run entry before sealing it")


def statement_of(run: logentry.RunEntry, run_count: int) -> dict[str, Any]:
    """The in-toto statement: subject is the manifest, predicate says which plan, which result, and run k of N."""
    predicate = {
        "project": run.project,
        "plan_sha256": run.plan_sha256,
        "result_sha256": run.result_sha256,
        "run": run.run,
        "run_count": run_count,
    }
    subject = {"name": MANIFEST, "digest": {"sha256": run.manifest_sha256}}
    return {"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": PREDICATE_TYPE, "predicate": predicate}


def _without_unset(value: Any) -> Any:  # noqa: ANN401 - any tree of plain values
    """`value` without the later fields that were left out."""
    match value:
        case dict():
            kept = {name: item for name, item in value.items() if item is not None or name not in LATER_FIELDS}
            return {name: _without_unset(item) for name, item in kept.items()}
        case list():
            return [_without_unset(item) for item in value]
        case _:
            return value


def _decimals(value: Any) -> Any:  # noqa: ANN401 - any tree of plain values
    """`value` with every float as the shortest decimal string that reads back to it."""
    match value:
        case float():
            return repr(value)
        case dict():
            return {name: _decimals(item) for name, item in value.items()}
        case list():
            return [_decimals(item) for item in value]
        case _:
            return value
