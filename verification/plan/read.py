"""Reads a plan file: version 1 or 2, shape and contradictions, with the line of every refusal."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

from verification.errors import ConfigError
from verification.plan import version1
from verification.plan.checks import check_plan
from verification.plan.measure import PlanError
from verification.plan.shape import Plan
from verification.yamlfile import MAX_FILE_BYTES, Document, read_document, utf8

VERSION_KEY = "retroproof_plan"
SUPPORTED = 2  # besides version 1


def load_plan(path: Path) -> Plan:
    """Read and check the plan file at `path`. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as err:
        raise ConfigError(f"{path}: cannot be read: {err.strerror or err}") from err
    return parse_plan(data, name=str(path))


def parse_plan(data: bytes, *, name: str = "plan.yaml") -> Plan:
    """Read and check a plan from the file's bytes; `name` stands for the file in messages. Raises ConfigError."""
    document = read_document(_decode(data, name), name=name)
    version = document.data.get(VERSION_KEY) if isinstance(document.data, dict) else None
    if version == 1 and not isinstance(version, bool):
        plan = version1.upgrade(document.convert(version1.PlanV1))
    elif version == SUPPORTED or version is None:
        plan = document.convert(Plan)
    else:
        raise ConfigError(_located(document, (VERSION_KEY,), f"{version!r} is not 1 or 2, which this release reads"))
    try:
        check_plan(plan)
    except PlanError as err:
        path = version1.path_in_file(err.path) if version == 1 else err.path
        raise ConfigError(_located(document, path, str(err))) from err
    return plan


def plan_digest(data: bytes) -> str:
    """SHA-256, in hexadecimal, of the plan file's bytes as filed."""
    return hashlib.sha256(data).hexdigest()


def _decode(data: bytes, name: str) -> str:
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{name}: a plan has at most {MAX_FILE_BYTES} bytes")
    text = utf8(data, name=name)
    if not unicodedata.is_normalized("NFC", text):
        parts = text.split("\n")
        line = next((n for n, part in enumerate(parts, start=1) if not unicodedata.is_normalized("NFC", part)), 1)
        raise ConfigError(
            f"{name}:{line}: is not in Unicode normal form C, which its result must be; retype its accented letters"
        )
    return text


def _located(document: Document, path: tuple[str | int, ...], message: str) -> str:
    shown = ".".join(str(part) for part in path)
    return f"{document.name}:{document.line(path)}: {shown}: {message}"
