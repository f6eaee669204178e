"""Copied periods: a stretch of readings that is the repetition of an earlier one, to the last digit.

Metered values never repeat a whole day; a person who fills a hole with last week's figures does. Counters are
compared by their increments, because a copy is usually set onto the register as it stood. Found by a rolling hash
over blocks of readings, and then compared value by value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from verification.series.columns import Booleans, Floats, Integers, median

BLOCK_S = 86_400  # a copied day is the shortest that is told from chance
MIN_BLOCK = 12  # readings; also the length of a block where a reading comes once a day or less often
MIN_PAIRS, CHANGE_SHARE = 10, 0.25  # of a block; with fewer it may repeat by itself: a machine at its fixed rate does
RESOLUTION = 1e6  # increments are compared to this fraction of their median: sums of a register are not exact
GRAM, KEY_BITS = 8, 16  # readings of a copied block that tell whether there may be one, by so many bits of a hash
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def copied_from(values: Floats, cadence_s: int) -> Integers:
    """Which earlier one each of values float64[n], in order of time, repeats: int64[n], -1 where none."""
    length = max(MIN_BLOCK, round(BLOCK_S / cadence_s))
    origin = np.full(len(values), -1, dtype=np.int64)
    if len(values) < 2 * length:
        return origin
    codes = _codes(values)
    if not _may_repeat(codes, length):  # as it should be
        return origin
    hashes, lively = _rolling_hash(codes, length), _changes(codes, length) >= CHANGE_SHARE * length
    if not _any_twice(hashes[lively]):  # a line that stands repeats itself by right
        return origin
    # Of blocks with one hash the earliest is the source; a stable sort keeps them in order of time.
    order = np.argsort(hashes, kind="stable")
    same = np.diff(hashes[order].view(np.int64)) == 0
    group_start = np.concatenate([[True], ~same])
    first = order[np.maximum.accumulate(np.where(group_start, np.arange(len(order)), 0))]
    source = np.empty(len(order), dtype=np.int64)
    source[order] = first
    for at, of, blocks in _runs(np.arange(len(order)), source, lively, length):
        repeated = codes[at : at + blocks + length - 1]
        starts = at + length * np.flatnonzero(lively[at : at + blocks : length])
        varied = any(_is_varied(codes[start : start + length]) for start in starts)
        if varied and np.array_equal(repeated, codes[of : of + len(repeated)]):
            origin[at : at + len(repeated)] = np.arange(of, of + len(repeated))
    return origin


def _may_repeat(codes: Integers, length: int) -> bool:
    """Whether a block can be copied, by less than the hashes of all: as long as it is, one of every so many grams lies
    in it whole, and comes again in the copy.
    """
    gram = codes.view(np.uint64)
    for half in (1, 2, 4):
        gram = gram[:-half] * np.uint64(pow(int(_BASE), half, 1 << 64)) + gram[half:]
    key = gram >> np.uint64(64 - KEY_BITS)
    sampled = np.zeros(1 << KEY_BITS, dtype=bool)
    sampled[key[:: length - GRAM + 1]] = True
    return _any_twice(gram[sampled[key]])


def _any_twice(hashes: NDArray[np.uint64]) -> bool:
    ordered = np.sort(hashes)
    return bool((ordered[1:] == ordered[:-1]).any())


def _changes(codes: Integers, length: int) -> Integers:
    """How often the reading changes within each block codes[i : i + length]."""
    before = np.cumsum(np.diff(codes, prepend=codes[0]) != 0)
    changes: Integers = before[length - 1 :] - before[: len(codes) - length + 1]
    return changes


def _runs(blocks: Integers, source: Integers, lively: Booleans, length: int) -> list[tuple[int, int, int]]:
    """Blocks that follow each other and repeat blocks that follow each other: first, its source, how many."""
    lag = blocks - source
    repeats = lag >= length
    starts = np.flatnonzero(repeats & np.concatenate([[True], ~repeats[:-1] | (np.diff(lag) != 0)]))
    ends = np.flatnonzero(repeats & np.concatenate([~repeats[1:] | (np.diff(lag) != 0), [True]]))
    kept = lively[starts] | (ends - starts >= length)  # of fewer blocks than a length it is the first that has to vary
    return [(int(at), int(source[at]), int(end - at + 1)) for at, end in zip(starts[kept], ends[kept], strict=True)]


def _codes(values: Floats) -> Integers:
    """Values as whole numbers that are equal where the values are, whatever their unit."""
    sizes = np.abs(values[values != 0])
    scale = median(sizes) if len(sizes) else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        codes: Integers = np.rint(np.clip(values / scale * RESOLUTION, -1e18, 1e18)).astype(np.int64)
    return codes


def _rolling_hash(codes: Integers, length: int) -> NDArray[np.uint64]:
    """A hash of each block codes[i : i + length], equal for equal blocks: sum of mix(code) * base^k modulo 2^64."""
    with np.errstate(over="ignore"):
        mixed = codes.view(np.uint64) * _MIX
        mixed ^= mixed >> np.uint64(31)
        mixed *= _BASE
        mixed *= _powers(_BASE, len(codes))
        prefix = np.concatenate([np.zeros(1, np.uint64), np.add.accumulate(mixed)])
        block: NDArray[np.uint64] = prefix[length:] - prefix[:-length]
        inverse = np.uint64(pow(int(_BASE), -1, 1 << 64))
        block *= _powers(inverse, len(block))
    return block


def _powers(base: np.uint64, count: int) -> NDArray[np.uint64]:
    """base^1 to base^count modulo 2^64, twice as many with every step: each by itself waits for the one before."""
    powers = np.full(count, base)
    known = 1
    while known < count:
        more = powers[known : 2 * known]
        np.multiply(powers[: len(more)], powers[known - 1], out=more)
        known *= 2
    return powers


def _is_varied(block: Integers) -> bool:
    """Whether a block changes between so many pairs of values that it cannot repeat by itself."""
    return len(set(zip(block[:-1].tolist(), block[1:].tolist(), strict=True))) >= MIN_PAIRS
