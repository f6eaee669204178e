"""Enrolment end to end: the agent's own command against a real server and database, and the operator's commands."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.pki.authority import Authority
from edge_agent.identity import enrolment as client
from edge_agent.identity.enrolment import EnrolmentRefusedError
from ingest import enrol, register
from ingest.cli import ingest
from ingest.errors import IngestError
from tests.ingest.builders import Device, until
from tests.ingest.test_http import INGEST_KEY, problem, served_by
from verification import keys
from verification.errors import ConfigError


@pytest.fixture(params=["timescale"])
def migrated(request, template):
    """One tier: enrolment has nothing to do with readings."""
    server, name = template(request.param)
    yield server.create_database("enrolment", template=name)
    server.drop_database("enrolment")


@pytest.fixture
def served(migrated):
    with served_by(migrated) as running:
        until(lambda: running.plants.get("/readyz").status_code == 200)
        yield running


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "pki", "Test authority")


@pytest.fixture
def operate(migrated: str):
    """Run one of the operator's commands; gives what it printed."""

    def run(*words: object, code: int = 0) -> str:
        done = CliRunner().invoke(ingest, ["enrolment", *map(str, words), "--db", migrated])
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def token(db) -> str:
    return enrol.make_token(db, "potline-1", "hengkang")


def ask(served, token: str, folder: Path, **changes: object) -> client.Enrolled:
    options = {"ca_file": None, "wait_s": 0, "report": lambda _text: None, **changes}
    return client.enrol(str(served.plants.base_url), token, folder, **options)


def ask_in_vain(served, token: str, folder: Path) -> None:
    """As far as a device gets before its operator has approved."""
    with pytest.raises(ConfigError, match="run the same command again"):
        ask(served, token, folder)


def approve(operate, authority: Authority, folder: Path, number: int = 1, device: str = "potline-1") -> str:
    operate("csr", number, "--out", folder / "device.csr")
    made = authority.sign((folder / "device.csr").read_bytes(), device)
    return operate("approve", number, "--certificate", made, "--ca", authority.folder / "ca.pem")


def test_a_device_is_let_in_by_token_request_and_approval(served, db, operate, authority, tmp_path):
    token = operate("token", "--device", "potline-1", "--enterprise", "hengkang").splitlines()[0]
    box = tmp_path / "box"
    said: list[str] = []
    result: list[client.Enrolled] = []
    waiting = threading.Thread(
        target=lambda: result.append(ask(served, token, box, wait_s=30, report=said.append)), daemon=True
    )
    waiting.start()
    until(lambda: "potline-1" in operate("list"))
    key = keys.load_private(box / "edge.key")
    assert keys.key_id(key).hex() in operate("list")  # what the operator compares
    assert any(keys.key_id(key).hex() in line for line in said)
    assert db.execute("SELECT count(*) FROM telemetry.device").fetchone() == (0,)
    approve(operate, authority, tmp_path)
    waiting.join(30)
    assert result == [client.Enrolled("potline-1", keys.key_id(key).hex(), keys.public_text(INGEST_KEY))]
    assert (box / "ca.pem").read_text() == (authority.folder / "ca.pem").read_text()
    assert "CERTIFICATE" in (box / "tls.pem").read_text()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in box.iterdir()}
    assert modes == dict.fromkeys(["edge.key", "tls.key", "tls.pem", "ca.pem", "ingest.pub"], 0o600)
    assert operate("list") == "nobody waits\n"

    device = Device()
    device.key = key
    assert [served.settle(data).through for data in device.chain(2)] == [0, 1]


def test_an_enrolment_that_was_broken_off_goes_on_with_the_same_keys(served, db, token, operate, authority, tmp_path):
    ask_in_vain(served, token, tmp_path / "box")
    before = {path.name: path.read_bytes() for path in (tmp_path / "box").iterdir()}
    ask_in_vain(served, token, tmp_path / "box")
    assert {path.name: path.read_bytes() for path in (tmp_path / "box").iterdir()} == before
    assert len(enrol.listed(db)) == 1
    approve(operate, authority, tmp_path)
    ask(served, token, tmp_path / "box")
    for name in ("tls.pem", "ingest.pub"):
        (tmp_path / "box" / name).unlink()  # as if the power went before it was written
    assert ask(served, token, tmp_path / "box").device == "potline-1"
    assert (tmp_path / "box" / "tls.pem").exists()


def test_a_token_serves_one_set_of_keys(served, db, token, tmp_path):
    ask_in_vain(served, token, tmp_path / "box")
    with pytest.raises(EnrolmentRefusedError, match=r"used before with other keys.*tell the operator"):
        ask(served, token, tmp_path / "thief")
    assert len(enrol.listed(db)) == 1


def test_of_a_certificate_request_only_itself_is_kept(served, token, operate, tmp_path):
    """What stands around it may be anything: a null character, which no database stores, or what no terminal bears."""
    csr = client._certificate_request("potline-1", client.ec.generate_private_key(client.ec.SECP256R1()))
    body = {"token": token, "device": "potline-1", "csr_pem": f"é\0\x1b[2J\n{csr}", "signing_key": Device().public_key}
    assert served.plants.post("/ingest/v1/enrol", json=body).status_code == 202
    assert served.plants.post("/ingest/v1/enrol", json=body | {"csr_pem": csr}).status_code == 202
    operate("csr", 1, "--out", tmp_path / "device.csr")
    assert (tmp_path / "device.csr").read_text() == csr


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"token": "potline-1.guessed"}, 403, "bad_token"),
        ({"device": "potline-2"}, 400, "bad_request"),
        ({"signing_key": "ed25519:12"}, 400, "bad_request"),
        ({"csr_pem": "nonsense"}, 400, "bad_request"),
        ({"csr_pem": "x" * 20_000}, 400, "bad_request"),
        ({"more": "1"}, 400, "bad_request"),
    ],
)
def test_what_is_no_good_request_leaves_nothing(served, db, token, change, status, code):
    csr = client._certificate_request("potline-1", client.ec.generate_private_key(client.ec.SECP256R1()))
    body = {"token": token, "device": "potline-1", "csr_pem": csr, "signing_key": Device().public_key}
    assert problem(served.plants.post("/ingest/v1/enrol", json=body | change), status) == code
    assert enrol.listed(db) == []
    assert served.plants.post("/ingest/v1/enrol", json=body).status_code == 202


def test_a_token_lets_no_other_device_in(served, token, tmp_path, db):
    other = enrol.make_token(db, "potline-2", "hengkang")
    with pytest.raises(EnrolmentRefusedError, match="unknown, or its time is over"):
        ask(served, "potline-2." + token.partition(".")[2], tmp_path / "box")
    csr = client._certificate_request("potline-1", client.ec.generate_private_key(client.ec.SECP256R1()))
    body = {"token": other, "device": "potline-1", "csr_pem": csr, "signing_key": Device().public_key}
    assert problem(served.plants.post("/ingest/v1/enrol", json=body), 403) == "wrong_device"


def test_what_was_decided_is_for_the_owner_of_the_token_only(served, token, db, tmp_path):
    ask_in_vain(served, token, tmp_path / "box")
    other = enrol.make_token(db, "potline-2", "hengkang")
    for header in ({}, {"Authorization": f"Bearer {other}"}, {"Authorization": "Bearer x"}):
        assert problem(served.plants.get("/ingest/v1/enrol/1", headers=header), 403) == "bad_token"
    assert served.plants.get("/ingest/v1/enrol/1", headers={"Authorization": f"Bearer {token}"}).status_code == 202


def test_a_refusal_reaches_the_device_with_its_reason(served, token, operate, db, tmp_path):
    ask_in_vain(served, token, tmp_path / "box")
    operate("reject", 1, "--reason", "the key id is another one")
    with pytest.raises(EnrolmentRefusedError, match="the key id is another one"):
        ask(served, token, tmp_path / "box")
    assert "rejected" in operate("list", "--all")
    assert "was rejected before" in operate("reject", 1, code=1)
    assert db.execute("SELECT count(*) FROM telemetry.device").fetchone() == (0,)


def test_a_token_ends(served, token, operate, db, tmp_path):
    operate("reject", 1)
    with pytest.raises(EnrolmentRefusedError, match="its time is over"):
        ask(served, token, tmp_path / "box")
    late = enrol.make_token(db, "potline-2", "hengkang")
    db.execute("UPDATE telemetry.enrolment SET expires_at = now() - interval '1 second'")
    with pytest.raises(EnrolmentRefusedError, match="its time is over"):
        ask(served, late, tmp_path / "box")


def test_approval_wants_the_authoritys_certificate_for_this_device_and_key(
    served, token, operate, authority, tmp_path, db
):
    assert "nobody has used" in operate("csr", 1, "--out", tmp_path / "x", code=1)
    ask_in_vain(served, token, tmp_path / "box")
    csr = (enrol.get(db, 1).csr or "").encode()
    ca = (authority.folder / "ca.pem").read_text()
    other = Authority.create(tmp_path / "other", "Another")
    wrong = {
        "not a certificate of this authority": other.sign(csr, "potline-1"),
        "for another key": authority.client("potline-1"),
        "does not name potline-1": authority.sign(csr, "potline-2"),
    }
    for message, path in wrong.items():
        with pytest.raises(IngestError, match=message):
            enrol.approve(db, 1, certificate=path.read_text(), ca=ca)
    assert db.execute("SELECT count(*) FROM telemetry.device").fetchone() == (0,)
    authority.revoke("potline-1")
    approve(operate, authority, tmp_path)
    assert "was approved before" in operate(
        "approve", 1, "--certificate", authority.folder / "ca.pem", "--ca", authority.folder / "ca.pem", code=1
    )


def test_a_device_that_lost_its_keys_enrols_again_and_keeps_its_name(served, db, operate, authority, tmp_path):
    register.enroll(db, "potline-1", Device().public_key, "hengkang")
    ask_in_vain(served, enrol.make_token(db, "potline-1", "hengkang"), tmp_path / "box")
    approve(operate, authority, tmp_path)
    assert db.execute("SELECT count(*) FROM telemetry.device_key WHERE device = 'potline-1'").fetchone() == (2,)


def test_a_token_never_travels_in_the_clear(tmp_path):
    with pytest.raises(ConfigError, match="write https://"):
        client.enrol(
            "http://ingest.example", "potline-1.x", tmp_path, ca_file=None, wait_s=0, report=lambda _text: None
        )


@pytest.mark.parametrize("token", ["", "potline-1", "potline-1.", ".secret", "Potline 1.secret"])
def test_what_is_no_token_is_said_before_anything_is_sent(token, tmp_path):
    with pytest.raises(ConfigError, match="this is not a token"):
        client.enrol("https://localhost:1", token, tmp_path, ca_file=None, wait_s=0, report=lambda _text: None)


def test_no_server_is_said_once_tried_again_and_then_said(tmp_path, monkeypatch):
    said: list[str] = []
    asked: list[float] = []
    pause = time.sleep
    monkeypatch.setattr(client.time, "sleep", lambda seconds: (asked.append(seconds), pause(seconds)))
    with pytest.raises(ConfigError, match=r"no answer.*the right address.*run the same command again"):
        client.enrol("http://127.0.0.1:9", "potline-1.x", tmp_path, ca_file=None, wait_s=1.5, report=said.append)
    assert len(asked) >= 2
    assert sum("trying again" in line for line in said) == 1
