"""Damage as it happens to readings and to plan files, from a seed: what is printed with a failure tells it again."""

from __future__ import annotations

import random
import re

import numpy as np

from verification.series.columns import STATUS_BAD, Series

SPANS = [1, 2, 5, 24, 72, 240, 600]
JUNK = """null|~|[]|{}|-1|0|1e400|.nan|.inf|true|no|2026-02-30|2026-03-01|'x'|"\\0"|[1, 2]|{a: b}
!!python/object:os.system x|*a|&a x|%|@|`|'|"|铝|1_000|0x10|99999999999999999999|hours(ac_energy)
ac_energy + metal_tapped|(((|*|UTC|kWh**9|degC|1/0|9999-12-31|0001-01-01|- - -|? x|#|points|metric|kind"""
JUNK = JUNK.replace("\n", "|").split("|")


def damaged_readings(readings: dict[str, Series], seed: int) -> tuple[str, dict[str, Series]]:
    """What happened, and the readings after it."""
    rng = np.random.default_rng(seed)
    name = str(rng.choice(sorted(readings)))
    series = readings[name]
    start = int(rng.integers(0, len(series) - 2))
    part = slice(start, start + int(rng.choice(SPANS)))
    how = str(rng.choice(sorted(DAMAGE)))
    after = DAMAGE[how](series, part, rng)
    return f"{how} of {name} from {part.start} to {part.stop}", {**readings, name: after}


def _valued(change):
    """A damage that changes the values of a part."""

    def damage(series: Series, part: slice, rng: np.random.Generator) -> Series:
        value = series.value.copy()
        value[part] = change(value[part], rng)
        return Series(series.time_us, value, series.status, series.flags)

    return damage


def _from_here(steps: list[float]):
    """A damage that shifts a register for good."""

    def damage(series: Series, part: slice, rng: np.random.Generator) -> Series:
        value = series.value.copy()
        value[part.start :] += rng.choice(steps)
        return Series(series.time_us, value, series.status, series.flags)

    return damage


def _lost(series: Series, part: slice, _: np.random.Generator) -> Series:
    keep = np.ones(len(series), dtype=bool)
    keep[part] = False
    return series.take(keep)


def _thinned(series: Series, _: slice, rng: np.random.Generator) -> Series:
    return series.take(rng.random(len(series)) < rng.choice([0.02, 0.5, 0.9]))


def _again(series: Series, part: slice, rng: np.random.Generator) -> Series:
    twice = np.concatenate([np.arange(len(series)), np.arange(len(series))[part]])
    doubled = series.take(twice)
    doubled.value[len(series) :] += rng.choice([0.0, 1.0])
    return doubled


def _clock(series: Series, part: slice, rng: np.random.Generator) -> Series:
    time_us = series.time_us.copy()
    time_us[part.start :] += int(rng.choice([1, 61, 900, 3600, 28_800, -3600, -61])) * 1_000_000
    return Series(time_us, series.value, series.status, series.flags)


def _bad_status(series: Series, part: slice, _: np.random.Generator) -> Series:
    status = series.status.copy()
    status[part] = STATUS_BAD
    return Series(series.time_us, series.value, status, series.flags)


def _copied(series: Series, part: slice, rng: np.random.Generator) -> Series:
    value = series.value.copy()
    length = len(value[part])
    source = int(rng.integers(0, len(series) - length + 1))
    value[part] = series.value[source : source + length]
    return Series(series.time_us, value, series.status, series.flags)


DAMAGE = {
    "loss": _lost,
    "thinning": _thinned,
    "repetition": _again,
    "clock step": _clock,
    "bad status": _bad_status,
    "copy": _copied,
    "another unit": _valued(lambda value, rng: value * rng.choice([10, 1000, 0.001, 1e6])),
    "sign": _valued(lambda value, _: -value),
    "no number": _valued(lambda value, rng: np.full(len(value), rng.choice([np.nan, np.inf, -np.inf]))),
    "enormous": _valued(lambda value, rng: np.full(len(value), rng.choice([1e300, -1e300, 1e19, 9e15]))),
    "zero": _valued(lambda value, _: value * 0),
    "hanging": _valued(lambda value, _: np.full(len(value), value[0])),
    "mixing up": _valued(lambda value, rng: rng.permutation(value)),
    "backwards": _valued(lambda value, _: value[::-1]),
    "noise": _valued(lambda value, rng: value + rng.normal(0, 1000, len(value))),
    "another register": _from_here([1.0, 1e3, 1e5, 1e7, -1e3, -1e7]),
}


def damaged_text(text: str, seed: int) -> str:
    """A plan file after one to three slips of the pen."""
    rng = random.Random(seed)
    for _ in range(rng.choice([1, 1, 2, 3])):
        text = rng.choice([_line, _character, _value, _value, _key])(text, rng)
    return text


def _line(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    lines[at : at + 1] = rng.choice([[], [lines[at]] * 2, [f"  {lines[at]}"], [lines[at].lstrip()]])
    return "\n".join(lines)


def _character(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    put = rng.choice(["", *'{}[]:,#&*!|\n"-x\té\u0301\0'])
    return text[:at] + put + text[at + rng.choice([0, 1]) :]


def _value(text: str, rng: random.Random) -> str:
    return _replaced(text, r"(?<=: )[^,{}\[\]\n]+", rng)


def _key(text: str, rng: random.Random) -> str:
    return _replaced(text, r"[A-Za-z_0-9-]+(?=:)", rng)


def _replaced(text: str, pattern: str, rng: random.Random) -> str:
    places = list(re.finditer(pattern, text))
    if not places:
        return text
    place = rng.choice(places)
    return text[: place.start()] + rng.choice(JUNK) + text[place.end() :]
