"""Asks the platform to let this device in, with an operator's one-time token; can be broken off and repeated anywhere.

The keys are made here and stay here: `edge.key` signs batches, `tls.key` opens connections; both with mode 0600. Sent
are a request for a certificate and the public signing key. Once the operator has approved, the certificate, the
authority's and the key of ingest are written beside them, the certificate last: with it there, all is there. The keys
on disk are all that is remembered in between, because the platform knows the same request again by its keys.

Over https only, except to this machine itself: the token must not be read on its way. A server that cannot be trusted
is told at once and sent nothing: waiting mends no certificate.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_agent import tls
from edge_agent.backoff import Backoff
from edge_agent.config.base import is_loopback
from edge_agent.identity.keystore import sync_folder
from verification import keys
from verification.errors import ConfigError, RetroProofError
from verification.model import DEVICE_ID

SIGNING_KEY, TLS_KEY, CERTIFICATE, CA, INGEST_KEY = "edge.key", "tls.key", "tls.pem", "ca.pem", "ingest.pub"
TIMEOUT_S = 20.0
POLL_S = 5.0
APPROVED, PENDING = 200, 202
FIRST_SERVER_ERROR = 500
# What it may mean that a server goes away without a word, by how it was addressed.
HUNG_UP = {
    "http": "Does it speak TLS? Then write https://",
    "https": f"Does it want a certificate of this device? {tls.HOW_TO_GET_ONE.capitalize()}",
}


class EnrolmentRefusedError(RetroProofError):
    """The platform will not let this device in; says why and what to do."""


class _Unreachable(Exception):  # noqa: N818 - tried again, not shown as it is
    """No answer, or one that says to come again."""


@dataclass(frozen=True, slots=True)
class _Platform:
    """Who is asked; `ca_file` is the authority by which it is known, None for the public ones."""

    client: httpx.Client
    ca_file: Path | None

    def ask(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - httpx's own
        """One request.

        Raises _Unreachable where it is worth trying again, EnrolmentRefusedError for a no, and ConfigError where nobody
        is there with whom to enrol.
        """
        url = self.client.base_url
        try:
            answer = self.client.request(method, path, **options)
            said = answer.json() if answer.content else {}
        except httpx.TransportError as err:
            if problem := tls.explained(err, ca_file=self.ca_file, option="--ca-file FILE"):
                raise ConfigError(f"{url}: {problem}") from err
            reason = f"no answer: {str(err) or type(err).__name__}".rstrip(".")
            if isinstance(err, httpx.RemoteProtocolError | httpx.ReadError):
                reason += f". {HUNG_UP[url.scheme]}"
            elif isinstance(err, httpx.ConnectError | httpx.ConnectTimeout):
                reason += f". Is {url} the right address, does a firewall stand between?"
            raise _Unreachable(reason) from err
        except (ValueError, httpx.DecodingError) as err:
            raise self._is_not_ingest() from err
        if answer.status_code in (APPROVED, PENDING):
            if not (isinstance(said, dict) and isinstance(said.get("request"), int)):
                raise self._is_not_ingest()
            return answer.status_code, said
        detail = f"{said.get('detail', '')}: {said.get('next', '')}" if isinstance(said, dict) else ""
        if answer.status_code >= FIRST_SERVER_ERROR:
            raise _Unreachable(f"the platform is busy ({answer.status_code}) {detail}".rstrip(": "))
        raise EnrolmentRefusedError(f"refused ({answer.status_code}): {detail}".rstrip(": "))

    def _is_not_ingest(self) -> ConfigError:
        return ConfigError(f"{self.client.base_url} does not answer as ingest does; is the address right?")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the device is now known by."""

    device: str
    key_id: str
    ingest_key: str


Report = Callable[[str], None]


def enrol(url: str, token: str, folder: Path, *, ca_file: Path | None, wait_s: float, report: Report) -> Enrolled:
    """Enrol the device that `token` names, waiting at most `wait_s` for the operator; `report` is told of each step.

    Raises EnrolmentRefusedError, or ConfigError for what can be mended here.
    """
    device = device_of(token)
    folder.mkdir(parents=True, exist_ok=True)
    signing_key, tls_key = _signing_key(folder / SIGNING_KEY), _tls_key(folder / TLS_KEY)
    key_id = keys.key_id(signing_key).hex()
    report(f"device {device}, signing key id {key_id} (read it to the operator, who sees the same)")
    body = {
        "token": token,
        "device": device,
        "csr_pem": _certificate_request(device, tls_key),
        "signing_key": keys.public_text(signing_key),
    }
    with _client(url, ca_file) as client:
        given = _until_decided(_Platform(client, ca_file), token, body, wait_s, report)
    _check(given, device, tls_key)
    for name, text in ((CA, "ca_pem"), (INGEST_KEY, "ingest_key"), (CERTIFICATE, "certificate_pem")):
        _write(folder / name, given[text].strip() + "\n")
    return Enrolled(device, key_id, given["ingest_key"])


def device_of(token: str) -> str:
    """The device that a token names. Raises ConfigError."""
    device, dot, secret = token.partition(".")
    if not (dot and secret and DEVICE_ID.fullmatch(device)):
        raise ConfigError("this is not a token; one looks like hengkang-potline-1.AbC... and comes from the operator")
    return device


def _until_decided(
    platform: _Platform, token: str, body: dict[str, str], wait_s: float, report: Report
) -> dict[str, str]:
    """Ask, then look again and again until the operator has decided. Raises ConfigError when `wait_s` is over."""
    deadline_s = time.monotonic() + wait_s
    backoff = Backoff(1.0, POLL_S)
    number: int | None = None
    told = ""  # each problem is told once, until there is another one or an answer in between
    while True:
        try:
            if number is None:
                status, said = platform.ask("POST", "/ingest/v1/enrol", json=body)
                number = said["request"]
                report(f"request {number} was received; it waits for the operator: retroproof ingest enrolment list")
            else:
                login = {"Authorization": f"Bearer {token}"}
                status, said = platform.ask("GET", f"/ingest/v1/enrol/{number}", headers=login)
            backoff.reset()
            told = ""
            if status == APPROVED:
                return said
            problem = f"request {number} was not approved yet"
        except _Unreachable as err:
            problem = str(err)
            if problem != told:
                report(f"{problem}; trying again until {wait_s:g} s have passed")
            told = problem
        if time.monotonic() >= deadline_s:
            raise ConfigError(f"{problem}. Nothing is lost: run the same command again, it goes on from here")
        time.sleep(min(backoff.next_s(), max(0.0, deadline_s - time.monotonic())))


def _client(url: str, ca_file: Path | None) -> httpx.Client:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        parts, usable = urlsplit(""), False
    if not usable:
        raise ConfigError(f"{url!r} is not the address of ingest; write https://ingest.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ConfigError(f"{url}: the token would be readable on its way; write https://")
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as err:
        raise ConfigError(f"{ca_file}: cannot be used to know the server by: {err}") from err
    return httpx.Client(base_url=url, verify=context, timeout=TIMEOUT_S)


def _signing_key(path: Path) -> Any:  # noqa: ANN401 - Ed25519PrivateKey, which the type checker knows from both
    return keys.load_private(path) if path.exists() else keys.generate(path)


def _tls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of the device's certificate: P-256, which every broker's TLS takes."""
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(path, pem.decode())
        return key
    try:
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as err:
        raise ConfigError(f"{path}: not a readable private key: {err}") from err
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path}: holds another kind of key; move it away and run this again")
    return loaded


def _certificate_request(device: str, key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _check(given: dict[str, Any], device: str, tls_key: ec.EllipticCurvePrivateKey) -> None:
    """Whether what came is complete and for us. Raises ConfigError."""
    try:
        certificate = x509.load_pem_x509_certificate(given["certificate_pem"].encode())
        authority = x509.load_pem_x509_certificate(given["ca_pem"].encode())
        certificate.verify_directly_issued_by(authority)
        keys.parse_public(given["ingest_key"])
    except Exception as err:
        raise ConfigError(f"the platform sent what cannot be used ({err!r}); tell the operator") from err
    if certificate.public_key() != tls_key.public_key():
        raise ConfigError("the platform sent a certificate for another key; tell the operator")
    names = [one.value for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [device]:
        raise ConfigError(f"the platform sent a certificate for {names}, not for {device}; tell the operator")


def _write(path: Path, text: str) -> None:
    """Put a whole file in place, readable by its owner only, durably."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
