"""Merkle trees after RFC 6962, section 2.1: one record can be proven without showing the others.

Leaves and nodes are hashed with different prefixes (0x00, 0x01), so that no node passes for a record.
"""

from collections.abc import Sequence
from hashlib import sha256


def merkle_root(lines: Sequence[bytes]) -> str:
    """Return the root over canonical lines, in hex; that of no lines is the hash of nothing."""
    if not lines:
        return sha256().hexdigest()
    return _root([_leaf(line) for line in lines]).hex()


def inclusion_proof(lines: Sequence[bytes], index: int) -> tuple[str, ...]:
    """Return the sibling hashes from the leaf up, in hex.

    Raises:
        IndexError: There is no such line.
    """
    if not 0 <= index < len(lines):
        raise IndexError(f"no line {index} of {len(lines)}")
    return tuple(node.hex() for node in _path([_leaf(line) for line in lines], index))


def proves(line: bytes, *, index: int, n_lines: int, proof: Sequence[str], root: str) -> bool:
    """Return whether a proof shows that `line` is number `index` of `n_lines` under `root` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < n_lines:
        return False
    node, position, last = _leaf(line), index, n_lines - 1
    for text in proof:
        if last == 0:
            return False
        try:
            sibling = bytes.fromhex(text)
        except ValueError:
            return False
        if position % 2 or position == last:
            node = _node(sibling, node)
            while position % 2 == 0 and position:
                position, last = position // 2, last // 2
        else:
            node = _node(node, sibling)
        position, last = position // 2, last // 2
    return last == 0 and node.hex() == root


def _leaf(line: bytes) -> bytes:
    return sha256(b"\x00" + line).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(n_leaves: int) -> int:
    """Return the largest power of two below the number of leaves."""
    return 1 << ((n_leaves - 1).bit_length() - 1)


def _root(leaves: Sequence[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    cut = _split(len(leaves))
    return _node(_root(leaves[:cut]), _root(leaves[cut:]))


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    cut = _split(len(leaves))
    if index < cut:
        return [*_path(leaves[:cut], index), _root(leaves[cut:])]
    return [*_path(leaves[cut:], index - cut), _root(leaves[:cut])]
