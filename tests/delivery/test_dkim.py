"""Signatures that another library verifies, over all that must not change on the way (rule D1)."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import dkim as verifier
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.dkim import Signer, load_key, new_key, record_of, says_the_same, sign
from delivery.mime import MessageHeaders, build_message
from delivery.signing import check_dkim_key, create_dkim_key, record_name, record_text, signers_of
from tests.support.cast import Cast

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


class _Name(socketserver.BaseRequestHandler):
    """A name server that knows one record."""

    def handle(self) -> None:
        data, sock = self.request
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name
        text = self.server.records.get(name.to_text(omit_final_dot=True))
        if text is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            quoted = " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", quoted))
        sock.sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def names() -> Iterator[socketserver.UDPServer]:
    server = socketserver.UDPServer(("127.0.0.1", 0), _Name)
    server.records = {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.django_db
@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_key_signs_once_its_record_was_seen(cast: Cast, names: socketserver.UDPServer, algorithm: str) -> None:
    bakery = cast.bakery
    key = create_dkim_key(bakery, "bread.example", algorithm=algorithm, now=NOW)
    ask = {"nameservers": ["127.0.0.1"], "port": names.server_address[1]}
    assert not check_dkim_key(bakery, key, now=NOW, **ask)
    assert key.check_words == "There is no such record yet."
    names.records[record_name(key)] = record_of(algorithm, new_key(algorithm)[1])
    assert not check_dkim_key(bakery, key, now=NOW, **ask)
    assert "another key" in key.check_words
    assert signers_of(bakery) == {}
    names.records[record_name(key)] = record_text(key)
    assert check_dkim_key(bakery, key, now=NOW, **ask)
    (found,) = signers_of(bakery)["bread.example"]
    assert found.selector == key.selector
    # Without a network nothing is known, so nothing changes.
    names.shutdown()
    assert not check_dkim_key(bakery, key, now=NOW, nameservers=["127.0.0.1"], port=1)
    assert "No name server could be asked" in key.check_words
    assert signers_of(bakery) != {}
