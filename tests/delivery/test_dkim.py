"""Signatures that another library verifies, over all that must not change on the way (rule D1)."""

from __future__ import annotations

from datetime import UTC, datetime

import dkim as verifier
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.dkim import Signer, load_key, new_key, record_of, says_the_same, sign
from delivery.mime import MessageHeaders, build_message

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEYS = {algorithm: new_key(algorithm) for algorithm in ("rsa", "ed25519")}


def signer(algorithm: str) -> Signer:
    return Signer("bread.example", f"pli-{algorithm}", load_key(KEYS[algorithm][0]))


def message(subject: str = "Pain", text: str = "Bonjour", name: str = "Zoë") -> bytes:
    headers = MessageHeaders(
        from_email="news@bread.example", from_name="Le fournil", to_email="zoe@example.org", to_name=name,
        reply_to="reply@bread.example", subject=subject, message_id="1@bread.example", date=NOW,
        unsubscribe_url="https://pli.example/u/abc", feedback_id="1:2:marketing:abc",
    )  # fmt: skip
    return build_message(headers, text=text, html=f"<p>{text}</p>")


def lookup(name: bytes, timeout: int = 5) -> bytes:
    selector = name.decode().partition("._domainkey")[0]
    algorithm = selector.removeprefix("pli-")
    return record_of(algorithm, KEYS[algorithm][1]).encode()


def is_good(data: bytes, index: int = 0) -> bool:
    return bool(verifier.DKIM(data).verify(idx=index, dnsfunc=lookup))


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@settings(max_examples=25, deadline=None)
@given(subject=st.text("abc éß日   x", min_size=1), text=st.text("ab é\n \t日"), name=st.text("abé日 ", max_size=20))
def test_d1_every_message_verifies_elsewhere(algorithm: str, subject: str, text: str, name: str) -> None:
    signed = sign(message(subject, text, name), [signer(algorithm)], now=NOW)
    assert is_good(signed)
    assert max(map(len, signed.split(b"\r\n"))) < 998


def test_d1_the_headers_for_unsubscribing_are_covered() -> None:
    signed = sign(message(), [signer("ed25519")], now=NOW)
    assert is_good(signed)
    for there, instead in (
        (b"https://pli.example/u/abc", b"https://evil.example/u/abc"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (b"1:2:marketing:abc", b"1:2:marketing:abd"),
        (b"Subject: Pain", b"Subject: Rein"),
    ):
        assert there in signed
        assert not is_good(signed.replace(there, instead))
    # Nor can a second sender be put above the first one.
    second = signed.replace(b"From: Le fournil", b"From: evil@evil.example\r\nFrom: Le fournil")
    assert not is_good(second)


def test_a_message_carries_both_signatures() -> None:
    signed = sign(message(), [signer("ed25519"), signer("rsa")], now=NOW)
    assert signed.count(b"DKIM-Signature:") == 2
    assert is_good(signed, 0)
    assert is_good(signed, 1)


def test_a_record_is_recognised_however_it_is_spaced() -> None:
    public = KEYS["rsa"][1]
    assert says_the_same(f"v=DKIM1;k=rsa;  p={public[:80]} {public[80:]} ; t=s", "rsa", public)
    assert says_the_same(f"p={public}", "rsa", public)
    assert not says_the_same(f"v=DKIM1; k=ed25519; p={public}", "rsa", public)
    assert not says_the_same("v=DKIM1; p=", "rsa", public)
    assert not says_the_same(record_of("rsa", new_key("rsa")[1]), "rsa", public)
