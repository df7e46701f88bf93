"""Keys in addresses and signatures of links (rules H3 and H4)."""

from __future__ import annotations

import string
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.keys import decode_key, encode_key, link_secrets, new_key, sign_link, verify_link

OLD, NEW, STRANGER = (bytes([n]) * 32 for n in (1, 2, 3))
KEY = UUID(int=0x0123456789ABCDEF0123456789ABCDEF)
URL = "https://bakery.example/bread?a=1&b=é#top"

all_keys = st.binary(min_size=16, max_size=16).map(lambda raw: UUID(bytes=raw))
bounded = settings(max_examples=100, derandomize=True, deadline=None)


@bounded
@given(key=all_keys)
def test_a_key_survives_its_address(key: UUID) -> None:
    text = encode_key(key)
    assert len(text) == 22
    assert decode_key(text) == key


@bounded
@given(text=st.text(alphabet=string.ascii_letters + string.digits + "-_=+/ é", max_size=24))
def test_only_the_one_text_of_a_key_is_read(text: str) -> None:
    key = decode_key(text)
    assert key is None or encode_key(key) == text


@pytest.mark.parametrize("change", ["", "A", "==", "\n", " "])
def test_text_of_another_length_is_no_key(change: str) -> None:
    text = encode_key(KEY)
    assert decode_key(text[:-1] if change == "" else text + change) is None


def test_spare_bits_make_no_second_text_for_a_key() -> None:
    text = encode_key(UUID(int=0))
    assert [last for last in string.ascii_letters if decode_key(text[:-1] + last)] == ["g", "w", "A", "Q"]


def test_all_bits_of_new_keys_vary() -> None:
    ones = [0] * 128
    for _ in range(400):
        number = new_key().int
        for bit in range(128):
            ones[bit] += number >> bit & 1
    assert min(ones) > 100
    assert max(ones) < 300


def test_a_signature_holds_for_its_link_only() -> None:
    signature = sign_link(KEY, 3, URL, secrets=[NEW])
    assert len(signature) == 16
    assert verify_link(KEY, 3, URL, signature, secrets=[NEW])
    assert not verify_link(KEY, 4, URL, signature, secrets=[NEW])
    assert not verify_link(KEY, 3, URL + "x", signature, secrets=[NEW])
    assert not verify_link(UUID(int=KEY.int + 1), 3, URL, signature, secrets=[NEW])


@pytest.mark.parametrize("edit", ["", "A" * 16, "é" * 16])
def test_an_edited_signature_is_refused(edit: str) -> None:
    assert not verify_link(KEY, 3, URL, edit, secrets=[NEW])


@bounded
@given(position=st.integers(0, 15), letter=st.sampled_from(string.ascii_letters + string.digits + "-_="))
def test_every_letter_of_a_signature_counts(position: int, letter: str) -> None:
    good = sign_link(KEY, 3, URL, secrets=[NEW])
    edited = good[:position] + letter + good[position + 1 :]
    assert verify_link(KEY, 3, URL, edited, secrets=[NEW]) == (edited == good)


def test_old_links_verify_after_a_rotation_until_their_secret_is_revoked() -> None:
    before = sign_link(KEY, 1, URL, secrets=[OLD])
    after = sign_link(KEY, 1, URL, secrets=[NEW, OLD])
    assert before != after
    assert verify_link(KEY, 1, URL, before, secrets=[NEW, OLD])
    assert verify_link(KEY, 1, URL, after, secrets=[NEW, OLD])
    assert not verify_link(KEY, 1, URL, before, secrets=[NEW])
    assert not verify_link(KEY, 1, URL, after, secrets=[STRANGER])


@pytest.mark.parametrize("number", [-1, 0, 32_768, 2**40])
def test_numbers_that_no_link_has_are_refused(number: int) -> None:
    assert not verify_link(KEY, number, URL, "A" * 16, secrets=[NEW])


def test_a_destination_that_is_no_text_is_refused() -> None:
    assert not verify_link(KEY, 1, "https://a.example/\ud800", "A" * 16, secrets=[NEW])


def test_links_are_signed_under_keys_of_their_own() -> None:
    assert all(len(secret) == 32 for secret in link_secrets())
