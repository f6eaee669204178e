"""`edge browse`, `init` and `check-config` with protection and a login, on node-opcua: a refusal says how to go on."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from edge_agent.cli import edge
from edge_agent.config.opcua import OpcUaSourceConfig
from edge_agent.sources.opcua.security import Folder, make_own_certificate
from tests.edge_agent.support import NodeOpcUa
from verification import keys

SIGNED = ("--security", "Basic256Sha256/SignAndEncrypt")
LOGIN = ("--user", "reader", "--password-file", "plc.password")
KNOWN = ("--device", "box-1", "--ingest-key", "ed25519:" + "00" * 31 + "01", "--uplink", "https://ingest.example")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeOpcUa]:
    """Offers one encrypted endpoint and wants a login."""
    folder = tmp_path_factory.mktemp("secure")
    made = NodeOpcUa(folder, policies=["Basic256Sha256"], modes=["SignAndEncrypt"], anonymous=False).start()
    made.tell(add=[{"name": "energy", "type": "Double", "value": 12.5}])
    yield made
    made.kill()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeOpcUa]:
    """Offers no protection at all."""
    made = NodeOpcUa(tmp_path_factory.mktemp("open")).start()
    yield made
    made.kill()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an edge box, with the password of `reader`."""
    (tmp_path / "plc.password").write_text("letmein\n")
    (tmp_path / "plc.password").chmod(0o600)
    keys.generate(tmp_path / "edge.key")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object, code: int = 0) -> str:
    done = CliRunner().invoke(edge, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


def trust(server: NodeOpcUa, *words: object) -> None:
    """Be refused, and do exactly what the message says."""
    said = run("browse", server.url, *SIGNED, *words, code=64)
    command = re.search(r"if they agree: (mv \S+ \S+)", said)
    assert command, said
    subprocess.run(shlex.split(command[1]), check=True)


def test_a_server_is_browsed_once_a_person_trusts_it_and_not_before(server, box):
    said = run("browse", server.url, *SIGNED, *LOGIN, code=64)
    assert re.search(r"certificate is not trusted: .*sha256:[0-9a-f]{64}. Compare this fingerprint", said)
    assert "energy" not in said
    trust(server, *LOGIN)
    assert "ns=1;s=energy" in run("browse", server.url, *SIGNED, *LOGIN)
    assert sorted(path.name for path in (box / "opcua").iterdir()) == ["own.der", "own.pem", "rejected", "trusted"]


def test_a_wrong_password_is_said_to_be_one_and_no_fault_of_the_network(server, box):
    trust(server, *LOGIN)
    (box / "plc.password").write_text("guessed\n")
    said = run("browse", server.url, *SIGNED, *LOGIN, code=64)
    assert "the server does not let reader log in" in said
    assert "a slip in user and in the password" in said
    assert "firewall" not in said
    assert "guessed" not in said


@pytest.mark.usefixtures("box")
def test_a_server_that_wants_a_login_says_which(server):
    trust(server)
    assert re.search(
        r"takes no Anonymous login here; it takes: .*UserName", run("browse", server.url, *SIGNED, code=64)
    )


BY_CERTIFICATE = ("--user-cert", "user.der", "--user-key", "user.pem")


def make_user(box: Path) -> None:
    """The certificate and the key of somebody who logs in by them."""
    files = Folder.of(OpcUaSourceConfig(opcua="opc.tcp://h:1", points={}), box)
    files = files._replace(own_certificate=box / "user.der", own_key=box / "user.pem")
    make_own_certificate(files, "urn:retroproof:reader")


def test_a_certificate_of_the_user_logs_in(server, box):
    make_user(box)
    trust(server, *BY_CERTIFICATE)
    run("init", server.url, *SIGNED, *BY_CERTIFICATE, *KNOWN, "--search", "energy", "--all", "--out", "edge.yaml")
    source = yaml.safe_load((box / "edge.yaml").read_text())["sources"]["line"]
    assert (source["user_cert"], source["user_key"]) == ("user.der", "user.pem")


def test_a_certificate_of_a_user_whom_the_server_does_not_know_is_refused(box):
    make_user(box)
    options = {"policies": ["Basic256Sha256"], "modes": ["SignAndEncrypt"], "trust_users": False}
    wary = NodeOpcUa(box, **options).start()
    try:
        trust(wary, *BY_CERTIFICATE)
        said = run("browse", wary.url, *SIGNED, *BY_CERTIFICATE, code=64)
        assert "the server does not let the owner of user_cert log in (BadIdentityTokenRejected)" in said
    finally:
        wary.kill()


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize("security", ["None", "Basic256Sha256/Sign", "Aes256Sha256RsaPss/SignAndEncrypt"])
def test_what_the_server_does_not_offer_is_not_replaced_by_what_it_offers(server, security):
    said = run("browse", server.url, "--security", security, *LOGIN, code=64)
    assert f"the server does not offer {security}; it offers: Basic256Sha256/SignAndEncrypt" in said


def test_protection_is_never_given_up_for_a_server_that_has_none(open_server, box):
    for command in (("browse", open_server.url), ("init", open_server.url, *KNOWN, "--all")):
        said = run(*command, *SIGNED, *LOGIN, code=64)
        assert "the server does not offer Basic256Sha256/SignAndEncrypt; it offers: None" in said
    assert not (box / "edge.yaml").exists()


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--security", "Basic256/Sign"), "is not a security; write None to read without protection, or one of"),
        ((*SIGNED, "--user", "reader"), "user and password_file go together"),
        (
            (*SIGNED, "--user", "reader", "--password-file", "nowhere"),
            "nowhere: is not there; write the password on its first line",
        ),
        ((*SIGNED, "--user-cert", "nowhere", "--user-key", "nowhere"), "there is no file nowhere"),
        ((*SIGNED, *LOGIN, "--user-cert", "plc.password", "--user-key", "plc.password"), "not with both"),
    ],
)
def test_a_slip_in_the_options_is_said_before_anything_is_sent(words, message):
    assert message in run("browse", "opc.tcp://127.0.0.1:9", *words, code=64)


def test_a_password_that_others_can_read_is_not_used(server, box):
    (box / "plc.password").chmod(0o644)
    assert "chmod 600 plc.password" in run("browse", server.url, *SIGNED, *LOGIN, code=64)


def test_init_writes_how_the_server_was_reached_so_that_the_agent_reaches_it_too(server, box):
    trust(server, *LOGIN)
    said = run("init", server.url, *SIGNED, *LOGIN, *KNOWN, "--pick", "ns=1;s=energy")
    assert "1 points" in said
    source = yaml.safe_load((box / "edge.yaml").read_text())["sources"]["line"]
    assert (source["security"], source["user"]) == (SIGNED[1], "reader")
    assert Path(source["password_file"]) == Path("plc.password")
    assert "letmein" not in (box / "edge.yaml").read_text()
    (box / "edge.yaml").write_text((box / "edge.yaml").read_text().replace('unit: ""', "unit: kWh"))
    shown = run("check-config", "edge.yaml", "--connect", code=1)  # the way to ingest leads nowhere
    assert "1 of 1 points can be used; 0 of 1 ways are open" in shown, shown
    (box / "plc.password").write_text("guessed\n")
    assert "PROBLEM: line.energy: " in run("check-config", "edge.yaml", "--connect", code=1)


def test_a_file_in_another_folder_names_the_login_from_there_and_trusts_by_its_own_folder(server, box):
    (box / "agent").mkdir()
    words = ("init", server.url, *SIGNED, *LOGIN, *KNOWN, "--pick", "ns=1;s=energy", "--out", "agent/edge.yaml")
    command = re.search(r"if they agree: (mv \S+ \S+)", run(*words, code=64))
    assert command
    subprocess.run(shlex.split(command[1]), check=True)
    run(*words)
    source = yaml.safe_load((box / "agent" / "edge.yaml").read_text())["sources"]["line"]
    assert Path(source["password_file"]) == box / "plc.password"
    assert (box / "agent" / "opcua" / "own.der").exists()
    assert not (box / "opcua").exists()
