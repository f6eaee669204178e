"""How the agent and an OPC UA server come to trust each other: default deny, and a way on in words; on node-opcua."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto.cert_gen import generate_private_key, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_agent.config.opcua import SECURITIES, OpcUaSourceConfig
from edge_agent.sources.opcua.connection import Connection
from edge_agent.sources.opcua.security import Folder, SecurityError, judge, make_own_certificate, secure
from tests.edge_agent.support import AgentProcess, NodeOpcUa, ticking_points, wait_for

POLICIES = ["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeOpcUa]:
    """Offers everything, to everyone."""
    folder = tmp_path_factory.mktemp("secure")
    made = NodeOpcUa(folder, policies=POLICIES, modes=["None", "Sign", "SignAndEncrypt"]).start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeOpcUa]:
    """Offers one endpoint, knows no client yet, and wants a login."""
    folder = tmp_path_factory.mktemp("strict")
    options = {"policies": ["Basic256Sha256"], "modes": ["SignAndEncrypt"], "anonymous": False, "trust_clients": False}
    made = NodeOpcUa(folder, **options).start()
    yield made
    made.kill()


def config(server: NodeOpcUa, security: str, **changes: str) -> OpcUaSourceConfig:
    return OpcUaSourceConfig(opcua=server.url, security=security, points={}, **changes)


def connect(wanted: OpcUaSourceConfig, folder: Path) -> str:
    """Connect, log in and leave; the policy of the channel that was used."""

    async def run() -> str:
        connection = Connection(wanted.opcua, "urn:retroproof:edge:test")
        try:
            await secure(connection, wanted, Folder.of(wanted, folder))
            await connection.begin_session()
            await connection.session.close_session(delete_subscriptions=True)
            return f"{type(connection.security_policy).__name__}/{connection.security_policy.Mode.name}"
        finally:
            connection.abort()

    return asyncio.run(run())


def trust(folder: Path) -> Path:
    """What the operator does with a rejected certificate that is the right one."""
    (kept,) = (folder / "rejected").iterdir()
    return Path(shutil.move(kept, folder / "trusted"))


@pytest.mark.parametrize("security", SECURITIES[1:])
def test_every_policy_and_mode_works_once_the_server_is_trusted_and_not_before(server, tmp_path, security):
    wanted = config(server, security)
    with pytest.raises(SecurityError, match=r"is not trusted: .*sha256:.* mv "):
        connect(wanted, tmp_path)
    trust(tmp_path)
    policy, mode = security.split("/")
    assert connect(wanted, tmp_path) == f"SecurityPolicy{policy}/{mode}"


def test_the_own_certificate_is_made_once_and_its_key_is_ours_alone(server, tmp_path):
    wanted = config(server, "Basic256Sha256/Sign")
    with pytest.raises(SecurityError):
        connect(wanted, tmp_path)
    trust(tmp_path)
    connect(wanted, tmp_path)
    made = (tmp_path / "own.der").read_bytes()
    assert (tmp_path / "own.pem").stat().st_mode & 0o077 == 0
    connect(wanted, tmp_path)
    assert (tmp_path / "own.der").read_bytes() == made
    names = x509.load_der_x509_certificate(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:retroproof:edge:test"]


def test_what_the_server_does_not_offer_is_refused_with_what_it_offers(strict_server, tmp_path):
    for security in ("None", "Aes256Sha256RsaPss/Sign"):
        with pytest.raises(SecurityError, match="it offers: Basic256Sha256/SignAndEncrypt"):
            connect(config(strict_server, security), tmp_path)


def test_a_pinned_fingerprint_admits_that_certificate_and_no_other(server, strict_server, tmp_path):
    with pytest.raises(SecurityError) as refused:
        connect(config(server, "Basic256Sha256/Sign"), tmp_path)
    fingerprint = next(word for word in str(refused.value).split() if word.startswith("sha256:")).rstrip(".")
    assert connect(config(server, "Basic256Sha256/Sign", server_fingerprint=fingerprint), tmp_path)
    with pytest.raises(SecurityError, match="not the one in server_fingerprint"):
        connect(config(strict_server, "Basic256Sha256/SignAndEncrypt", server_fingerprint=fingerprint), tmp_path)


def test_a_trust_folder_with_another_certificate_does_not_admit_the_server(server, tmp_path):
    wanted = config(server, "Basic256Sha256/Sign")
    (tmp_path / "trusted").mkdir()
    other = Folder.of(wanted, tmp_path)._replace(
        own_certificate=tmp_path / "trusted" / "other.der", own_key=tmp_path / "other.pem"
    )
    make_own_certificate(other, "urn:other")
    with pytest.raises(SecurityError, match="is not trusted"):
        connect(wanted, tmp_path)


def test_refused_certificates_do_not_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("edge_agent.sources.opcua.security.MAX_REJECTED", 2)
    wanted = OpcUaSourceConfig(opcua="opc.tcp://h:1", points={})
    shown = []
    for number in range(3):
        files = Folder.of(wanted, tmp_path)._replace(
            own_certificate=tmp_path / f"{number}.der", own_key=tmp_path / f"{number}.pem"
        )
        make_own_certificate(files, f"urn:server:{number}")
        shown.append(files.own_certificate.read_bytes())
        endpoint = ua.EndpointDescription(ServerCertificate=shown[-1])
        for _ in range(2):  # one that is shown again takes no second place
            with pytest.raises(SecurityError, match="is not trusted"):
                asyncio.run(judge(endpoint, "", Folder.of(wanted, tmp_path)))
    kept = sorted(path.read_bytes() for path in (tmp_path / "rejected").iterdir())
    assert kept == sorted(shown[1:])


def test_a_login_that_the_server_does_not_take_names_those_it_takes(strict_server, tmp_path):
    wanted = config(strict_server, "Basic256Sha256/SignAndEncrypt")
    with pytest.raises(SecurityError):
        connect(wanted, tmp_path)
    trust(tmp_path)
    with pytest.raises(SecurityError, match=r"takes no Anonymous login here; it takes: .*UserName"):
        connect(wanted, tmp_path)


def test_a_server_that_does_not_trust_us_is_told_by_which_certificate_to_know_us(strict_server, tmp_path):
    wanted = config(
        strict_server,
        "Basic256Sha256/SignAndEncrypt",
        user_cert=str(tmp_path / "own.der"),
        user_key=str(tmp_path / "own.pem"),
    )
    make_own_certificate(Folder.of(wanted, tmp_path), "urn:retroproof:edge:test")
    with pytest.raises(SecurityError):
        connect(wanted, tmp_path)
    trust(tmp_path)
    with pytest.raises(SecurityError, match=r"does not let us in .*own\.der, sha256:"):
        connect(wanted, tmp_path)


def agent_with(make_agent, server: NodeOpcUa, security: str, password: str) -> AgentProcess:
    """An agent that logs in as `reader`."""
    common = {"opcua": server.url, "sampling_ms": 0, "publishing_ms": 100, "points": ticking_points(1, 1)}
    login = {"security": security, "user": "reader", "password_file": "plc.password"}
    agent: AgentProcess = make_agent(sources={"line": common | login})
    (agent.folder / "plc.password").write_text(password + "\n")
    (agent.folder / "plc.password").chmod(0o600)
    return agent


def test_the_agent_reads_encrypted_with_a_password_and_resumes_after_a_kill(make_agent, server):
    """The whole way as an operator goes it: refused, trusted by hand, read; killed, and nothing lost."""
    server.tell(tick={"count": 1, "interval_ms": 100})
    agent = agent_with(make_agent, server, "Aes256Sha256RsaPss/SignAndEncrypt", "letmein")
    agent.ingest.start()
    agent.start()
    wait_for(lambda: "is not trusted" in agent.status().sources["line"].message, "the refusal shows in the status")
    trust(agent.folder / "opcua")
    wait_for(lambda: len(agent.ingest.rows()) > 3, "values come")
    agent.kill()
    agent.start()
    before = len(agent.ingest.rows())
    wait_for(lambda: len(agent.ingest.rows()) > before + 20, "values come again")
    count = server.tell(stop=True)["counted"]
    wait_for(lambda: agent.ingest.rows()[-1][2] == count, "the last value")
    seen = [int(value) for _, _, value in agent.ingest.rows()]
    assert seen == list(range(seen[0], count + 1))
    assert agent.ingest.gaps() == []


def test_a_wrong_password_is_said(make_agent, server):
    agent = agent_with(make_agent, server, "Basic256Sha256/SignAndEncrypt", "wrong")
    agent.start()
    wait_for(lambda: "is not trusted" in agent.status().sources["line"].message, "the refusal")
    trust(agent.folder / "opcua")
    wait_for(lambda: "does not let reader log in" in agent.status().sources["line"].message, "whose login is refused")


def test_an_x509_identity_logs_in(server, tmp_path):
    user = Folder.of(config(server, "None"), tmp_path)._replace(
        own_certificate=tmp_path / "user.der", own_key=tmp_path / "user.pem"
    )
    make_own_certificate(user, "urn:retroproof:reader")
    wanted = config(
        server,
        "Basic256Sha256/SignAndEncrypt",
        user_cert=str(tmp_path / "user.der"),
        user_key=str(tmp_path / "user.pem"),
    )
    with pytest.raises(SecurityError):
        connect(wanted, tmp_path)
    trust(tmp_path)
    assert connect(wanted, tmp_path)


def signed_by_an_authority(folder: Path) -> tuple[ua.EndpointDescription, x509.CertificateRevocationList]:
    """An endpoint whose certificate an authority in the trust folder has signed, and the list that revokes it."""
    now = datetime.now(UTC)
    authority_key, server_key = generate_private_key(), generate_private_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Plant authority")])
    uri = x509.UniformResourceIdentifier("urn:plant:server")
    authority = generate_self_signed_app_certificate(authority_key, "Plant authority", {}, [uri], [])
    (folder / "trusted").mkdir()
    (folder / "trusted" / "authority.der").write_bytes(authority.public_bytes(Encoding.DER))
    usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), True)
    other = dict.fromkeys(("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PLC")]))
        .issuer_name(authority.subject)
        .public_key(server_key.public_key())
        .serial_number(4711)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
        .add_extension(x509.KeyUsage(**usage, **other), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    revoked = x509.RevokedCertificateBuilder().serial_number(4711).revocation_date(now).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(now)
        .next_update(now + timedelta(days=1))
        .add_revoked_certificate(revoked)
        .sign(authority_key, hashes.SHA256())
    )
    server = ua.ApplicationDescription(ApplicationUri="urn:plant:server", ApplicationType=ua.ApplicationType.Server)
    return ua.EndpointDescription(ServerCertificate=certificate.public_bytes(Encoding.DER), Server=server), crl


def test_a_certificate_of_a_trusted_authority_is_trusted_until_it_is_revoked(tmp_path):
    endpoint, revocations = signed_by_an_authority(tmp_path)
    folder = Folder.of(OpcUaSourceConfig(opcua="opc.tcp://h:1", security="None", points={}), tmp_path)
    assert asyncio.run(judge(endpoint, "", folder)).serial_number == 4711
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "revoked.der").write_bytes(revocations.public_bytes(Encoding.DER))
    with pytest.raises(SecurityError, match="BadCertificateRevoked"):
        asyncio.run(judge(endpoint, "", folder))


def test_a_trusted_certificate_under_another_name_is_refused(tmp_path):
    endpoint, _ = signed_by_an_authority(tmp_path)
    endpoint.Server.ApplicationUri = "urn:somebody:else"
    folder = Folder.of(OpcUaSourceConfig(opcua="opc.tcp://h:1", security="None", points={}), tmp_path)
    with pytest.raises(SecurityError, match="BadCertificateUriInvalid"):
        asyncio.run(judge(endpoint, "", folder))
