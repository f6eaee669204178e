"""The axis `bytes`: is every byte of the package the one that was signed and logged?

1. names and list of files; 2. each file against the manifest; 3. the statement, signed over the manifest's digest;
4. the log's checkpoint and the proofs that plan, baseline and run are in it; 5. what these say about each other;
6. the files that follow from others. Whether the keys are the right ones is the axis `signer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from verification import strictjson
from verification.errors import FormatError
from verification.evidence import dsse, merkle, package
from verification.evidence.check_evidence import Evidence, LogProof, UnusableError
from verification.evidence.check_report import Reason
from verification.evidence.keyring import public
from verification.evidence.logentry import BaselineEntry, PlanEntry, RunEntry


def unknown_schema(evidence: Evidence) -> Reason | None:
    """A reason not to read on: a package of another version, and unchanged as far as this version can tell."""
    data = evidence.files.get(package.MANIFEST)
    if data is None:
        return Reason("NO_MANIFEST", package.MANIFEST)
    try:
        content = strictjson.read(data)
    except FormatError:
        return None  # a changed byte rather than another version; the axis says so
    found = content.get("schema") if isinstance(content, dict) else None
    if not isinstance(found, str) or found == package.SCHEMA or _statement_disagrees(evidence):
        return None
    return Reason("SCHEMA_UNKNOWN", package.MANIFEST, {"found": found[:40], "known": package.SCHEMA})


def check_bytes(evidence: Evidence) -> Iterator[Reason]:
    """Every reason to doubt the bytes. A step that lacks what it needs says so, and the next one goes on."""
    for step in (_check_files, _check_statement, _check_log, _check_derived):
        try:
            yield from step(evidence)
        except UnusableError as err:
            yield err.reason


def _check_files(evidence: Evidence) -> Iterator[Reason]:
    """Steps 1 and 2."""
    yield from (Reason("UNSAFE_NAME", name) for name in sorted(evidence.files) if not package.is_safe_name(name))
    try:
        listed = evidence.listed
    except FormatError as err:
        yield Reason("MALFORMED", package.MANIFEST, {"detail": str(err)})
        return
    known = {*listed, package.MANIFEST, *package.SEALING}
    yield from (Reason("UNLISTED", name) for name in sorted(evidence.files.keys() - known))
    yield from (Reason("MISSING", name) for name in sorted((listed.keys() | package.REQUIRED) - evidence.files.keys()))
    yield from (Reason("ALTERED", name) for name in sorted((listed.keys() & evidence.files.keys()) - evidence.intact))


def _check_statement(evidence: Evidence) -> Iterator[Reason]:
    """Step 3. The payload is rebuilt from the log's run entry, and must equal what was signed byte for byte."""
    try:
        envelope = dsse.parse(evidence.sealing(package.STATEMENT))
    except FormatError as err:
        yield Reason("MALFORMED", package.STATEMENT, {"detail": str(err)})
        return
    if _statement_disagrees(evidence):
        yield Reason("MANIFEST_DISAGREES", package.MANIFEST, {"other": package.STATEMENT})
    engine = public(evidence.register.engine)
    if envelope.payload_type != dsse.IN_TOTO_TYPE or not envelope.signed_by(engine):
        yield Reason("STATEMENT_SIGNATURE", package.STATEMENT)
    elif len(envelope.signatures) > 1:
        yield Reason("EXTRA_SIGNATURE", package.STATEMENT)
    try:
        expected = package.statement_of(evidence.run_entry, _run_count(envelope.payload))
    except UnusableError:
        return  # the log does not hold, which the next step says
    if expected["predicate"]["run_count"] < evidence.run_entry.run or strictjson.encode(expected) != envelope.payload:
        yield Reason("STATEMENT_DISAGREES", package.STATEMENT)


def _check_log(evidence: Evidence) -> Iterator[Reason]:
    """Steps 4 and 5."""
    try:
        signed, checkpoint = evidence.checkpoint
    except FormatError as err:
        yield Reason("MALFORMED", package.CHECKPOINT, {"detail": str(err)})
        return
    try:
        proofs = evidence.proofs
    except FormatError as err:
        yield Reason("MALFORMED", package.INCLUSION, {"detail": str(err)})
        return
    for label, proof in proofs.items():
        if not merkle.verify_inclusion(proof.index, checkpoint.size, proof.leaf, proof.path, checkpoint.root):
            yield Reason("INCLUSION_FAILS", package.INCLUSION, {"entry": label})
    log = evidence.register.log
    if checkpoint.origin != log.name or not signed.signed_by(log.name, public(log.key)):
        yield Reason("CHECKPOINT_SIGNATURE", package.CHECKPOINT)
    elif len(signed.signatures) > 1:
        yield Reason("EXTRA_SIGNATURE", package.CHECKPOINT)
    yield from _check_entries(evidence, proofs)


def _check_entries(evidence: Evidence, proofs: dict[str, LogProof]) -> Iterator[Reason]:
    """Step 5: the entries are of the right kinds and about this plan, this package and this result."""
    plan_sha256 = hashlib.sha256(evidence.data(package.PLAN)).hexdigest()
    for label, kind in (("plan", PlanEntry), ("baseline", BaselineEntry), ("run", RunEntry)):
        entry = proofs[label].entry
        if not isinstance(entry, kind):
            yield _disagrees(label, "type")
            continue
        if entry.plan_sha256 != plan_sha256:
            yield _disagrees(label, "plan_sha256")
        if entry.project != evidence.plan.project:
            yield _disagrees(label, "project")
        if isinstance(entry, RunEntry) and entry.manifest_sha256 != evidence.manifest_sha256:
            yield Reason("MANIFEST_DISAGREES", package.MANIFEST, {"other": package.INCLUSION})
        if isinstance(entry, RunEntry) and entry.result_sha256 != _sha256_of(evidence, package.RESULT):
            yield _disagrees(label, "result_sha256")


def _check_derived(evidence: Evidence) -> Iterator[Reason]:
    """Step 6: what is written twice, for people's sake, must say the same in both places."""
    plan_log, proofs = evidence.data(package.PLAN_LOG), _readable_proofs(evidence)
    logged = (package.Logged(proofs[label].index, proofs[label].raw) for label in ("plan", "baseline"))
    if strictjson.encode(package.plan_log(evidence.data(package.PLAN), *logged)) != plan_log:
        yield Reason("DERIVED_DISAGREES", package.PLAN_LOG, {"source": package.INCLUSION})
    if strictjson.encode(package.meter_register(evidence.plan)) != evidence.data(package.METERS):
        yield Reason("DERIVED_DISAGREES", package.METERS, {"source": package.PLAN})
    if not isinstance(evidence.json(package.DECISIONS), list):
        yield Reason("MALFORMED", package.DECISIONS, {"detail": "it is not a JSON array"})
    if not isinstance(evidence.json(package.METHOD), dict):
        yield Reason("MALFORMED", package.METHOD, {"detail": "it is not a JSON object"})


def _readable_proofs(evidence: Evidence) -> dict[str, LogProof]:
    try:
        return evidence.proofs
    except FormatError as err:
        raise UnusableError(Reason("NOT_RELIABLE", package.INCLUSION)) from err


def _disagrees(label: str, what: str) -> Reason:
    return Reason("ENTRY_DISAGREES", package.INCLUSION, {"entry": label, "field": what})


def _sha256_of(evidence: Evidence, name: str) -> str:
    return hashlib.sha256(evidence.data(name)).hexdigest()


def _statement_disagrees(evidence: Evidence) -> bool:
    """Whether a readable statement names another manifest; its signature is looked at elsewhere."""
    try:
        payload = strictjson.read(dsse.parse(evidence.sealing(package.STATEMENT)).payload)
    except (FormatError, UnusableError):
        return False
    match payload:
        case {"subject": [{"name": package.MANIFEST, "digest": {"sha256": digest}}]}:
            return bool(digest != evidence.manifest_sha256)
        case _:
            return True


def _run_count(payload: bytes) -> int:
    """The number of runs that the statement says the plan had; 0 where it says none, which no run agrees with."""
    try:
        content = strictjson.read(payload)
    except FormatError:
        return 0
    match content:
        case {"predicate": {"run_count": int(count)}}:
            return count
        case _:
            return 0
