"""Which build of the engine this is, told from its sources: builds between two releases bear one version."""

from __future__ import annotations

import hashlib
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1]
SUFFIXES = frozenset({".py", ".yaml"})  # code, and the metrics and coefficients that it reads
KEY = "engine_sources_sha256"  # of method.json


def sources_sha256() -> str:
    """SHA-256, in hex, over the sources of `verification` in order of name: of each the length of its name and of its
    content (8 bytes each, little-endian), then the two.
    """
    digest = hashlib.sha256()
    named = {path.relative_to(SOURCES).as_posix(): path for path in SOURCES.rglob("*") if path.suffix in SUFFIXES}
    for name, path in sorted(named.items()):
        content = path.read_bytes()
        for part in (name.encode(), content):
            digest.update(len(part).to_bytes(8, "little"))
        digest.update(name.encode() + content)
    return digest.hexdigest()
