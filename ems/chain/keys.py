"""Ed25519 keys (RFC 8032): who signs, and whose signature it is."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ems.errors import ChainError

_PUBLIC_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE_HEX: Final = re.compile(r"[0-9a-f]{128}")
# the seed of the key that signs simulations; it is public on purpose: such a signature proves no author
_SIMULATION_SEED: Final = sha256(b"gpu-microgrid-ems: key of simulations, known to everybody").digest()


class KeyPurpose(StrEnum):
    """What a key signs."""

    SITE = "site"
    # results of `ems simulate`: everybody has the private part
    SIMULATION = "simulation"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public part, 32 bytes as 64 lower-case hex digits."""

    hex: str

    def __post_init__(self) -> None:
        """Check the form.

        Raises:
            ChainError: It is not 64 lower-case hex digits.
        """
        if not _PUBLIC_HEX.fullmatch(self.hex):
            raise ChainError("a public key is 64 lower-case hex digits (32 bytes, Ed25519)")

    @property
    def key_id(self) -> str:
        """Return the key's short name: the first 16 hex digits of the SHA-256 of its bytes."""
        return sha256(bytes.fromhex(self.hex)).hexdigest()[:16]

    def verifies(self, message: bytes, signature: str) -> bool:
        """Return whether a signature, 128 lower-case hex digits, is this key's over the message; never raises."""
        if not _SIGNATURE_HEX.fullmatch(signature):
            return False
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.hex))
            key.verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A private key with its purpose; its bytes never show in a text of it."""

    private: Ed25519PrivateKey = field(repr=False)
    purpose: KeyPurpose = KeyPurpose.SITE

    @classmethod
    def generate(cls) -> Self:
        """Return a fresh key of the machine's randomness, for a site."""
        return cls(private=Ed25519PrivateKey.generate())

    @property
    def public(self) -> PublicKey:
        """Return the public part."""
        return PublicKey(self.private.public_key().public_bytes_raw().hex())

    @property
    def key_id(self) -> str:
        """Return the key's short name."""
        return self.public.key_id

    def sign(self, message: bytes) -> str:
        """Return the signature over a message as 128 lower-case hex digits."""
        return self.private.sign(message).hex()


def simulation_key() -> SigningKey:
    """Return the key of all simulations, the same everywhere, so that a repeated run has the same bytes."""
    return SigningKey(private=Ed25519PrivateKey.from_private_bytes(_SIMULATION_SEED), purpose=KeyPurpose.SIMULATION)
