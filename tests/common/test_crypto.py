"""Keys for one purpose each, and secrets at rest that outlive a rotation."""

from __future__ import annotations

import pytest
from cryptography.fernet import InvalidToken
from pytest_django import Settings

from common.crypto import decrypt_secret, derive_keys, encrypt_secret, keyed_hash, reseal_secret


def test_each_purpose_and_each_secret_has_keys_of_its_own(settings: Settings) -> None:
    settings.PLI_SECRET_KEYS = ["new", "old"]
    keys = [*derive_keys("links"), *derive_keys("secrets at rest")]
    assert len(set(keys)) == 4
    assert {len(key) for key in keys} == {32}


def test_a_sealed_secret_opens_under_every_secret_in_service(settings: Settings) -> None:
    settings.PLI_SECRET_KEYS = ["old"]
    sealed = encrypt_secret("smtp pässword")
    assert "smtp" not in sealed
    settings.PLI_SECRET_KEYS = ["new", "old"]
    assert decrypt_secret(sealed) == "smtp pässword"
    resealed = reseal_secret(sealed)
    settings.PLI_SECRET_KEYS = ["new"]
    assert decrypt_secret(resealed) == "smtp pässword"
    with pytest.raises(InvalidToken):
        decrypt_secret(sealed)


def test_hashes_depend_on_purpose_secret_and_where_values_end(settings: Settings) -> None:
    settings.PLI_SECRET_KEYS = ["one"]
    hashes = {keyed_hash("limit", "ab", "c"), keyed_hash("limit", "a", "bc"), keyed_hash("other", "ab", "c")}
    assert keyed_hash("limit", "ab", "c") in hashes
    settings.PLI_SECRET_KEYS = ["two", "one"]
    hashes.add(keyed_hash("limit", "ab", "c"))
    assert len(hashes) == 4
