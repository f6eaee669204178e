"""The arithmetic of an append-only Merkle log: RFC 9162, section 2.1 (the tree of RFC 6962).

Works on leaf hashes, oldest first. Leaves and inner nodes are hashed with different prefixes, so that neither can
pass for the other. Knows nothing of what the entries mean (`logentry` does) nor of signatures over a root (`note`
does).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"
EMPTY_ROOT = hashlib.sha256().digest()  # RFC 9162, 2.1.1: the hash of an empty list is the hash of an empty string


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one log entry."""
    return hashlib.sha256(LEAF_PREFIX + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1: the root over all leaf hashes, in time linear in their number."""
    # peaks: roots of the perfect subtrees so far, largest first, each with its number of leaves.
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaf_hashes:
        size, node = 1, leaf
        while peaks and peaks[-1][0] == size:
            node = node_hash(peaks.pop()[1], node)
            size *= 2
        peaks.append((size, node))
    if not peaks:
        return EMPTY_ROOT
    node = peaks.pop()[1]
    while peaks:
        node = node_hash(peaks.pop()[1], node)
    return node


def inclusion_proof(index: int, leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1: the hashes that lead from leaf `index` to the root, lowest first."""
    if not 0 <= index < len(leaf_hashes):
        raise IndexError(f"no leaf {index} in a log of {len(leaf_hashes)}")
    if len(leaf_hashes) == 1:
        return []
    split = _split(len(leaf_hashes))
    left, right = leaf_hashes[:split], leaf_hashes[split:]
    if index < split:
        return [*inclusion_proof(index, left), root(right)]
    return [*inclusion_proof(index - split, right), root(left)]


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that `proof` leads to (RFC 9162, 2.1.3.2), or None where it fits no tree of this index and size."""
    if not 0 <= index < size:
        return None
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while not node & 1 and node:  # climb past levels where this node has no sibling
                node >>= 1
                last >>= 1
        else:
            found = node_hash(found, sibling)
        node >>= 1
        last >>= 1
    return found if last == 0 else None


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether `proof` shows that `leaf` (a leaf hash) is number `index` in the log of `size` leaves with this root."""
    return root_from_inclusion(index, size, leaf, proof) == expected_root


def consistency_proof(old_size: int, leaf_hashes: Sequence[bytes]) -> list[bytes]:
    """PROOF of RFC 9162, 2.1.4.1: shows that the log of `old_size` leaves is the beginning of this one."""
    if not 0 < old_size <= len(leaf_hashes):
        raise IndexError(f"no earlier log of {old_size} leaves in a log of {len(leaf_hashes)}")
    return _subproof(old_size, leaf_hashes, whole=True)


def _subproof(old_size: int, leaf_hashes: Sequence[bytes], *, whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1. `whole`: the root of these leaves is the old root, which the verifier holds."""
    if old_size == len(leaf_hashes):
        return [] if whole else [root(leaf_hashes)]
    split = _split(len(leaf_hashes))
    left, right = leaf_hashes[:split], leaf_hashes[split:]
    if old_size <= split:
        return [*_subproof(old_size, left, whole=whole), root(right)]
    return [*_subproof(old_size - split, right, whole=False), root(left)]


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the log with `old_root` begins the one with `new_root` (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    # Where the old log is a perfect tree, its root is the first node of the proof, and is left out of it.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`: how many leaves the left subtree holds."""
    return 1 << (size - 1).bit_length() - 1
