"""Threads that need units at the same first moment get units of one registry."""

from __future__ import annotations

import subprocess
import sys

FIRST_USE = """
import sys, threading
sys.setswitchinterval(1e-6)
from verification.units import parse_unit
begin, made = threading.Barrier(8), []
def work(unit):
    begin.wait()
    made.append(parse_unit(unit))
threads = [threading.Thread(target=work, args=[unit]) for unit in ("kWh", "t", "h", "kg", "m", "mg", "MJ", "piece")]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
product = made[0]
for unit in made[1:]:
    product = product * unit
print("one registry")
"""


def test_units_of_threads_that_begin_together_can_be_multiplied():
    """In a process of its own, since only the first use in a process builds the registry."""
    done = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "one registry", done.stderr
