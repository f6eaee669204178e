"""The Merkle log's arithmetic: RFC 6962 vectors, an independent implementation as oracle, every proof up to 256
leaves.
"""

from __future__ import annotations

import hashlib

import pymerkle
import pytest

from verification.evidence import merkle

MAX_LEAVES = 256
ENTRIES = [b"entry %d" % number for number in range(MAX_LEAVES)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
ROOTS = [merkle.root(LEAVES[:size]) for size in range(MAX_LEAVES + 1)]

# The test tree of the Certificate Transparency project (RFC 6962 reference code): inputs, and the root after each.
RFC6962_INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
RFC6962_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.fixture(scope="module")
def oracle() -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in ENTRIES:
        tree.append_entry(entry)
    return tree


def test_an_empty_log_has_the_hash_of_the_empty_string_as_root() -> None:
    assert merkle.root([]) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_equal_the_rfc_6962_reference_tree(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in RFC6962_INPUTS[:size]]
    assert merkle.root(leaves).hex() == RFC6962_ROOTS[size - 1]


def test_roots_equal_an_independent_implementation_for_every_size(oracle: pymerkle.InmemoryTree) -> None:
    assert [oracle.get_root(size) for size in range(1, MAX_LEAVES + 1)] == ROOTS[1:]


def test_inclusion_proofs_equal_an_independent_implementation_for_every_size(oracle: pymerkle.InmemoryTree) -> None:
    for size in range(1, MAX_LEAVES + 1):
        for index in {0, size // 3, size // 2, size - 1}:
            expected = oracle.prove_inclusion(index + 1, size).path
            assert expected[0] == LEAVES[index]
            assert merkle.inclusion_proof(index, LEAVES[:size]) == expected[1:]


@pytest.mark.slow
def test_every_inclusion_proof_up_to_256_leaves_holds_and_holds_for_its_own_index_and_leaf_only() -> None:
    for size in range(1, MAX_LEAVES + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(index, LEAVES[:size])
            assert merkle.verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size])
            assert not merkle.verify_inclusion(index, size, LEAVES[index - 255], proof, ROOTS[size])
            assert not merkle.verify_inclusion(index ^ 1, size, LEAVES[index], proof, ROOTS[size])
            assert not merkle.verify_inclusion(index, size, LEAVES[index], proof, ROOTS[size - 1])


@pytest.mark.slow
def test_every_consistency_proof_up_to_256_leaves_holds_and_holds_for_its_own_roots_only() -> None:
    for new in range(1, MAX_LEAVES + 1):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, LEAVES[:new])
            assert merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)
            assert not merkle.verify_consistency(old, new, ROOTS[old - 1], ROOTS[new], proof)
            assert not merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new - 1], proof)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (4, 5), (3, 8), (6, 7), (200, 256)])
def test_a_proof_that_is_shortened_lengthened_or_altered_is_refused(index: int, size: int) -> None:
    proof = merkle.inclusion_proof(index, LEAVES[:size])
    altered = [[*proof, bytes(32)], proof[:-1] if proof else [b""], [bytes(32), *proof]]
    altered += [[*proof[:n], bytes(32), *proof[n + 1 :]] for n in range(len(proof))]
    assert not any(merkle.verify_inclusion(index, size, LEAVES[index], wrong, ROOTS[size]) for wrong in altered)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (4, 8), (3, 7), (6, 8), (7, 256), (255, 256)])
def test_a_consistency_proof_that_is_shortened_lengthened_or_altered_is_refused(old: int, new: int) -> None:
    proof = merkle.consistency_proof(old, LEAVES[:new])
    altered = [[*proof, bytes(32)], proof[:-1], [], [bytes(32), *proof]]
    altered += [[*proof[:n], bytes(32), *proof[n + 1 :]] for n in range(len(proof))]
    assert not any(merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], wrong) for wrong in altered)


def test_a_log_whose_past_was_rewritten_is_not_consistent() -> None:
    rewritten = [merkle.leaf_hash(b"another"), *LEAVES[1:8]]
    proof = merkle.consistency_proof(4, rewritten)
    assert not merkle.verify_consistency(4, 8, ROOTS[4], merkle.root(rewritten), proof)


def test_an_inner_node_cannot_pass_for_a_leaf() -> None:
    forged_entry = LEAVES[0] + LEAVES[1]
    assert merkle.verify_inclusion(0, 2, LEAVES[0], [LEAVES[1]], ROOTS[2])
    assert merkle.leaf_hash(forged_entry) != ROOTS[2]


def test_indices_and_sizes_outside_the_log_are_refused() -> None:
    for index in (-1, 3):
        with pytest.raises(IndexError, match="log of 3"):
            merkle.inclusion_proof(index, LEAVES[:3])
        assert not merkle.verify_inclusion(index, 3, LEAVES[0], [], ROOTS[3])
    for old in (0, 4):
        with pytest.raises(IndexError, match="log of 3"):
            merkle.consistency_proof(old, LEAVES[:3])
        assert not merkle.verify_consistency(old, 3, ROOTS[3], ROOTS[3], [])
