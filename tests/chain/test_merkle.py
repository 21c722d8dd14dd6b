"""Merkle trees: the known roots of RFC 6962's tests, and proofs that prove one line only."""

from hashlib import sha256

import pytest

from ems.chain.merkle import inclusion_proof, merkle_root, proves

# the leaves of certificate transparency's reference tests
LEAVES = tuple(
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
)


@pytest.mark.parametrize(
    ("n_leaves", "root"),
    [
        (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ],
)
def test_roots_are_those_of_the_reference(n_leaves: int, root: str) -> None:
    assert merkle_root(LEAVES[:n_leaves]) == root


def test_no_lines_have_the_hash_of_nothing() -> None:
    assert merkle_root([]) == sha256(b"").hexdigest()


@pytest.mark.parametrize("n_lines", [1, 2, 3, 5, 8, 13])
def test_every_line_can_be_proven_and_no_other_in_its_place(n_lines: int) -> None:
    lines = [f"line {number}".encode() for number in range(n_lines)]
    root = merkle_root(lines)

    for index, line in enumerate(lines):
        proof = inclusion_proof(lines, index)
        assert proves(line, index=index, n_lines=n_lines, proof=proof, root=root)
        assert not proves(line + b"!", index=index, n_lines=n_lines, proof=proof, root=root)
        assert not proves(line, index=index, n_lines=n_lines, proof=(*proof, root), root=root)
        if n_lines > 1:
            assert not proves(line, index=(index + 1) % n_lines, n_lines=n_lines, proof=proof, root=root)
            assert not proves(line, index=index, n_lines=n_lines, proof=proof[:-1], root=root)
            assert not proves(line, index=index, n_lines=n_lines, proof=("zz", *proof[1:]), root=root)


def test_a_line_that_is_not_there_cannot_be_proven() -> None:
    with pytest.raises(IndexError):
        inclusion_proof([b"a"], 1)
    assert not proves(b"a", index=1, n_lines=1, proof=(), root=merkle_root([b"a"]))
