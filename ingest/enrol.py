"""Enrolment: an operator hands out a one-time token, a device asks with it, an operator approves, the device fetches.

The token names its device, so that nobody has to type the id on the plant floor, and is kept as a hash only. The first
request takes it: the same keys may ask again, as often as a weak line needs, others never. Nothing that comes without a
good token is stored. Approval registers the signing key, and stores the TLS certificate that the operator's authority
made of the request (`retroproof pki sign`) once it is seen to be for this device and this key. The authority's own key
stays off the servers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ingest import register
from ingest.database import Connection, statement
from ingest.errors import IngestError
from verification import keys
from verification.errors import ConfigError

TOKEN_BYTES = 32
MAX_CSR_CHARS = 8_192
DEFAULT_LIFE = dt.timedelta(days=7)


class EnrolmentError(IngestError):
    """A request that is refused; `code` is stable, for the device's program."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One token and what became of it. requested_at is None until a device has asked."""

    id: int
    device: str
    enterprise: str
    expires_at: dt.datetime
    requested_at: dt.datetime | None
    signing_key: str | None
    csr: str | None
    approved: bool | None
    reason: str
    certificate: str | None
    ca: str | None

    @property
    def state(self) -> str:
        """`unused`, `pending`, `approved` or `rejected`."""
        if self.approved is not None:
            return "approved" if self.approved else "rejected"
        return "unused" if self.requested_at is None else "pending"


def make_token(conn: Connection, device: str, enterprise: str, *, life: dt.timedelta = DEFAULT_LIFE) -> str:
    """A token for `device`, shown once and kept as its hash. Raises IngestError."""
    register.check_id(device)
    token = f"{device}.{secrets.token_urlsafe(TOKEN_BYTES)}"
    values = {"hash": _hash(token), "device": device, "enterprise": enterprise, "life": life}
    conn.execute(statement("insert_token"), values)
    return token


def ask(conn: Connection, token: str, *, device: str, csr_pem: str, signing_key: str) -> Enrolment:
    """Take a device's request, or find it if it was taken before. Raises EnrolmentError."""
    signing_key = _checked_key(signing_key)
    # Only the request itself is kept: what stands before or after it in the text is nobody's business.
    csr_pem = _read_csr(csr_pem, device).public_bytes(Encoding.PEM).decode("ascii")
    with conn.transaction():
        held = _by_token(conn, token)
        if held.device != device:
            raise EnrolmentError("wrong_device", f"this token is for {held.device}, not for {device}")
        if held.requested_at is None:
            asked = {"id": held.id, "signing_key": signing_key, "csr": csr_pem}
            conn.execute(statement("take_token"), asked)
            return _by_token(conn, token)
        if held.signing_key != signing_key or not _same_key(held.csr or "", csr_pem):
            raise EnrolmentError("token_taken", "this token was used before with other keys; ask for a new one")
        return held


def look(conn: Connection, request_id: int, token: str) -> Enrolment:
    """What became of a request; only the owner of its token may ask. Raises EnrolmentError."""
    held = _by_token(conn, token)
    if held.id != request_id or held.requested_at is None:
        raise EnrolmentError("bad_token", "this token has no such request")
    return held


def listed(conn: Connection, *, everything: bool = False) -> list[Enrolment]:
    """The requests that wait for a decision, or every token; the oldest first."""
    return [Enrolment(*row) for row in conn.execute(statement("enrolments"), {"everything": everything})]


def get(conn: Connection, request_id: int) -> Enrolment:
    """One request, locked if inside a transaction. Raises IngestError."""
    row = conn.execute(statement("enrolment"), {"id": request_id}).fetchone()
    if row is None:
        raise IngestError(f"there is no enrolment {request_id}; see: retroproof ingest enrolment list")
    return Enrolment(*row)


def approve(conn: Connection, request_id: int, *, certificate: str, ca: str) -> Enrolment:
    """Register the device's signing key and give it its certificate (PEM). Raises IngestError, ConfigError."""
    with conn.transaction():
        held = _undecided(conn, request_id)
        _check_certificate(certificate, ca, held)
        register.enroll(conn, held.device, held.signing_key or "", held.enterprise)
        decision = {"id": request_id, "approved": True, "reason": "", "certificate": certificate, "ca": ca}
        conn.execute(statement("decide_enrolment"), decision)
        return get(conn, request_id)


def reject(conn: Connection, request_id: int, reason: str) -> Enrolment:
    """Refuse a request, or end a token that nobody has used; the device is told the reason. Raises IngestError."""
    with conn.transaction():
        _undecided(conn, request_id, asked=False)
        decision = {"id": request_id, "approved": False, "reason": reason, "certificate": None, "ca": None}
        conn.execute(statement("decide_enrolment"), decision)
        return get(conn, request_id)


def _undecided(conn: Connection, request_id: int, *, asked: bool = True) -> Enrolment:
    held = get(conn, request_id)
    if held.approved is not None:
        raise IngestError(f"enrolment {request_id} was {held.state} before; make a new token to begin anew")
    if asked and held.requested_at is None:
        raise IngestError(f"nobody has used the token of enrolment {request_id} yet, so there is nothing to approve")
    return held


def _by_token(conn: Connection, token: str) -> Enrolment:
    """The row of a token, locked. One message for all that is wrong with it: a guesser learns nothing."""
    row = conn.execute(statement("enrolment_by_token"), {"hash": _hash(token)}).fetchone()
    if row is None:
        raise EnrolmentError("bad_token", "this token is unknown, or its time is over; ask the operator for a new one")
    return Enrolment(*row)


def _hash(token: str) -> bytes:
    # 256 random bits need no slow hash and no salt.
    return hashlib.sha256(token.encode()).digest()


def _checked_key(text: str) -> str:
    try:
        return keys.public_text(keys.parse_public(text))
    except ConfigError as err:
        raise EnrolmentError("bad_request", str(err)) from err


def _read_csr(pem: str, device: str) -> x509.CertificateSigningRequest:
    """The request for a TLS certificate, signed by its own key. Raises EnrolmentError."""
    try:
        csr = x509.load_pem_x509_csr(pem.encode()) if len(pem) <= MAX_CSR_CHARS else None
        if csr is not None and csr.is_signature_valid and _common_names(csr.subject) == [device]:
            return csr
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        raise EnrolmentError("bad_request", f"not a certificate signing request: {err}") from err
    raise EnrolmentError("bad_request", f"the certificate request must be signed by its own key and name {device}")


def _common_names(name: x509.Name) -> list[str | bytes]:
    return [attribute.value for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _same_key(pem: str, other: str) -> bool:
    first, second = (x509.load_pem_x509_csr(text.encode()).public_key() for text in (pem, other))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return first.public_bytes(*form) == second.public_bytes(*form)


def _check_certificate(certificate: str, ca: str, held: Enrolment) -> None:
    """Whether it is a certificate of that authority for this device and the key in its request. Raises IngestError."""
    try:
        issued, authority = (x509.load_pem_x509_certificate(text.encode()) for text in (certificate, ca))
        csr = x509.load_pem_x509_csr((held.csr or "").encode())
        issued.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as err:
        raise IngestError(f"not a certificate of this authority: {str(err) or type(err).__name__}") from err
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if issued.public_key().public_bytes(*form) != csr.public_key().public_bytes(*form):
        raise IngestError(
            f"the certificate is for another key; make it from this request: retroproof ingest enrolment csr {held.id}"
        )
    if _common_names(issued.subject) != [held.device]:
        raise IngestError(f"the certificate does not name {held.device}, by which the broker would know the device")
