"""Threads that are the first to read into a type, at the same moment, all get what they read."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READS = re.compile(r"msgspec\.(?:convert|json\.decode)\((?:[^()]|\([^()]*\))*\)")

# What Inner holds is worked out by running code of ours, so the other thread surely comes in the middle of it.
FIRST_USE = """
from __future__ import annotations
import threading
import msgspec
from verification.shapes import ready
begun, go_on = threading.Event(), threading.Event()
def slowly():
    begun.set()
    go_on.wait(10)
    return int
class Inner(msgspec.Struct):
    value: slowly()
class Outer(msgspec.Struct):
    inner: Inner
read = []
def work():
    read.append(msgspec.convert({"inner": {"value": 1}}, {type}))
one, other = threading.Thread(target=work), threading.Thread(target=work)
one.start()
begun.wait(10)
other.start()
other.join(0.3)
go_on.set()
one.join()
other.join()
print(read == [Outer(Inner(1))] * 2)
"""


@pytest.mark.parametrize(("kind", "end"), [("ready(Outer)", (0, "True\n")), ("Outer", (-signal.SIGSEGV, ""))])
def test_a_type_is_worked_out_by_one_thread_alone(kind, end):
    """In a process of its own, which ends where msgspec is left to itself: the day it does not, `ready` can go."""
    script = FIRST_USE.replace("{type}", kind)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == end, done.stderr


def test_whatever_is_read_into_a_type_is_read_into_one_that_is_ready():
    rooms = ("api", "edge_agent", "ingest", "verification")
    sources = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    reads = [found[0] for path in sources for found in READS.finditer(path.read_text(encoding="utf-8"))]
    assert len(reads) >= 10
    assert [read for read in reads if ("convert(" in read or "type=" in read) and "ready(" not in read] == []
