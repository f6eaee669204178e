"""The API's configuration file: database, address, keys.

Read once at start; relative paths count from the file's folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from verification import keys
from verification.errors import ConfigError
from verification.yamlfile import load_yaml

MAX_PORT = 65535
ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,126}")  # it becomes a key name in signed notes: no space, no plus


class ApiConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as a person writes it."""

    db: str
    log_key: str
    engine_key: str
    log_origin: str
    listen: str = "127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration, checked, with its keys loaded. Its printed form holds no secret."""

    db: str = field(repr=False)
    host: str
    port: int
    log_key: Ed25519PrivateKey = field(repr=False)
    engine_key: Ed25519PrivateKey = field(repr=False)
    log_origin: str


def load_config(path: Path) -> ApiConfig:
    """Read the file without touching the keys. Raises ConfigError."""
    return load_yaml(path, ApiConfig)


def load_settings(path: Path) -> Settings:
    """Read the file and its keys.

    Raises ConfigError, also where one key would sign both results and the log.
    """
    config = load_config(path)
    host, port = _address(config.listen, path)
    if not ORIGIN.fullmatch(config.log_origin):
        raise ConfigError(f"{path}: log_origin must be a name such as retroproof.example/log, without spaces or '+'")
    log_key = keys.load_private(path.parent / config.log_key)
    engine_key = keys.load_private(path.parent / config.engine_key)
    if keys.key_id(log_key) == keys.key_id(engine_key):
        raise ConfigError(
            f"{path}: log_key and engine_key are the same key; make a second one with: retroproof api keygen --out FILE"
        )
    return Settings(config.db, host, port, log_key, engine_key, config.log_origin)


def _address(listen: str, path: Path) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise ConfigError(f"{path}: listen must be HOST:PORT, for example 127.0.0.1:8080")
    return host.strip("[]"), int(port)
