"""The fuzz targets on mutated honest inputs: no crash, a code for each refusal, little memory whatever is claimed."""

from __future__ import annotations

import tracemalloc

import cbor2
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, run, seeds
from verification import batch

SEEDS = seeds()


@st.composite
def mutated(draw) -> bytes:
    """An honest input with some bytes replaced, cut, repeated or exchanged for a bit of another."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 12))
        data[at : at + length] = draw(st.binary(max_size=12) | st.sampled_from(SEEDS).map(lambda one: one[:40]))
    return bytes(data)


@pytest.mark.parametrize("target", TARGETS)
def test_honest_inputs_are_taken_by_the_targets_that_they_are_for(target):
    for data in SEEDS:
        run(target, data)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=300, deadline=None)
@given(data=mutated() | st.binary(max_size=200))
def test_no_mutation_makes_a_reader_fail_otherwise_than_with_its_code(target, data):
    run(target, data)


def frame(claimed: int, content: bytes) -> bytes:
    """A zstd frame (RFC 8878) whose header claims another size than its content has."""
    made = bytearray(zstandard.ZstdCompressor(write_content_size=True).compress(content))
    assert made[4] >> 6 == 0b10, "the header has a size of four bytes"
    made[5:9] = claimed.to_bytes(4, "little")
    return bytes(made)


@pytest.mark.parametrize("claimed", [batch.MAX_PAYLOAD_BYTES, batch.MAX_PAYLOAD_BYTES + 1, 2**32 - 1])
def test_a_frame_never_costs_more_memory_than_the_bound_whatever_it_claims(claimed):
    bomb = frame(claimed, bytes(64 << 20))
    assert len(bomb) < batch.MAX_BATCH_BYTES
    tracemalloc.start()
    run("admission", bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * batch.MAX_PAYLOAD_BYTES


def test_deep_nesting_and_large_claims_of_length_are_refused_at_once():
    deep = b"\x81" * 100_000 + b"\x00"
    claims = b"\x9b" + (2**62).to_bytes(8)
    long_text = b"\x7b" + (2**62).to_bytes(8)
    for data in (deep, claims, long_text, cbor2.dumps({"kind": "readings", "point": cbor2.CBORTag(69, bytes(7))})):
        for target in TARGETS:
            run(target, data)
