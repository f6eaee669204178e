"""Builders of windows of numbers with a known truth, and a verdict to turn, for the engine's numeric parts."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from verification.engine.models.sample import Sample
from verification.engine.robustness.judge import Naming, Standing

INTERCEPT, SLOPE, NOISE_SD = 150_000.0, 13_270.0, 44_000.0
MONTH_DAYS = 30
# A verdict that is met at -260 kWh/t, with a limit of -200.
NAMING = Naming("kWh/t", 1.0, lambda window, position: f"{window} {position}")
STANDING = Standing(
    delta=-260.0,
    met=True,
    significant_sign=True,
    passes=lambda change: change <= -200,
    others=0.0,
    confidence=0.95,
    limit="-200",
    limit_unit="kWh/t",
)


def ar1(rng: np.random.Generator, n: int, rho: float, sd: float) -> np.ndarray:
    """n values of an AR(1) process with marginal standard deviation `sd`, stationary from the first."""
    shocks = rng.normal(0, sd * np.sqrt(1 - rho**2), n)
    shocks[0] = rng.normal(0, sd)
    return lfilter([1.0], [1.0, -rho], shocks)


def sample(
    y: np.ndarray,
    w: np.ndarray,
    drivers: np.ndarray | None = None,
    names: tuple[str, ...] = ("output",),
    first: int = 0,
) -> Sample:
    """A window without gaps, whose months have thirty intervals; by default its only driver is its output."""
    columns = w[:, np.newaxis] if drivers is None else drivers
    position = np.arange(len(y))
    return Sample(y, w, columns, names, position, (position + first) // MONTH_DAYS + 24_301)


def line(
    seed: int, days: int = 120, *, change: float = -260.0, rho: float = 0.0, load: float = 0.0, noise: float = NOISE_SD
) -> tuple[Sample, Sample]:
    """Two windows of a line whose energy is 150,000 + 13,270 tons (+ change tons after the retrofit) + AR(1) noise;
    `load` is added to the mean of the second window's tons.
    """
    rng = np.random.default_rng(seed)
    tons = rng.normal(656, 26, 2 * days + 10)
    tons[days + 10 :] += load
    energy = INTERCEPT + SLOPE * tons + ar1(rng, len(tons), rho, noise)
    energy[days + 10 :] += change * tons[days + 10 :]
    before, after = slice(0, days), slice(days + 10, None)
    return sample(energy[before], tons[before]), sample(energy[after], tons[after], first=days + 10)
