"""The evidence log holds its word: proofs that verify, and no signature over a log that was changed."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.clock import utc_now
from api.config import Settings
from api.database import connect
from api.errors import LogTamperedError
from api.log import Log
from api.tokens import Role
from tests.api.conftest import Served
from tests.api.plant import PROJECT, MeteredLine
from verification.evidence import merkle, note

EVIDENCE = {"log_entry": "bytes", "checkpoint": "note", "plan": "bytes", "run": "result"}


@pytest.fixture
def log(settings: Settings) -> Log:
    """A log of five entries with a checkpoint over each length."""
    log = Log(settings.log_origin, settings.log_key)
    for number in range(5):
        with connect(settings.db) as conn:
            opened = log.open(conn)
            opened.append(b"entry %d" % number, logged_at=utc_now())
            opened.sign(signed_at=utc_now())
    return log


def tamper(db: str, statement: str) -> None:
    """Change a table behind the platform's back, as somebody with all rights in the database could."""
    with connect(db) as conn:
        conn.execute("SET LOCAL session_replication_role = replica")  # triggers off
        conn.execute(statement.encode())


CHANGED_LEAF = merkle.leaf_hash(b"entry X").hex()
CHANGES = {
    "one byte of an entry": "UPDATE dossier.log_entry SET bytes = 'entry X' WHERE index = 2",
    "an entry with its leaf hash": "UPDATE dossier.log_entry "  # noqa: S608 - made of constants
    f"SET bytes = 'entry X', leaf_hash = '\\x{CHANGED_LEAF}' WHERE index = 2",
    "an entry gone from the middle": "DELETE FROM dossier.log_entry WHERE index = 2",
    "an entry gone from the end": "DELETE FROM dossier.log_entry WHERE index = 4",
    "a checkpoint that is no note": "UPDATE dossier.checkpoint SET note = 'x' WHERE size = 5",
    "a checkpoint with another root": "UPDATE dossier.checkpoint SET note = convert_to(regexp_replace("
    "convert_from(note, 'UTF8'), E'5\\n.', E'5\\nA'), 'UTF8') WHERE size = 5",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_log_is_neither_signed_nor_continued(settings: Settings, log: Log, change: str) -> None:
    tamper(settings.db, CHANGES[change])
    with connect(settings.db) as conn, pytest.raises(LogTamperedError, match="Nothing more is signed"):
        log.open(conn)


def test_the_log_as_it_was_written_opens_and_signs(settings: Settings, log: Log) -> None:
    with connect(settings.db) as conn:
        opened = log.open(conn)
        checkpoint = note.parse(opened.sign(signed_at=utc_now()))
    assert opened.entries == [b"entry %d" % number for number in range(5)]
    assert checkpoint.signed_by(settings.log_origin, settings.log_key.public_key())
    assert note.read_checkpoint(checkpoint).size == 5


def test_a_changed_entry_is_a_clear_error_to_the_client_and_no_checkpoint(served: Served, log: Log) -> None:
    tamper(served.db, CHANGES["one byte of an entry"])
    with served.as_role(Role.AUDITOR) as client:
        answer = client.get("/api/v1/log/checkpoint")
    assert (answer.status_code, answer.json()["error"]) == (500, "log_tampered")
    assert "Entry 2 of the evidence log was changed" in answer.json()["message"]
    assert log.origin not in answer.text


@pytest.mark.parametrize("foreign", ["key", "origin"])
def test_another_log_key_or_name_does_not_go_on_with_this_log(settings: Settings, log: Log, foreign: str) -> None:
    other = Log(log.origin, Ed25519PrivateKey.generate()) if foreign == "key" else Log("other.test/log", log.key)
    with connect(settings.db) as conn, pytest.raises(LogTamperedError, match="Put back the log_key"):
        other.open(conn)


@pytest.mark.usefixtures("judged")
def test_evidence_tables_refuse_update_delete_and_truncate(settings: Settings) -> None:
    for table, column in EVIDENCE.items():
        for order in (
            "UPDATE dossier.{0} SET {1} = {1}",
            "DELETE FROM dossier.{0}",
            "TRUNCATE dossier.{0} CASCADE",
        ):
            with (
                connect(settings.db) as conn,
                pytest.raises(psycopg.errors.RaiseException, match="append-only"),
            ):
                conn.execute(order.format(table, column).encode())


def test_proofs_of_inclusion_and_consistency_hold_against_the_checkpoint(served: Served, log: Log) -> None:
    with served.as_role(Role.AUDITOR) as client:
        entries = client.get("/api/v1/log/entries").json()
        for entry in entries:
            proof = client.get(f"/api/v1/log/inclusion/{entry['index']}").json()
            root = root_of(served, proof["checkpoint"], log)
            leaf, path = merkle.leaf_hash(entry["entry"].encode()), hashes(proof["path"])
            assert merkle.verify_inclusion(entry["index"], 5, leaf, path, root)
        roots = [merkle.root([merkle.leaf_hash(b"entry %d" % i) for i in range(size)]) for size in range(6)]
        for old_size in range(1, 6):
            proof = client.get(f"/api/v1/log/consistency/{old_size}").json()
            root = root_of(served, proof["checkpoint"], log)
            assert merkle.verify_consistency(old_size, 5, roots[old_size], root, hashes(proof["path"]))
        for path in ("inclusion/5", "consistency/6"):
            assert client.get(f"/api/v1/log/{path}").status_code == 404
        for path in ("inclusion/-1", "consistency/0", "entries?limit=1001", "entries?start=-1"):
            assert client.get(f"/api/v1/log/{path}").status_code == 422


def root_of(served: Served, checkpoint: str, log: Log) -> bytes:
    parsed = note.parse(checkpoint.encode())
    assert parsed.signed_by(log.origin, served.settings.log_key.public_key())
    return note.read_checkpoint(parsed).root


def hashes(path: list[str]) -> list[bytes]:
    return [bytes.fromhex(node) for node in path]


def test_entries_come_in_pages(served: Served, log: Log) -> None:
    with served.as_role(Role.AUDITOR) as client:
        page = client.get("/api/v1/log/entries", params={"start": 1, "limit": 2}).json()
        assert [entry["index"] for entry in page] == [1, 2]
        assert client.get("/api/v1/log/entries", params={"start": 5}).json() == []
    assert log.origin


def test_an_empty_log_has_no_checkpoint_and_says_when_it_begins(served: Served) -> None:
    with served.as_role(Role.AUDITOR) as client:
        answer = client.get("/api/v1/log/checkpoint")
    assert (answer.status_code, answer.json()["error"]) == (404, "log_empty")


def test_a_package_is_not_handed_out_when_its_reading_cannot_be_logged(
    served: Served, line: MeteredLine, project: Callable[[MeteredLine], httpx.Response]
) -> None:
    project(line)
    with served.as_role(Role.EXPERT) as client:
        assert client.post(f"/api/v1/projects/{PROJECT}/runs").status_code == 201
        tamper(served.db, "UPDATE dossier.log_entry SET bytes = 'x' WHERE index = 0")
        answer = client.get(f"/api/v1/projects/{PROJECT}/runs/1/package.zip")
    assert (answer.status_code, answer.json()["error"]) == (500, "log_tampered")
