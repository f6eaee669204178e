"""Makes a type known to msgspec before anything is read into it, one thread at a time.

msgspec 0.22 works out what a Struct holds at its first use, and shows the half-made answer to other threads meanwhile:
two plans that were the first to arrive, at once, ended the process (SIGSEGV).
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")

_one_at_a_time = threading.Lock()
_known: set[object] = set()


def ready(kind: T) -> T:
    """`kind`, a type, with every Struct in it fit for any thread. Wrap so what msgspec is to convert or decode into."""
    if kind not in _known:
        with _one_at_a_time:
            msgspec.json.Decoder(kind)
            _known.add(kind)
    return kind
