"""`edge enroll` over TLS to a real ingest: who cannot be known is told nothing, and a person is told what to do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.pki.authority import Authority
from edge_agent.cli import edge
from ingest import enrol
from ingest.cli import ingest
from ingest.config import IngestConfig, Listen
from tests.ingest.test_tls import INGEST_KEY, running
from verification import keys


@pytest.fixture(params=["timescale"])
def migrated(request, template):
    """One tier: enrolment has nothing to do with readings."""
    server, name = template(request.param)
    yield server.create_database("enrolment_tls", template=name)
    server.drop_database("enrolment_tls")


@pytest.fixture
def pki(tmp_path: Path) -> Authority:
    """The platform's authority, with a certificate for this machine and one for another."""
    made = Authority.create(tmp_path / "pki", "Platform")
    made.server("server", ["127.0.0.1"])
    made.server("elsewhere", ["ingest.example"])
    return made


@pytest.fixture
def serve(migrated: str, pki: Authority) -> Iterator[object]:
    """Serves ingest with a certificate of the authority's folder, gives its address; ends with the test."""
    opened = ExitStack()

    def with_certificate(name: str = "server", client_ca: Path | None = None) -> str:
        where = Listen("127.0.0.1", 0, pki.folder / f"{name}.pem", pki.folder / f"{name}.key", client_ca)
        (address,) = opened.enter_context(running(IngestConfig(migrated, INGEST_KEY, http=where)))
        return address

    with opened:
        yield with_certificate


@pytest.fixture
def token(db) -> str:
    return enrol.make_token(db, "potline-1", "hengkang")


def enroll(url: str, token: str, box: Path, *words: object, code: int) -> str:
    """The command, which must not wait long for an operator who is not there; what it said."""
    typed = ["enroll", url, "--token", token, "--out", box, "--wait", 0, *words]
    done = CliRunner().invoke(edge, [str(word) for word in typed])
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def operate(db_url: str, *words: object) -> None:
    done = CliRunner().invoke(ingest, ["enrolment", *map(str, words), "--db", db_url])
    assert done.exit_code == 0, done.output


def test_a_server_of_the_named_authority_lets_the_device_in(serve, pki, migrated, token, tmp_path):
    url, trust = serve(), ("--ca-file", pki.folder / "ca.pem")
    assert "was not approved yet" in enroll(url, token, tmp_path / "box", *trust, code=64)
    operate(migrated, "csr", 1, "--out", tmp_path / "device.csr")
    certificate = pki.sign((tmp_path / "device.csr").read_bytes(), "potline-1")
    operate(migrated, "approve", 1, "--certificate", certificate, "--ca", pki.folder / "ca.pem")
    said = enroll(url, token, tmp_path / "box", *trust, code=0)
    assert "potline-1 is enrolled" in said
    assert keys.public_text(INGEST_KEY) in said
    assert (tmp_path / "box" / "tls.pem").read_text() == certificate.read_text()


def test_without_its_authority_a_private_certificate_is_refused_with_where_to_get_it(serve, token, db, tmp_path):
    said = enroll(serve(), token, tmp_path / "box", "--wait", 600, code=64)  # at once: waiting would mend nothing
    assert "the server's certificate is not trusted" in said
    assert "get its authority's file (ca.pem) from the operator and name it: --ca-file FILE" in said
    assert enrol.listed(db) == []


def test_another_authority_than_the_servers_is_named_as_the_wrong_one(serve, token, db, tmp_path):
    other = Authority.create(tmp_path / "other", "Somebody").folder / "ca.pem"
    said = enroll(serve(), token, tmp_path / "box", "--ca-file", other, code=64)
    assert f"{other} is not the authority that signed it; get the right one from the operator" in said
    assert enrol.listed(db) == []


def test_a_certificate_for_another_name_is_refused(serve, pki, token, db, tmp_path):
    said = enroll(serve("elsewhere"), token, tmp_path / "box", "--ca-file", pki.folder / "ca.pem", code=64)
    assert "write the address as the certificate names the server" in said
    assert enrol.listed(db) == []


@pytest.mark.parametrize("days_off", [-2_000, 2_000])
def test_a_certificate_that_does_not_count_now_asks_for_the_clock(serve, pki, token, db, tmp_path, days_off):
    """A box whose clock was never set sees every certificate like this."""
    then = dt.datetime.now(dt.UTC) + dt.timedelta(days=days_off)
    Authority(pki.folder, clock=lambda: then).server("off", ["127.0.0.1"])
    said = enroll(serve("off"), token, tmp_path / "box", "--ca-file", pki.folder / "ca.pem", code=64)
    assert "is this machine's clock right?" in said
    assert enrol.listed(db) == []


def test_an_address_that_wants_a_certificate_already_is_said_to_be_the_wrong_one(serve, pki, token, db, tmp_path):
    ca = pki.folder / "ca.pem"
    said = enroll(serve(client_ca=ca), token, tmp_path / "box", "--ca-file", ca, code=64)
    assert "o get one, enrol at an address that asks for none" in said
    assert enrol.listed(db) == []


def test_https_to_a_port_without_tls_is_said(migrated, token, tmp_path):
    with running(IngestConfig(migrated, INGEST_KEY, http=Listen("127.0.0.1", 0))) as (address,):
        said = enroll(address.replace("http:", "https:"), token, tmp_path / "box", "--wait", 600, code=64)
    assert "the server speaks no TLS there" in said


@pytest.mark.parametrize("content", [None, "junk"])
def test_a_file_that_is_no_authority_is_said_before_anything_is_sent(token, tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    said = enroll("https://127.0.0.1:1", token, tmp_path / "box", "--ca-file", file, code=64)
    assert f"{file}: cannot be used to know the server by" in said


def test_plain_http_is_refused_unless_it_stays_on_this_machine(token, tmp_path):
    for url in ("http://ingest.example", "http://10.0.0.1:8080"):
        said = enroll(url, token, tmp_path / "box", code=64)
        assert f"{url}: the token would be readable on its way; write https://" in said
    said = enroll("http://127.0.0.1:9", token, tmp_path / "box", code=64)
    assert "no answer" in said  # it was tried


def test_http_to_a_port_with_tls_is_said(serve, token, tmp_path):
    said = enroll(serve().replace("https:", "http:"), token, tmp_path / "box", code=64)
    assert "Does it speak TLS? Then write https://. Nothing is lost" in said
