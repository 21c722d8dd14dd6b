"""Keys in files: the private part in PEM (PKCS #8), readable by its owner only; the public part in PEM or hex."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from ems.chain.keys import PublicKey, SigningKey
from ems.errors import ChainError

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OWNER_ONLY: Final = 0o600


def make_key(file: Path) -> SigningKey:
    """Make a key and write it to a new file with mode 0600, and its public part beside it as `<name>.pub`.

    Raises:
        ChainError: The file exists already, or cannot be written.
    """
    key = SigningKey.generate()
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_new(file, pem, mode=_OWNER_ONLY)
    except FileExistsError as error:
        raise ChainError(f"{file}: exists already; a key is never overwritten: choose another name") from error
    except OSError as error:
        raise ChainError(f"{file}: cannot be written ({error}); check the directory") from error
    write_public_key(file.with_suffix(".pub"), key.public)
    return key


def load_key(file: Path) -> SigningKey:
    """Return the private key of a file.

    Raises:
        ChainError: It is not there, others may read or write it, or it holds no Ed25519 private key.
    """
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if mode & _OTHERS:
                raise ChainError(
                    f"{file}: mode {stat.S_IMODE(mode):04o} lets others at the private key; chmod 600 {file}, "
                    f"and make a new key if others could have read it"
                )
            pem = opened.read()
    except OSError as error:
        raise ChainError(f"{file}: cannot be read ({error}); make it with a new key or check its owner") from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ChainError(
            f"{file}: holds no private key in PEM without password; restore it or make a new key"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ChainError(f"{file}: holds a key that is not Ed25519; make a new key")
    return SigningKey(private=key)


def write_public_key(file: Path, key: PublicKey) -> None:
    """Write a public key in PEM, over what is there.

    Raises:
        ChainError: The file cannot be written.
    """
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.hex))
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        file.write_bytes(pem)
    except OSError as error:
        raise ChainError(f"{file}: cannot be written ({error}); check the directory") from error


def load_public_key(file: Path) -> PublicKey:
    """Return the public key of a file: PEM, or 64 hex digits.

    Raises:
        ChainError: It cannot be read, or holds no Ed25519 public key (a private key is refused, too).
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ChainError(f"{file}: cannot be read ({error}); name a file with the public key") from error
    with suppress(ChainError, UnicodeDecodeError):
        return PublicKey(content.decode("ascii").strip().lower())
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ChainError(f"{file}: holds no public key; allowed: PEM (BEGIN PUBLIC KEY) or 64 hex digits") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ChainError(f"{file}: holds a public key that is not Ed25519")
    return PublicKey(key.public_bytes_raw().hex())


def _write_new(file: Path, content: bytes, *, mode: int) -> None:
    """Write a file that must not exist: all of it on the disk, or none; the mode holds whatever the umask."""
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(handle, mode)
        os.write(handle, content)
        os.fsync(handle)
        # a link, unlike a renaming, never replaces what is there
        file.hardlink_to(unfinished)
    finally:
        os.close(handle)
        unfinished.unlink()
