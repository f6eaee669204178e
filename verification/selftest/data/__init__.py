"""The known answers as data files, and how they are read: numbers as decimals in text, as their sources print them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_data(name: str) -> Any:  # noqa: ANN401 - facts of several shapes, read by those who know them
    """One of the files of this folder."""
    return json.loads((files(__package__) / name).read_text(encoding="utf-8"))


def numbers(text: str) -> NDArray[np.float64]:
    """Decimals between spaces, as float64[n]."""
    return np.array([float(number) for number in text.split()])
