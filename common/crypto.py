"""Keys for one purpose each, derived from the installation's secrets; secrets at rest; keyed hashes."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


@lru_cache(maxsize=256)
def _derive(secrets: tuple[str, ...], purpose: str) -> tuple[bytes, ...]:
    info = b"pli:" + purpose.encode()
    return tuple(HKDF(SHA256(), 32, salt=None, info=info).derive(secret.encode()) for secret in secrets)


def derive_keys(purpose: str) -> tuple[bytes, ...]:
    """One 32-byte key per secret of the installation, in their order: the first makes, all of them check."""
    return _derive(tuple(settings.PLI_SECRET_KEYS), purpose)


@lru_cache(maxsize=8)
def _box(keys: tuple[bytes, ...]) -> MultiFernet:
    return MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])


def encrypt_secret(plain: str) -> str:
    """Seal a credential for storage in the database."""
    return _box(derive_keys("secrets at rest")).encrypt(plain.encode()).decode()


def decrypt_secret(sealed: str) -> str:
    """Open a stored credential; ``cryptography.fernet.InvalidToken`` when none of the installation's secrets fits."""
    return _box(derive_keys("secrets at rest")).decrypt(sealed).decode()


def reseal_secret(sealed: str) -> str:
    """Seal again under the first secret, so that an older one can be taken out of service."""
    return _box(derive_keys("secrets at rest")).rotate(sealed).decode()


def is_current(sealed: str) -> bool:
    """Whether the first secret opens it already."""
    try:
        Fernet(urlsafe_b64encode(derive_keys("secrets at rest")[0])).decrypt(sealed)
    except InvalidToken:
        return False
    return True


def keyed_hash(purpose: str, *values: str) -> str:
    """HMAC-SHA256 in hex over ``values``, under a key of its own for each purpose.

    Each value carries its length, so that ("ab", "c") differs from ("a", "bc").
    """
    return keyed_hashes(purpose, *values)[0]


def keyed_hashes(purpose: str, *values: str) -> tuple[str, ...]:
    """The same under each secret of the installation, in their order: what was written under an older one is found."""
    encoded = [value.encode("utf-8", "surrogatepass") for value in values]
    framed = b"".join(len(value).to_bytes(8) + value for value in encoded)
    return tuple(hmac.digest(key, framed, "sha256").hex() for key in derive_keys(f"hash {purpose}"))
