"""The key that signs checkpoints: Ed25519, in PEM files as OpenSSL reads them."""

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from vigie.errors import InvalidArgumentError, NotFoundError

MAX_PEM_BYTES = 16_384


def checkpoint_message(journal: str, through: int, head: str) -> bytes:
    """What a checkpoint signs: this text, without a line feed."""
    return f"vigie journal 1 {journal} {through} {head}".encode()


def sign(key: Ed25519PrivateKey, message: bytes) -> str:
    """The signature in base64."""
    return base64.b64encode(key.sign(message)).decode()


def holds(public: str, message: bytes, signature: str) -> bool:
    """Whether a signature is that of this key, both in base64, over this message."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def public_text(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """The 32 bytes of the public key, in base64: as the journal's lines bear it."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return base64.b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def make_key(path: Path) -> Ed25519PrivateKey:
    """Makes a key: `path` (readable by its owner alone), and `path` + `.pub` for whoever verifies.

    Raises: FileExistsError; an existing key is never overwritten.
    """
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write_new(path, text, 0o600)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write_new(path.with_name(path.name + ".pub"), public, 0o644)
    return key


def _write_new(path: Path, text: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def load_private(path: Path) -> Ed25519PrivateKey:
    """Reads the key that signs. Raises NotFoundError, InvalidArgumentError; no text repeats the file."""
    try:
        key = load_pem_private_key(_read(path), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidArgumentError("no Ed25519 private key in PEM without a passphrase", str(path))
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """Reads the key that verifies. Raises NotFoundError, InvalidArgumentError."""
    try:
        key = load_pem_public_key(_read(path))
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidArgumentError(
            "no Ed25519 public key in PEM; `vigie journal verify` needs the .pub file", str(path)
        )
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_PEM_BYTES)
    except OSError as error:
        raise NotFoundError(f"the key cannot be read: {error.strerror}", str(path)) from None
