"""The files of a package as a check reads them: parsed once, and only where the bytes are those that were signed.

A file that is not what the manifest lists is never parsed: whoever asks for it gets `UnusableError` with the
reason, and an axis that needs it cannot be verified. Judges nothing beyond that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from verification import strictjson
from verification.batch import Batch, open_batch
from verification.engine.result import Result, parse_result
from verification.errors import FormatError, RetroProofError
from verification.evidence import logentry, merkle, note, package
from verification.evidence.check_report import Reason
from verification.evidence.deliveries import Decoder, Delivery, utc_text
from verification.evidence.keyring import KeyRegister, parse_register
from verification.plan import Plan, parse_plan

RESULT_SCHEMAS = (1, 2)
EntryT = TypeVar("EntryT", bound=logentry.Entry)


class UnusableError(RetroProofError):
    """Something that an axis needs is missing, was changed or cannot be read; `reason` says which."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text("en"))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LogProof:
    """One entry of the log as inclusion.json gives it."""

    index: int
    raw: bytes
    entry: logentry.Entry
    path: tuple[bytes, ...]

    @property
    def leaf(self) -> bytes:
        """The entry's leaf hash."""
        return merkle.leaf_hash(self.raw)


class Evidence:
    """A package's files by name; every property raises UnusableError where its file does not hold."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    @cached_property
    def manifest_sha256(self) -> str:
        """The package's address, or an empty string where there is no manifest."""
        data = self.files.get(package.MANIFEST)
        return "" if data is None else hashlib.sha256(data).hexdigest()

    @cached_property
    def listed(self) -> dict[str, dict[str, Any]]:
        """What the manifest lists: name -> sha256 and size. Raises FormatError for a malformed manifest."""
        match strictjson.read_canonical(self.files[package.MANIFEST]):
            case {"schema": package.SCHEMA, "files": dict(listed), **extra} if not extra:
                pass
            case _:
                raise FormatError("undecodable", "a manifest has schema and files")
        for entry in listed.values():
            match entry:
                case {"sha256": str(), "size": int(), **extra} if not extra:
                    pass
                case _:
                    raise FormatError("undecodable", "a manifest lists sha256 and size for each file")
        return listed

    @cached_property
    def intact(self) -> frozenset[str]:
        """The names of the files that are what the manifest lists."""
        try:
            listed = self.listed
        except (FormatError, KeyError):
            return frozenset()
        return frozenset(
            name
            for name, entry in listed.items()
            if name in self.files
            and entry["size"] == len(self.files[name])
            and entry["sha256"] == hashlib.sha256(self.files[name]).hexdigest()
        )

    def data(self, name: str) -> bytes:
        """The bytes of a file that the manifest covers, unchanged."""
        if name not in self.intact:
            raise UnusableError(Reason("NOT_RELIABLE", name))
        return self.files[name]

    @cached_property
    def plan(self) -> Plan:
        """The plan as filed."""
        data = self.data(package.PLAN)
        try:
            return parse_plan(data)
        except RetroProofError as err:
            raise UnusableError(Reason("UNREADABLE", package.PLAN, {"detail": str(err)})) from err

    @cached_property
    def register(self) -> KeyRegister:
        """The keys that the package names."""
        data = self.data(package.KEYS)
        try:
            return parse_register(data)
        except FormatError as err:
            raise UnusableError(Reason("UNREADABLE", package.KEYS, {"detail": str(err)})) from err

    @cached_property
    def result(self) -> Result:
        """The engine's result."""
        content = self.json(package.RESULT)
        found = content.get("schema") if isinstance(content, dict) else None
        if found not in RESULT_SCHEMAS:
            about = {"found": str(found)[:40], "known": " and ".join(map(str, RESULT_SCHEMAS))}
            raise UnusableError(Reason("SCHEMA_UNKNOWN", package.RESULT, about))
        try:
            return parse_result(self.data(package.RESULT))
        except FormatError as err:
            raise UnusableError(Reason("UNREADABLE", package.RESULT, {"detail": str(err)})) from err

    def json(self, name: str) -> Any:  # noqa: ANN401 - the caller matches the shape
        """A file of canonical JSON."""
        try:
            return strictjson.read_canonical(self.data(name))
        except FormatError as err:
            raise UnusableError(Reason("UNREADABLE", name, {"detail": str(err)})) from err

    @cached_property
    def checkpoint(self) -> tuple[note.Note, note.Checkpoint]:
        """The log's state, with its signatures still to be verified. Raises FormatError for a malformed one."""
        signed = note.parse(self.sealing(package.CHECKPOINT))
        return signed, note.read_checkpoint(signed)

    @cached_property
    def proofs(self) -> dict[str, LogProof]:
        """The entries plan, baseline and run with their proofs, not yet verified. Raises FormatError."""
        match strictjson.read_canonical(self.sealing(package.INCLUSION)):
            case {"plan": plan, "baseline": baseline, "run": run, **extra} if not extra:
                return {"plan": _proof(plan), "baseline": _proof(baseline), "run": _proof(run)}
            case _:
                raise FormatError("undecodable", "it holds the entries plan, baseline and run")

    @property
    def plan_entry(self) -> logentry.PlanEntry:
        """The log's entry of the plan."""
        return _expect(self._proof_of("plan"), logentry.PlanEntry)

    @property
    def baseline_entry(self) -> logentry.BaselineEntry:
        """The log's entry of the baseline."""
        return _expect(self._proof_of("baseline"), logentry.BaselineEntry)

    @property
    def run_entry(self) -> logentry.RunEntry:
        """The log's entry of this run."""
        return _expect(self._proof_of("run"), logentry.RunEntry)

    def _proof_of(self, label: str) -> LogProof:
        """An entry that the log is proven to hold."""
        try:
            proof, (_, checkpoint) = self.proofs[label], self.checkpoint
        except FormatError as err:
            raise UnusableError(Reason("NOT_RELIABLE", package.INCLUSION)) from err
        if not merkle.verify_inclusion(proof.index, checkpoint.size, proof.leaf, proof.path, checkpoint.root):
            raise UnusableError(Reason("NOT_RELIABLE", package.INCLUSION))
        return proof

    def sealing(self, name: str) -> bytes:
        """The bytes of a file that is made over the manifest, and so carries its own proof."""
        if name not in self.files:
            raise UnusableError(Reason("NO_SUCH_FILE", name))
        return self.files[name]

    @cached_property
    def batch_names(self) -> list[str]:
        """The names of all batches, in order of device, epoch and sequence; batches absent from disk included."""
        try:
            listed = self.listed
        except (FormatError, KeyError) as err:
            raise UnusableError(Reason("NOT_RELIABLE", package.MANIFEST)) from err
        keyed = {name: package.parse_batch_name(name) for name in listed}
        return [name for name, key in sorted(keyed.items(), key=lambda item: item[1] or ()) if key is not None]

    @cached_property
    def opened(self) -> list[tuple[str, Batch]]:
        """Every batch with its file name: well-formed, not yet verified."""
        found = []
        for name in self.batch_names:
            data = self.data(name)
            try:
                found.append((name, open_batch(data)))
            except FormatError as err:
                raise UnusableError(Reason("UNREADABLE", name, {"detail": str(err)})) from err
        return found

    @cached_property
    def signature_faults(self) -> list[Reason]:
        """What is wrong with the batches' signatures, judged by the package's own key register."""
        faults = []
        for name, batch in self.opened:
            header = batch.header
            key, counted = self.register.signer_of(header.device, batch.envelope.key_id, header.signed_at_us)
            if key is None:
                faults.append(Reason("DEVICE_KEY_UNKNOWN", name))
            elif not batch.envelope.signed_by(key):
                faults.append(Reason("BATCH_SIGNATURE", name))
            elif not counted:
                faults.append(Reason("DEVICE_KEY_EXPIRED", name, {"signed_at": _when(header.signed_at_us)}))
        return faults

    @cached_property
    def deliveries(self) -> list[tuple[str, Delivery]]:
        """Every batch decoded, with its file name; only where every signature holds."""
        if self.signature_faults:
            raise UnusableError(Reason("NOT_RELIABLE", self.signature_faults[0].file))
        decoder = Decoder()
        found = []
        for name, batch in self.opened:
            try:
                found.append((name, decoder.decode(batch)))
            except FormatError as err:
                raise UnusableError(Reason("UNREADABLE", name, {"detail": str(err)})) from err
        return found


def _proof(value: object) -> LogProof:
    match value:
        case {"index": int(index), "entry": str(entry), "path": list(path), **extra} if not extra:
            raw = entry.encode()
        case _:
            raise FormatError("undecodable", "an entry has index, entry and path")
    try:
        hashes = tuple(bytes.fromhex(node) for node in path)
    except (TypeError, ValueError) as err:
        raise FormatError("undecodable", f"a path holds hashes in hexadecimal: {err}") from err
    if any(node.hex() != text for node, text in zip(hashes, path, strict=True)):
        raise FormatError("undecodable", "hexadecimal is written in lower case without spaces")
    return LogProof(index, raw, logentry.parse(raw), hashes)


def _expect(proof: LogProof, kind: type[EntryT]) -> EntryT:
    if not isinstance(proof.entry, kind):
        raise UnusableError(Reason("NOT_RELIABLE", package.INCLUSION))
    return proof.entry


def _when(time_us: int) -> str:
    try:
        return utc_text(time_us)
    except OverflowError:  # a batch may claim any 63-bit time
        return str(time_us)
