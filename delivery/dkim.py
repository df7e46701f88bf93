"""DKIM signatures (RFC 6376, RFC 8463) over messages of ours.

The libraries for this sign with Python's integers, at fifteen times the price of what ``cryptography`` takes for the
same signature; what is left is to put headers into their canonical form. dkimpy verifies the result in the tests.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

# Covered where they stand in the message; From twice, so that nobody adds a second one.
SIGNED = (
    b"from", b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type",
    b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id",
)  # fmt: skip
_SPACE = re.compile(rb"[ \t]+")
_LINE = 72


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs for a domain."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey


def new_key(algorithm: str) -> tuple[str, str]:
    """A private key as PEM, and its public half as it stands in a DNS record."""
    if algorithm == "ed25519":
        edwards = Ed25519PrivateKey.generate()
        public = edwards.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return _pem(edwards), b64encode(public).decode()
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    public = rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _pem(rsa), b64encode(public).decode()


def _pem(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@lru_cache(maxsize=64)
def load_key(pem: str) -> RSAPrivateKey | Ed25519PrivateKey:
    """The key of a PEM; reading and checking one takes far longer than signing."""
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise TypeError("not a key that signs mail")
    return key


def record_of(algorithm: str, public_key: str) -> str:
    """The text of the DNS record that lets everybody check what the key signed."""
    return f"v=DKIM1; k={algorithm}; p={public_key}"


def says_the_same(found: str, algorithm: str, public_key: str) -> bool:
    """Whether a record in the DNS, however it is spaced, holds this key."""
    tags = dict(tag.strip().split("=", 1) for tag in found.split(";") if "=" in tag)
    cleaned = {name.strip(): "".join(value.split()) for name, value in tags.items()}
    if cleaned.get("k", "rsa") != algorithm or not cleaned.get("p"):
        return False
    try:
        return b64decode(cleaned["p"]) == b64decode(public_key)
    except ValueError:
        return False


def sign(data: bytes, signers: Sequence[Signer], *, now: datetime) -> bytes:
    """``data`` with one signature above it for each signer."""
    head, _, body = data.partition(b"\r\n\r\n")
    headers = [_relaxed(field) for field in re.split(rb"\r\n(?![ \t])", head)]
    digest = b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
    lines = [_signature(headers, digest, signer, now=now) for signer in signers]
    return b"".join([*lines, data])


def _relaxed(field: bytes) -> tuple[bytes, bytes]:
    """Name and value in the canonical form (RFC 6376, 3.4.2)."""
    name, _, value = field.partition(b":")
    return name.strip().lower(), _SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    """The canonical form (RFC 6376, 3.4.4). What we write ourselves is nearly in it: only its end is looked at."""
    if b"  " in body or b"\t" in body or b" \r\n" in body:
        body = _SPACE.sub(b" ", body).replace(b" \r\n", b"\r\n")
    body = body.rstrip(b"\r\n ")
    return body + b"\r\n" if body else b""


def _signature(headers: Sequence[tuple[bytes, bytes]], digest: str, signer: Signer, *, now: datetime) -> bytes:
    present = dict(headers)
    names = [name for name in SIGNED if name in present]
    algorithm = "rsa-sha256" if isinstance(signer.key, RSAPrivateKey) else "ed25519-sha256"
    value = (
        f"v=1; a={algorithm}; c=relaxed/relaxed; d={signer.domain}; s={signer.selector}; t={int(now.timestamp())};\r\n"
        f" h={':'.join(name.decode() for name in names)};\r\n"
        f" bh={digest};\r\n b="
    )
    # The second From is the one that is not there; it counts as nothing.
    covered = [b"%b:%b\r\n" % (name, present[name]) for name in dict.fromkeys(names)]
    covered.append(b"dkim-signature:" + _relaxed(b"x:" + value.encode())[1])
    signature = b64encode(_sign_bytes(signer, b"".join(covered))).decode()
    folded = "\r\n ".join(signature[start : start + _LINE] for start in range(0, len(signature), _LINE))
    return f"DKIM-Signature: {value}{folded}\r\n".encode()


def _sign_bytes(signer: Signer, covered: bytes) -> bytes:
    if isinstance(signer.key, RSAPrivateKey):
        return signer.key.sign(covered, PKCS1v15(), SHA256())
    return signer.key.sign(hashlib.sha256(covered).digest())
