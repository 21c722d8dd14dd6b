"""Keys: signatures of RFC 8032, files that only their owner reads, and errors that say what to do."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ems.chain.key_files import load_key, load_public_key, make_key
from ems.chain.keys import KeyPurpose, PublicKey, SigningKey, simulation_key
from ems.errors import ChainError

# RFC 8032, 7.1, test 2
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = PublicKey("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_published_vector_is_met() -> None:
    key = SigningKey(private=Ed25519PrivateKey.from_private_bytes(SECRET))

    assert key.public == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert PUBLIC.verifies(b"\x72", SIGNATURE)


def test_only_the_exact_signature_over_the_exact_message_verifies() -> None:
    assert not PUBLIC.verifies(b"\x73", SIGNATURE)
    for text in (SIGNATURE.upper(), SIGNATURE[:-2], SIGNATURE[:-1] + "1", "", "00" * 64, SIGNATURE + "00"):
        assert not PUBLIC.verifies(b"\x72", text)


@pytest.mark.parametrize("text", ["", "ab", "G" * 64, PUBLIC.hex.upper(), PUBLIC.hex + "\n"])
def test_a_public_key_has_one_form(text: str) -> None:
    with pytest.raises(ChainError, match="64 lower-case hex digits"):
        PublicKey(text)


def test_the_key_of_simulations_is_the_same_everywhere_and_marked() -> None:
    key = simulation_key()

    assert key.purpose is KeyPurpose.SIMULATION
    assert key.key_id == simulation_key().key_id
    assert SigningKey.generate().purpose is KeyPurpose.SITE


def test_the_private_part_shows_in_no_text() -> None:
    assert "private" not in repr(simulation_key())


def test_a_key_comes_back_from_its_files(tmp_path: Path) -> None:
    made = make_key(tmp_path / "keys" / "ledger.key")

    assert stat.S_IMODE((tmp_path / "keys" / "ledger.key").stat().st_mode) == 0o600
    assert load_key(tmp_path / "keys" / "ledger.key").public == made.public
    assert load_public_key(tmp_path / "keys" / "ledger.pub") == made.public


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    make_key(tmp_path / "a.key")
    before = (tmp_path / "a.key").read_bytes()

    with pytest.raises(ChainError, match="exists already"):
        make_key(tmp_path / "a.key")

    assert (tmp_path / "a.key").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    make_key(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(mode)

    with pytest.raises(ChainError, match=f"mode 0{mode:o} .* chmod 600"):
        load_key(tmp_path / "a.key")


def test_a_public_key_is_read_from_hex_too(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_text(f"{PUBLIC.hex.upper()}\n")

    assert load_public_key(tmp_path / "a.pub") == PUBLIC


def test_files_without_the_right_key_are_refused(tmp_path: Path) -> None:
    foreign = generate_private_key(SECP256R1())
    pem = foreign.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = foreign.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    own = make_key(tmp_path / "own.key").private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    for content, words in ((b"", "no private key"), (pem, "not Ed25519"), (public, "no private key")):
        (tmp_path / "a.key").write_bytes(content)
        (tmp_path / "a.key").chmod(0o600)
        with pytest.raises(ChainError, match=words):
            load_key(tmp_path / "a.key")
    for content, words in (
        (b"", "no public key"),
        (public, "not Ed25519"),
        (own, "no public key"),
        (b"\xff", "no pub"),
    ):
        (tmp_path / "a.pub").write_bytes(content)
        with pytest.raises(ChainError, match=words):
            load_public_key(tmp_path / "a.pub")
    for load in (load_key, load_public_key):
        with pytest.raises(ChainError, match="cannot be read"):
            load(tmp_path / "missing")
