"""The configuration of `retroproof ingest serve`: one YAML file, every mistake named with its line and the mend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest.database import STATEMENT_TIMEOUT_S
from verification import keys
from verification.errors import ConfigError
from verification.yamlfile import load_yaml

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
DEFAULT_LAG_ALARM_S = 300.0
LOOPBACK = ("127.0.0.1", "::1")


class HttpFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP side as written. Without cert_file and key_file it listens on loopback only, for a TLS proxy."""

    listen: str
    cert_file: str | None = None
    key_file: str | None = None
    client_ca_file: str | None = None


class BrokerFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How we show the broker who we are."""

    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class ConfigFile(BrokerFiles, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as written. Paths are relative to it; ca_file, cert_file and key_file go with mqtts.

    One of mqtt and http at least is where batches come from. watch: where health and Prometheus figures are served.
    statement_timeout_s: after so long a statement of the database has failed, and its group is tried again.
    """

    db: str
    signing_key: str
    mqtt: str | None = None
    http: HttpFile | None = None
    watch: str | None = None
    lag_alarm_s: float = DEFAULT_LAG_ALARM_S
    statement_timeout_s: int = STATEMENT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach the broker and as whom."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on (port 0: any free one), with the certificate to show there, if any.

    client_ca_file: only clients with a certificate of this authority get in.
    """

    host: str
    port: int
    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """A checked configuration with its secrets read."""

    db: str
    signing_key: Ed25519PrivateKey
    broker: Broker | None = None
    http: Listen | None = None
    watch: Listen | None = None
    lag_alarm_s: float = DEFAULT_LAG_ALARM_S
    statement_timeout_s: int = STATEMENT_TIMEOUT_S


def load_config(path: Path) -> IngestConfig:
    """Read and check the file and what it refers to. Raises ConfigError."""
    file = load_yaml(path, ConfigFile)
    if not file.db.startswith(("postgresql://", "postgres://")):
        raise ConfigError(f"{path}: db: write an address such as postgresql://user@127.0.0.1:5432/retroproof")
    if file.mqtt is None and file.http is None:
        raise ConfigError(f"{path}: name mqtt, http or both: without one of them nothing can arrive")
    for name in ("lag_alarm_s", "statement_timeout_s"):
        if getattr(file, name) <= 0:
            raise ConfigError(f"{path}: {name}: write a number of seconds above 0")
    return IngestConfig(
        file.db,
        keys.load_private(path.parent / file.signing_key),
        broker=read_broker(path, file, file.mqtt) if file.mqtt is not None else None,
        http=_http(path, file.http) if file.http else None,
        watch=_address(path, "watch", file.watch) if file.watch else None,
        lag_alarm_s=file.lag_alarm_s,
        statement_timeout_s=file.statement_timeout_s,
    )


def read_broker(path: Path, file: BrokerFiles, address: str) -> Broker:
    """How to reach the broker at `address`, and as whom. Raises ConfigError."""
    try:
        url = urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError as err:
        raise ConfigError(f"{path}: mqtt: {err}") from err
    if url.scheme not in DEFAULT_PORTS or not host or url.path or url.query:
        raise ConfigError(f"{path}: mqtt: write an address such as mqtt://ingest@127.0.0.1:1883, or mqtts://")
    if url.password is not None:
        raise ConfigError(f"{path}: mqtt: put the password into a file of its own and name it with password_file")
    if url.scheme == "mqtt" and (file.ca_file or file.cert_file or file.key_file):
        raise ConfigError(f"{path}: ca_file, cert_file and key_file need an mqtts:// address")
    if bool(file.cert_file) != bool(file.key_file):
        raise ConfigError(f"{path}: cert_file and key_file belong together")
    folder = path.parent
    return Broker(
        host,
        port or DEFAULT_PORTS[url.scheme],
        tls=url.scheme == "mqtts",
        user=unquote(url.username) if url.username else None,
        password=_read_password(folder / file.password_file) if file.password_file else None,
        ca_file=_existing(folder, file.ca_file),
        cert_file=_existing(folder, file.cert_file),
        key_file=_existing(folder, file.key_file),
    )


def _http(path: Path, file: HttpFile) -> Listen:
    address = _address(path, "http: listen", file.listen)
    if bool(file.cert_file) != bool(file.key_file):
        raise ConfigError(f"{path}: http: cert_file and key_file belong together")
    if file.client_ca_file and not file.cert_file:
        raise ConfigError(f"{path}: http: client_ca_file needs cert_file and key_file beside it")
    if address.host not in LOOPBACK and not file.cert_file:
        raise ConfigError(
            f"{path}: http: without cert_file and key_file it listens on loopback only; "
            "name them, or listen on 127.0.0.1 behind a TLS proxy"
        )
    folder = path.parent
    return Listen(
        address.host,
        address.port,
        cert_file=_existing(folder, file.cert_file),
        key_file=_existing(folder, file.key_file),
        client_ca_file=_existing(folder, file.client_ca_file),
    )


def _address(path: Path, name: str, text: str) -> Listen:
    try:
        url = urlsplit(f"//{text}")
        host, port = url.hostname, url.port
    except ValueError as err:
        raise ConfigError(f"{path}: {name}: {err}") from err
    if not host or port is None or url.path or url.username:
        raise ConfigError(f"{path}: {name}: write host and port, such as 127.0.0.1:8081")
    return Listen(host, port)


def _read_password(path: Path) -> str:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: other users can read this password; mend it with: chmod 600 {path}")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read: {err}") from err


def _existing(folder: Path, name: str | None) -> Path | None:
    if name is None:
        return None
    path = folder / name
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    return path
