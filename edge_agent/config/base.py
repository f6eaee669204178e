"""What every part of the configuration shares: strictness, the form in which problems are told, secrets in files."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, TypeVar

import msgspec

from verification.errors import ConfigError

MAX_PASSWORD_BYTES = 4_096

KIND = "kind of source"  # by what name a source's kind is known to the reader; no key of the file has a space
Problems = Iterator[tuple[str, str]]  # a place in the file, and what is wrong there with its mend


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part of the file refuses keys that it does not know. `PATHS` are those of its keys that name files."""

    PATHS: ClassVar[tuple[str, ...]] = ()


AnyPart = TypeVar("AnyPart", bound=Strict)


def with_absolute_paths(part: AnyPart, folder: Path) -> AnyPart:
    """The same part with the file names in it, which are relative to the configuration's folder, made absolute."""
    named = {key: name for key in part.PATHS if (name := getattr(part, key))}
    return msgspec.structs.replace(part, **{key: str(folder / name) for key, name in named.items()})


def range_problems(part: Strict, place: str, bounds: Mapping[str, tuple[float, float]]) -> Problems:
    """Every number of `part` that lies outside its least and most."""
    for key, (least, most) in bounds.items():
        value = getattr(part, key)
        if not least <= value <= most:
            yield f"{place}.{key}", f"{value} lies outside {least} to {most}"


def read_password(path: str) -> str:
    """The first line of a password file that only its owner can read, without the mark that Notepad puts before it.

    Raises ConfigError.
    """
    file = Path(path)
    try:
        if os.name == "posix" and file.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: other users can read this password; mend it with: chmod 600 {path}")
        with file.open(encoding="utf-8-sig") as stream:
            password = stream.read(MAX_PASSWORD_BYTES).split("\n", 1)[0].rstrip("\r")
    except FileNotFoundError as err:
        raise ConfigError(
            f"{path}: is not there; write the password on its first line, then: chmod 600 {path}"
        ) from err
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot read the password: {err}") from err
    if not password:
        raise ConfigError(f"{path}: is empty; write the password on its first line")
    return password


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself, which needs no encryption on the way."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
