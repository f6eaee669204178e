"""Certificates, and the production broker that goes by them: everyone is who their certificate says, and no more."""

from __future__ import annotations

import datetime as dt
import itertools
import queue
import socket
import ssl
import stat

import paho.mqtt.client as mqtt
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from deploy.local.errors import DeployError
from deploy.pki.authority import Authority
from deploy.pki.cli import pki

WAIT_S = 10
NOT_AUTHORIZED = 0x87
_numbers = itertools.count(1)


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def request(name="asked", key=None):
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return key, asked.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def names(authority):
    """Makes a client certificate under a fresh name; the session's authority is shared."""

    def make(stem):
        name = f"{stem}-{next(_numbers)}"
        authority.client(name)
        return name

    return make


class Peer:
    """A paho client with the certificate of `name`, which may claim to be `claim`."""

    def __init__(self, broker, folder, name, *, claim=None):
        self.answers, self.messages = queue.Queue(), queue.Queue()
        self._mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._mqtt.tls_set(folder / "ca.pem", *([folder / f"{name}.pem", folder / f"{name}.key"] if name else []))
        if claim:
            self._mqtt.username_pw_set(claim, "x")
        self._mqtt.on_connect = lambda _c, _u, _f, reason, _p: self.answers.put(reason.value)
        self._mqtt.on_subscribe = lambda _c, _u, _m, reasons, _p: self.answers.put(reasons[0].value)
        self._mqtt.on_publish = lambda _c, _u, _m, reason, _p: self.answers.put(reason.value)
        self._mqtt.on_message = lambda _c, _u, message: self.messages.put((message.topic, message.payload))
        self._mqtt.connect(broker.host, broker.port)
        self._mqtt.loop_start()

    def __enter__(self):
        assert self.answers.get(timeout=WAIT_S) == 0
        return self

    def __exit__(self, *_):
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def publish(self, topic, payload=b"x"):
        self._mqtt.publish(topic, payload, qos=1)
        return self.answers.get(timeout=WAIT_S)

    def subscribe(self, topic):
        self._mqtt.subscribe(topic, qos=1)
        return self.answers.get(timeout=WAIT_S)


def refused(broker, folder, name):
    """Whether the broker ends the connection; TLS 1.3 tells a client only when it first reads."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    with (
        socket.create_connection((broker.host, broker.port), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname=broker.host) as wrapped,
    ):
        try:
            wrapped.sendall(b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00")
            return wrapped.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


def test_two_devices_and_ingest_each_have_their_own_topics_and_no_others(authority, mtls_broker, names):
    a, b = names("device"), names("device")
    if not (authority.folder / "ingest.pem").exists():
        authority.client("ingest")
    with (
        Peer(mtls_broker, authority.folder, "ingest") as ingest,
        Peer(mtls_broker, authority.folder, a) as device_a,
        Peer(mtls_broker, authority.folder, b) as device_b,
    ):
        assert ingest.subscribe("$share/ingest/plant/+/batch") == 1
        assert device_a.publish(f"plant/{a}/batch", b"ours") == 0
        assert ingest.messages.get(timeout=WAIT_S) == (f"plant/{a}/batch", b"ours")
        assert device_a.publish(f"plant/{b}/batch") == NOT_AUTHORIZED
        assert device_a.publish(f"ack/{a}/1") == NOT_AUTHORIZED
        device_b.subscribe("ack/#")
        device_b.subscribe(f"ack/{a}/#")
        assert device_a.subscribe(f"ack/{a}/#") == 1
        assert ingest.publish(f"ack/{a}/1", b"for a") == 0
        assert ingest.publish(f"ack/{b}/1", b"for b") == 0
        assert device_a.messages.get(timeout=WAIT_S) == (f"ack/{a}/1", b"for a")
        assert device_b.messages.get(timeout=WAIT_S) == (f"ack/{b}/1", b"for b")


def test_a_device_is_who_its_certificate_says_whatever_it_claims(authority, mtls_broker, names):
    a, b = names("device"), names("device")
    with Peer(mtls_broker, authority.folder, a, claim=b) as device:
        assert device.publish(f"plant/{b}/batch") == NOT_AUTHORIZED
        assert device.publish(f"plant/{a}/batch") in {0, 0x10}


def test_a_gateway_is_the_sparkplug_node_of_its_own_name(authority, mtls_broker, names):
    a, b = names("gateway"), names("gateway")
    with Peer(mtls_broker, authority.folder, a) as gateway:
        assert gateway.publish(f"spBv1.0/plant/NBIRTH/{a}") in {0, 0x10}
        assert gateway.publish(f"spBv1.0/plant/DDATA/{a}/meter") in {0, 0x10}
        assert gateway.publish(f"spBv1.0/plant/NBIRTH/{b}") == NOT_AUTHORIZED
        assert gateway.publish(f"spBv1.0/plant/NCMD/{b}") == NOT_AUTHORIZED
        assert gateway.publish("spBv1.0/STATE/retroproof") == NOT_AUTHORIZED


def test_without_a_certificate_or_with_one_of_another_authority_nobody_comes_in(authority, mtls_broker, tmp_path):
    assert refused(mtls_broker, authority.folder, None)
    stranger = Authority.create(tmp_path / "other", "Another authority")
    stranger.client("device")
    (stranger.folder / "ca.pem").write_bytes((authority.folder / "ca.pem").read_bytes())  # to trust our broker
    assert refused(mtls_broker, stranger.folder, "device")


def test_a_revoked_certificate_is_refused_and_its_name_can_have_a_new_one(authority, mtls_broker, names, tmp_path):
    name = names("device")
    kept = tmp_path / "kept"
    kept.mkdir()
    for file in ("ca.pem", f"{name}.pem", f"{name}.key"):
        (kept / file).write_bytes((authority.folder / file).read_bytes())
    assert not refused(mtls_broker, kept, name)
    authority.revoke(name)
    mtls_broker.reload()
    assert refused(mtls_broker, kept, name)
    authority.client(name)
    assert not refused(mtls_broker, authority.folder, name)


def test_a_request_gets_a_certificate_under_the_name_that_the_operator_gives(authority):
    key, asked = request("ingest")
    name = f"signed-{next(_numbers)}"
    made = load(authority.sign(asked, name))
    assert made.subject.rfc4514_string() == f"CN={name}"
    assert made.public_key() == key.public_key()
    made.verify_directly_issued_by(load(authority.folder / "ca.pem"))
    assert not (authority.folder / f"{name}.key").exists()


def test_a_request_that_was_tampered_with_is_refused(authority):
    _, asked = request()
    der = bytearray(x509.load_pem_x509_csr(asked).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    broken = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(DeployError, match="not signed by its own key"):
        authority.sign(broken, "device-x")
    with pytest.raises(DeployError, match="no PEM"):
        authority.sign(b"junk", "device-x")


def test_certificates_are_for_one_use_and_for_a_time(authority, names):
    client = load(authority.folder / f"{names('device')}.pem")
    server = load(authority.folder / "server.pem")
    uses = [
        [use._name for use in one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value]
        for one in (client, server)
    ]
    assert uses == [["clientAuth"], ["serverAuth"]]
    assert not client.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert client.not_valid_after_utc - client.not_valid_before_utc == dt.timedelta(days=826)


@pytest.mark.parametrize("name", ["", "a/b", "A", "a" * 64, "+", "../ca", "a b"])
def test_a_name_that_could_mean_another_topic_or_file_is_refused(authority, name):
    with pytest.raises(DeployError, match="cannot name a device"):
        authority.client(name)


def test_nothing_is_replaced_and_keys_are_private(tmp_path):
    folder = tmp_path / "pki"
    run = CliRunner()
    options = ["--folder", str(folder)]
    assert "no authority" in run.invoke(pki, ["client", "device", *options]).output
    assert run.invoke(pki, ["init", *options]).exit_code == 0
    assert "already" in run.invoke(pki, ["init", *options]).output
    assert run.invoke(pki, ["server", "broker", "--host", "broker.example.cn", *options]).exit_code == 0
    assert run.invoke(pki, ["client", "device", *options]).exit_code == 0
    assert "there already" in run.invoke(pki, ["client", "device", *options]).output
    assert run.invoke(pki, ["revoke", "device", *options]).exit_code == 0
    assert "to revoke" in run.invoke(pki, ["revoke", "device", *options]).output
    for key in folder.glob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
