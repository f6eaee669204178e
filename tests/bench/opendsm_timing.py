"""opendsm 1.2.7 in an environment of its own, made on demand under build/: it needs older packages than ours.

Only a yardstick: nothing of ours imports it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ENVIRONMENT = Path("build/opendsm")
REQUIREMENTS = ("opendsm==1.2.7", "multimethod<2", "pandas<3")
FIT = Path(__file__).with_name("opendsm_fit.py")


def fit_seconds(energy_kwh: NDArray[np.float64], outdoor_c: NDArray[np.float64]) -> float:
    """The median time of opendsm's daily fit on a year of days, after one that compiles its code."""
    series = {"energy_kwh": energy_kwh.tolist(), "outdoor_c": outdoor_c.tolist()}
    done = subprocess.run([_python(), FIT], input=json.dumps(series), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"opendsm did not fit; remove {ENVIRONMENT} and try again:\n{done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])


def _python() -> Path:
    """The environment's Python, installed the first time."""
    python, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / ".ready"
    if not ready.exists():
        print(f"installing {' '.join(REQUIREMENTS)} under {ENVIRONMENT} (once)", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
        ready.touch()
    return python
