"""The configuration of `retroproof ingest run`: one YAML file, every mistake named with its line and the mend."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import keys
from verification.errors import ConfigError
from verification.yamlfile import load_yaml

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class ConfigFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as written. Paths are relative to it; ca_file, cert_file and key_file go with mqtts."""

    db: str
    mqtt: str
    signing_key: str
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


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
class IngestConfig:
    """A checked configuration with its secrets read."""

    db: str
    broker: Broker
    signing_key: Ed25519PrivateKey


def load_config(path: Path) -> IngestConfig:
    """Read and check the file and what it refers to. Raises ConfigError."""
    file = load_yaml(path, ConfigFile)
    if not file.db.startswith(("postgresql://", "postgres://")):
        raise ConfigError(f"{path}: db: write an address such as postgresql://user@127.0.0.1:5432/retroproof")
    try:
        url = urlsplit(file.mqtt)
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
    broker = Broker(
        host,
        port or DEFAULT_PORTS[url.scheme],
        tls=url.scheme == "mqtts",
        user=unquote(url.username) if url.username else None,
        password=_read_password(folder / file.password_file) if file.password_file else None,
        ca_file=_existing(folder, file.ca_file),
        cert_file=_existing(folder, file.cert_file),
        key_file=_existing(folder, file.key_file),
    )
    return IngestConfig(file.db, broker, keys.load_private(folder / file.signing_key))


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
