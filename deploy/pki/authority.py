"""Makes the authority, certificates for servers and devices, and the list of revoked ones, on `cryptography`.

One folder holds it all: `ca.pem`, `ca.key`, `crl.pem`, and `NAME.pem`, `NAME.key` for each certificate made here. Keep
the folder off the servers; they need only `ca.pem`, `crl.pem` and their own two files. A device whose key must never
leave it sends a signing request, and only its certificate is made. TLS keys are apart from the Ed25519 keys that sign
batches: a stolen certificate can reach the broker, but cannot make evidence.

Does not handle: intermediate authorities, OCSP, hardware keys. A city that has an authority of its own uses that one.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.errors import DeployError

CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # a device's id, which stands in topics and access patterns
CA_DAYS, LEAF_DAYS = 3650, 825
# A new certificate counts from a little before now, because the clock of an edge box may be behind.
BACKDATE = dt.timedelta(days=1)

Clock = Callable[[], dt.datetime]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Authority:
    """The authority in `folder`; make one with `create`. Every method leaves whole files or none."""

    def __init__(self, folder: Path, *, clock: Clock = _now) -> None:
        self.folder = folder
        self._clock = clock
        try:
            self._certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
        except (OSError, ValueError) as err:
            raise DeployError(f"{folder} holds no authority ({err}); make one with: retroproof pki init") from err
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise DeployError(f"{folder / 'ca.key'} is not an elliptic-curve key; make one with: retroproof pki init")
        self._key = key

    @classmethod
    def create(cls, folder: Path, name: str, *, clock: Clock = _now) -> Authority:
        """A new authority called `name`, with an empty list of revoked certificates. Never replaces one."""
        if (folder / "ca.key").exists():
            raise DeployError(f"{folder} has an authority already; a second one would lock every device out")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        usage = _key_usage(digital_signature=False, key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(subject, subject, key.public_key(), clock(), CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        _write(folder / "ca.key", _private(key), 0o600)
        made = cls(folder, clock=clock)
        made._write_revoked([])
        return made

    def server(self, name: str, hosts: Sequence[str]) -> Path:
        """A key and a certificate for a server that is reached as one of `hosts` (names or addresses)."""
        if not hosts:
            raise DeployError("Say under which names or addresses the server is reached: --host broker.example.cn")
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        return self._issue(name, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, name: str) -> Path:
        """A key and a certificate for a device, or for `ingest`; the common name is what the broker knows it by."""
        return self._issue(_client_name(name), ExtendedKeyUsageOID.CLIENT_AUTH)

    def sign(self, request: bytes, name: str) -> Path:
        """A certificate for the key in a PEM signing request; of the request's own wishes only the key is taken."""
        try:
            asked = x509.load_pem_x509_csr(request)
        except ValueError as err:
            raise DeployError(f"This is no PEM certificate signing request: {err}") from err
        if not asked.is_signature_valid:
            raise DeployError("The request is not signed by its own key; let the device make it anew")
        key = asked.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise DeployError("The request's key must be an elliptic-curve key, such as P-256")
        path = self._path(_client_name(name), "pem")
        _write(path, self._certify(name, key, ExtendedKeyUsageOID.CLIENT_AUTH), 0o644)
        return path

    def revoke(self, name: str) -> Path:
        """Put NAME.pem on the list that brokers refuse by; give brokers the new list and have them reload it."""
        path = self.folder / f"{name}.pem"
        if name == "ca" or not path.is_file():
            raise DeployError(f"There is no {path} to revoke")
        serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
        revoked = list(x509.load_pem_x509_crl((self.folder / "crl.pem").read_bytes()))
        if any(entry.serial_number == serial for entry in revoked):
            raise DeployError(f"{path} was revoked before")
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self._clock()).build()
        self._write_revoked([*revoked, entry])
        path.rename(path.with_suffix(f".{serial:x}.revoked"))  # so that the name can have a new certificate
        return self.folder / "crl.pem"

    def _issue(self, name: str, usage: x509.ObjectIdentifier, *extensions: x509.ExtensionType) -> Path:
        path = self._path(name, "pem")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(name, key.public_key(), usage, *extensions)
        _write(path.with_suffix(".key"), _private(key), 0o600)
        _write(path, certificate, 0o644)
        return path

    def _certify(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        usage: x509.ObjectIdentifier,
        *extensions: x509.ExtensionType,
    ) -> bytes:
        builder = (
            _builder(_name(name), self._certificate.subject, key, self._clock(), LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True, key_cert_sign=False, crl_sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _path(self, name: str, suffix: str) -> Path:
        path = self.folder / f"{name}.{suffix}"
        if name == "ca" or path.exists():
            raise DeployError(f"{path} is there already; revoke it first: retroproof pki revoke {name}")
        return path

    def _write_revoked(self, revoked: Sequence[x509.RevokedCertificate]) -> None:
        """The list counts as long as the authority does: OpenSSL refuses everyone once a list has run out."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(self._clock() - BACKDATE)
            .next_update(self._certificate.not_valid_after_utc)
        )
        for entry in revoked:
            builder = builder.add_revoked_certificate(entry)
        signed = builder.sign(self._key, hashes.SHA256())
        _write(self.folder / "crl.pem", signed.public_bytes(serialization.Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _key_usage(*, digital_signature: bool, key_cert_sign: bool, crl_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _client_name(name: str) -> str:
    if not CLIENT_NAME.fullmatch(name):
        raise DeployError(f"{name!r} cannot name a device: a-z, 0-9 and -, at most 63 characters")
    return name


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Replace `path`, with its mode from the first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
