"""How server and agent come to trust each other: the configured policy and mode, trusted certificates, a login.

Nothing is taken instead of what was configured, and no certificate is trusted because it came first: a person puts it
into the trust folder. A server whose certificate is not trusted is not connected to; its certificate is laid into
`rejected`, for a person to compare its fingerprint and move it. The agent's own certificate is made on first use and
stays.

Folder, unless the configuration names another: `trusted` (servers, or the authorities that sign them; .der or .pem),
`rejected`, `crl` (revocation lists), `own.der` and `own.pem` (the agent's certificate and key).
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from asyncua.crypto.security_policies import SecurityPolicy, SecurityPolicyNone
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.uacrypto import CertProperties, load_certificate, load_private_key, x509_from_der
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge_agent.config.base import read_password
from edge_agent.config.opcua import NO_SECURITY, POLICIES, OpcUaSourceConfig
from edge_agent.sources.opcua.connection import Connection
from verification.errors import RetroProofError

CERTIFICATE_DAYS = 3_650
MAX_REJECTED = 100  # the newest stay
# A certificate that lies in the trust folder itself is pinned: only its dates and its owner's name are left to check.
PINNED_CHECKS = CertificateValidatorOptions.TIME_RANGE | CertificateValidatorOptions.URI
SIGNED_CHECKS = CertificateValidatorOptions.TRUSTED_VALIDATION
SUFFIXES = {".der", ".pem", ".crt", ".cer"}


class SecurityError(RetroProofError):
    """We do not talk to this server like this; the message says what a person can do."""


class Folder(NamedTuple):
    """Where certificates lie."""

    trusted: Path
    rejected: Path
    revoked: Path
    own_certificate: Path
    own_key: Path

    @classmethod
    def of(cls, config: OpcUaSourceConfig, default: Path) -> Folder:
        """As the configuration says, else below `default`."""
        return cls(
            Path(config.trust_dir) if config.trust_dir else default / "trusted",
            default / "rejected",
            default / "crl",
            Path(config.application_cert) if config.application_cert else default / "own.der",
            Path(config.application_key) if config.application_key else default / "own.pem",
        )


async def secure(connection: Connection, config: OpcUaSourceConfig, folder: Folder) -> ua.EndpointDescription:
    """Open the secure channel as configured; the endpoint that was chosen. Raises SecurityError.

    The steps: (1) ask what the server offers, (2) take exactly what is configured, (3) judge the server's certificate
    before anything is sent under it, (4) open the channel under that certificate, (5) see that the login is one that
    the server takes, and no password goes out in plain text.
    """
    policy, mode = policy_and_mode(config.security)
    if policy is SecurityPolicyNone:
        await connection.open_channel()
        endpoint = choose(await connection.get_endpoints(), policy, mode)  # (1) (2)
        await _prepare_login(connection, config, endpoint)  # (5)
        return endpoint
    endpoint = choose(await connection.connect_and_get_server_endpoints(), policy, mode)  # (1) (2)
    certificate = await judge(endpoint, config.server_fingerprint, folder)  # (3)
    own = await _prepare_own_certificate(connection, folder, ours=not config.application_cert)
    await _prepare_login(connection, config, endpoint)  # (5)
    await connection.set_security(
        policy,
        CertProperties(folder.own_certificate, _extension(folder.own_certificate)),
        CertProperties(folder.own_key, _extension(folder.own_key)),
        server_certificate=certificate.public_bytes(Encoding.DER),
        mode=mode,
    )
    try:
        await connection.open_channel()  # (4)
    except (AssertionError, ConnectionError, UaError) as err:
        # The library asserts that it has an answer; a server that refuses our certificate just hangs up.
        raise SecurityError(
            f"the server does not let us in ({str(err) or 'it hung up'}). Does it trust our certificate? Give it "
            f"{folder.own_certificate}, {_fingerprint(own)}"
        ) from err
    return endpoint


def policy_and_mode(security: str) -> tuple[type[SecurityPolicy], ua.MessageSecurityMode]:
    """asyncua's names for a `security` of the configuration."""
    if security == NO_SECURITY:
        return SecurityPolicyNone, ua.MessageSecurityMode.None_
    policy, mode = security.split("/")
    return getattr(security_policies, f"SecurityPolicy{policy}"), ua.MessageSecurityMode[mode]


def choose(
    endpoints: Sequence[ua.EndpointDescription], policy: type[SecurityPolicy], mode: ua.MessageSecurityMode
) -> ua.EndpointDescription:
    """The endpoint with exactly this policy and mode. Raises SecurityError, saying what the server offers instead."""
    for endpoint in endpoints:
        if endpoint.SecurityPolicyUri == policy.URI and endpoint.SecurityMode == mode:
            return endpoint
    offered = sorted({_shown(endpoint) for endpoint in endpoints})
    raise SecurityError(
        f"the server does not offer {_name(policy.URI, mode)}; it offers: {', '.join(offered) or 'nothing'}. Write one "
        "of these as `security`, or have the server offer what you want"
    )


async def judge(endpoint: ua.EndpointDescription, pinned: str, folder: Folder) -> x509.Certificate:
    """The server's certificate if it is trusted. Raises SecurityError, saying how a person can come to trust it."""
    certificate: x509.Certificate | None
    try:
        certificate = x509_from_der(endpoint.ServerCertificate)  # type: ignore[no-untyped-call]
    except ValueError as err:
        raise SecurityError(f"what the server shows is no certificate: {err}") from err
    if certificate is None:
        raise SecurityError("the server shows no certificate; without one its messages cannot be trusted")
    der = certificate.public_bytes(Encoding.DER)
    fingerprint = "sha256:" + hashlib.sha256(der).hexdigest()
    if pinned and fingerprint != pinned:
        kept = _keep_rejected(folder, fingerprint, der)
        raise SecurityError(
            f"the server's certificate is {fingerprint}, not the one in server_fingerprint. Find out why it "
            f"changed; it lies in {kept}"
        )
    trusted = {_fingerprint(one) for one in _certificates(folder.trusted)}
    if fingerprint in trusted or pinned:
        await _validate(certificate, endpoint, PINNED_CHECKS, None)
        return certificate
    folder.trusted.mkdir(parents=True, exist_ok=True)
    store = TrustStore([folder.trusted], [folder.revoked] if folder.revoked.is_dir() else [])
    if trusted:
        await store.load()  # the library makes no empty store
    if not store.is_trusted(certificate):
        kept = _keep_rejected(folder, fingerprint, der)
        raise SecurityError(
            f"the server's certificate is not trusted: {certificate.subject.rfc4514_string()}, {fingerprint}. Compare "
            f"this fingerprint with the one at the server; if they agree: mv {kept} {folder.trusted}"
        )
    await _validate(certificate, endpoint, SIGNED_CHECKS, store)
    return certificate


async def _validate(
    certificate: x509.Certificate,
    endpoint: ua.EndpointDescription,
    checks: CertificateValidatorOptions,
    store: TrustStore | None,
) -> None:
    validator = CertificateValidator(checks | CertificateValidatorOptions.PEER_SERVER, store)
    try:
        await validator(certificate, endpoint.Server)
    except ServiceError as err:
        status = ua.StatusCode(ua.UInt32(err.code))
        raise SecurityError(f"the server's certificate does not hold: {status.name}: {status.doc}") from err


async def _prepare_own_certificate(connection: Connection, folder: Folder, *, ours: bool) -> x509.Certificate:
    """Make the agent's own certificate where it has none, and go by the name that stands in it."""
    if ours and not (folder.own_certificate.exists() and folder.own_key.exists()):
        make_own_certificate(folder, connection.application_uri)
    try:
        certificate: x509.Certificate = await load_certificate(
            folder.own_certificate, _extension(folder.own_certificate)
        )
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        connection.application_uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    except (OSError, ValueError, IndexError, x509.ExtensionNotFound) as err:
        raise SecurityError(
            f"{folder.own_certificate}: cannot be used as application certificate ({err}); it must name an application "
            "URI in its subject alternative name"
        ) from err
    return certificate


def make_own_certificate(folder: Folder, application_uri: str) -> None:
    """An RSA key, readable by its owner only, and a self-signed application certificate (Part 6, 6.2.2)."""
    key = generate_private_key()
    names = [x509.UniformResourceIdentifier(application_uri), x509.DNSName(socket.gethostname())]
    certificate = generate_self_signed_app_certificate(
        key, "RetroProof edge agent", {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH], CERTIFICATE_DAYS
    )
    folder.own_key.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.own_key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(dump_private_key_as_pem(key))
    folder.own_certificate.write_bytes(certificate.public_bytes(Encoding.DER))


async def _prepare_login(connection: Connection, config: OpcUaSourceConfig, endpoint: ua.EndpointDescription) -> None:
    wanted = ua.UserTokenType.Anonymous
    if config.user:
        wanted = ua.UserTokenType.UserName
        connection.set_user(config.user)
        connection.set_password(read_password(config.password_file))
    elif config.user_cert:
        wanted = ua.UserTokenType.Certificate
        connection.user_certificate = await load_certificate(Path(config.user_cert), _extension(Path(config.user_cert)))
        connection.user_private_key = await load_private_key(
            Path(config.user_key), extension=_extension(Path(config.user_key))
        )
    policies = [policy for policy in endpoint.UserIdentityTokens if policy.TokenType == wanted]
    if not policies:
        offered = sorted({policy.TokenType.name for policy in endpoint.UserIdentityTokens})
        raise SecurityError(
            f"the server takes no {wanted.name} login here; it takes: {', '.join(offered)}. Write user: and "
            "password_file:, or user_cert: and user_key:, as it wants"
        )
    protected = policies[0].SecurityPolicyUri or endpoint.SecurityPolicyUri
    if (
        config.user
        and protected == SecurityPolicyNone.URI
        and endpoint.SecurityMode != ua.MessageSecurityMode.SignAndEncrypt
    ):
        raise SecurityError(
            "the server would take the password in plain text; use one of its encrypted endpoints (see `security`)"
        )


def _certificates(folder: Path) -> list[x509.Certificate]:
    found: list[x509.Certificate] = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.suffix.lower() not in SUFFIXES:
            continue
        data = file.read_bytes()
        try:
            pem = data.lstrip().startswith(b"-----BEGIN")
            found.append(x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data))
        except ValueError as err:
            raise SecurityError(f"{file}: is not a certificate; take it out of the trust folder ({err})") from err
    return found


def _fingerprint(certificate: x509.Certificate) -> str:
    return "sha256:" + hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _keep_rejected(folder: Folder, fingerprint: str, der: bytes) -> Path:
    """Lay a certificate where a person finds it; whoever shows a new one each time must not fill the disk."""
    folder.rejected.mkdir(parents=True, exist_ok=True)
    kept = folder.rejected / f"{fingerprint.removeprefix('sha256:')[:16]}.der"
    others = sorted(set(folder.rejected.glob("*.der")) - {kept}, key=lambda path: path.stat().st_mtime_ns)
    for oldest in others[: max(0, len(others) + 1 - MAX_REJECTED)]:
        oldest.unlink()
    kept.write_bytes(der)
    return kept


def _extension(file: Path) -> str:
    return "pem" if file.read_bytes().lstrip().startswith(b"-----BEGIN") else "der"


def _shown(endpoint: ua.EndpointDescription) -> str:
    return _name(endpoint.SecurityPolicyUri, endpoint.SecurityMode)


def _name(uri: str, mode: ua.MessageSecurityMode) -> str:
    """As the configuration writes it."""
    if uri == SecurityPolicyNone.URI:
        return NO_SECURITY
    for policy in POLICIES:
        if uri == getattr(security_policies, f"SecurityPolicy{policy}").URI:
            return f"{policy}/{mode.name}"
    return f"{uri.rpartition('#')[2]}/{mode.name} (outdated or unknown here)"
