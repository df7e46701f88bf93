"""Keys that stand for rows in public addresses, and the signatures of tracked links."""

from __future__ import annotations

import hmac
import re
import secrets as random_source
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Sequence
from uuid import UUID

from common.crypto import derive_keys

SIGNATURE_BYTES = 12
MAX_LINK_NUMBER = 32_767  # a smallint in the hits

# 22 characters hold 132 bits, a key has 128: the last four must be zero, else two texts would name one key.
_KEY = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]", re.ASCII)


def new_key() -> UUID:
    """A key of 128 random bits. It says nothing about its row, nor when or in which order it was made (rule H3)."""
    return UUID(bytes=random_source.token_bytes(16))


def encode_key(key: UUID) -> str:
    """The 22 characters that stand for a key in an address."""
    return urlsafe_b64encode(key.bytes)[:22].decode()


def decode_key(text: str) -> UUID | None:
    """The key that ``encode_key`` wrote as ``text``, or None for anything else."""
    if _KEY.fullmatch(text) is None:
        return None
    return UUID(bytes=urlsafe_b64decode(text + "=="))


# From the alphabet of addresses to that of the decoder, whose own last two characters then mean nothing.
_ALPHABET = bytes.maketrans(b"-_+/", b"+/!!")


def decode_key_digits(text: str) -> str | None:
    """As ``decode_key``, but as 32 hexadecimal digits, and several times as fast: it stands in the way of every hit."""
    if len(text) != 22 or text[21] not in "AQgw":
        return None
    try:
        return a2b_base64(text.encode("ascii").translate(_ALPHABET) + b"==", strict_mode=True).hex()
    except ValueError:
        return None


def link_secrets() -> tuple[bytes, ...]:
    """The keys that sign links (the first) and verify them (all)."""
    return derive_keys("links")


def sign_link(key: UUID, number: int, destination: str, *, secrets: Sequence[bytes]) -> str:
    """The signature of one numbered link of one sent copy, by the first secret.

    The destination is signed as decoded text, since mail gateways change how an address is percent-encoded.
    """
    return _signature(secrets[0], _signed_bytes(key, number, destination))


def verify_link(key: UUID, number: int, destination: str, signature: str, *, secrets: Sequence[bytes]) -> bool:
    """Did one of ``secrets`` sign exactly this link? Takes as long for a wrong signature as for a right one."""
    if not 1 <= number <= MAX_LINK_NUMBER or not signature.isascii():
        return False
    try:
        signed = _signed_bytes(key, number, destination)
    except UnicodeEncodeError:  # half of a surrogate pair: we never signed that
        return False
    matches = [hmac.compare_digest(_signature(secret, signed), signature) for secret in secrets]
    return any(matches)


def _signed_bytes(key: UUID, number: int, destination: str) -> bytes:
    # Two fields of fixed length, then the rest: no two links share these bytes.
    return key.bytes + number.to_bytes(4) + destination.encode()


def _signature(secret: bytes, signed: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(secret, signed, "sha256")[:SIGNATURE_BYTES]).decode()
