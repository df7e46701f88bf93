"""Messages as bytes: what Django would have made, without a way out of a header."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from typing import cast

import pytest
from django.core.mail import EmailMultiAlternatives
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from delivery.mime import BodyTemplate, FilledBody, MessageHeaders, build_message

DATE = datetime(2026, 11, 22, 9, 30, tzinfo=timezone(timedelta(hours=1)))
UNSUBSCRIBE = "https://go.example/u/AAAAAAAAAAAAAAAAAAAABw"

bounded = settings(max_examples=300, derandomize=True, deadline=None)

# One line of text. Line breaks are refused; half surrogates cannot be encoded; noncharacters never are in text.
line = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cn")), max_size=120)
ascii_line = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)
body = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85"), min_size=1, max_size=400
)


def headers(**changes: object) -> MessageHeaders:
    fields: dict[str, object] = {
        "from_email": "news@bakery.example",
        "from_name": "Bäckerei Müller",
        "to_email": "ana@reader.example",
        "to_name": "Ana",
        "subject": "Bread",
        "message_id": "abc@bakery.example",
        "date": DATE,
        **changes,
    }
    return MessageHeaders(**fields)  # type: ignore[arg-type]


def parsed(message: bytes) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(message, policy=policy.default))


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(cast("MIMEPart", found).get_content()).replace("\r\n", "\n")


def from_django(given_headers: MessageHeaders, text: str, html: str) -> EmailMessage:
    def mailbox(name: str, address: str) -> str:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>' if name else address

    message = EmailMultiAlternatives(
        given_headers.subject,
        text,
        mailbox(given_headers.from_name, given_headers.from_email),
        [mailbox(given_headers.to_name, given_headers.to_email)],
        reply_to=[given_headers.reply_to] if given_headers.reply_to else None,
        headers={
            "Date": given_headers.date,
            "Message-ID": f"<{given_headers.message_id}>",
            "List-Unsubscribe": f"<{given_headers.unsubscribe_url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Feedback-ID": given_headers.feedback_id,
        },
    )
    message.attach_alternative(html, "text/html")
    return cast("EmailMessage", message.message())


def display_name(message: bytes, header: str) -> str:
    """The name in an address header, read as RFC 2047 says: white space between two encoded words is none.

    Python's newer parser puts a space there when they stand in an address.
    """
    raw = message_from_bytes(message)[header]
    if "?=\r\n =?" not in raw:
        return str(parsed(message)[header].addresses[0].display_name)
    return str(make_header(decode_header(raw.rpartition("<")[0].strip())))


SAME = ("Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID")


@bounded
@given(subject=line | ascii_line, name=line | ascii_line, text=body, html=body)
@example(subject="", name="", text=" ", html=" ")
@example(subject="Ça " * 60, name="Zoë " * 40, text="é\n", html="<p>\r\nx</p>")
@example(subject="word " * 40, name='O"Neil, \\ (Ann)', text=".\n..\n", html="a" * 3000)
@example(subject="x" * 300, name="x" * 300, text="x", html="x")
def test_a_message_parses_to_what_django_would_have_sent(subject: str, name: str, text: str, html: str) -> None:
    assume("=?" not in subject + name)  # which Django would take for an encoded word and decode; see below
    given_headers = headers(
        subject=subject.strip(),
        to_name=name.strip(),
        reply_to="help@bakery.example",
        unsubscribe_url=UNSUBSCRIBE,
        feedback_id="12:7:newsletter:pli",
    )
    message = build_message(given_headers, text=text, html=html)
    ours = parsed(message)
    django = from_django(given_headers, text, html)
    for header in SAME:
        assert str(ours[header]) == str(django[header]), header
    for header in ("From", "To"):
        assert display_name(message, header) == django[header].addresses[0].display_name
        assert ours[header].addresses[0].addr_spec == django[header].addresses[0].addr_spec
    assert sorted(ours.keys()) == sorted({*django.keys(), "MIME-Version"})
    assert ours.get_content_type() == django.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in ours.iter_parts()] == [p.get_content_type() for p in django.iter_parts()]
    for kind in ("plain", "html"):
        assert part(ours, kind).removesuffix("\n") == part(django, kind).removesuffix("\n")
    assert not ours.defects


def test_text_that_looks_like_an_encoded_word_stays_that_text() -> None:
    message = parsed(build_message(headers(subject="=?utf-8?q?x?=", to_name="=?utf-8?q?x?= y"), text="", html=""))
    assert message["Subject"] == "=?utf-8?q?x?="
    assert message["To"].addresses[0].display_name == "=?utf-8?q?x?= y"


@bounded
@given(subject=line | ascii_line, name=line)
def test_lines_end_as_in_mail_and_are_never_too_long(subject: str, name: str) -> None:
    message = build_message(headers(subject=subject, to_name=name, from_name=name), text=subject, html=name * 50)
    assert message.isascii()
    lines = message.split(b"\r\n")
    assert all(b"\r" not in one and b"\n" not in one for one in lines)
    assert max(map(len, lines)) <= 78
    assert all(len(one) <= 76 for one in lines if b"=?utf-8?" in one)


@pytest.mark.parametrize("breaker", ["\n", "\r", "\r\n", "\0", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize(
    "field",
    [
        "subject",
        "from_name",
        "to_name",
        "from_email",
        "to_email",
        "reply_to",
        "message_id",
        "unsubscribe_url",
        "feedback_id",
    ],
)
def test_no_field_can_start_another_header(field: str, breaker: str) -> None:
    value = f"a@b.example{breaker}Bcc: x@y.example"
    with pytest.raises(ValueError, match="header"):
        build_message(headers(**{field: value}), text="", html="")
    with pytest.raises(ValueError, match="header"):
        build_message(headers(**{field: f"a@b.example{breaker}"}), text="", html="")


NOT_ONE_ADDRESS = ["", "ana", "ana@", "@b.example", "a b@c.example", "a@b@c.example", "a@b.example>", "a@b.c, d@e.f"]
NOT_ONE_ADDRESS += ["zoë@b.example", "ana <a@b.example>", '"a"@b.example', ".a@b.example", f"a@{'é' * 100}.example"]


@pytest.mark.parametrize("address", NOT_ONE_ADDRESS)
def test_s10_an_address_that_is_not_exactly_one_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"header|label"):
        build_message(headers(to_email=address), text="", html="")


def test_domains_of_other_scripts_are_written_as_mail_servers_know_them() -> None:
    message = parsed(build_message(headers(to_email="ana@bäckerei.example"), text="", html=""))
    assert message["To"].addresses[0].addr_spec == "ana@xn--bckerei-5wa.example"


def test_headers_for_unsubscribing_come_together_or_not_at_all() -> None:
    with_them = parsed(build_message(headers(unsubscribe_url=UNSUBSCRIBE), text="", html=""))
    assert with_them["List-Unsubscribe"] == f"<{UNSUBSCRIBE}>"
    assert with_them["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    without = parsed(build_message(headers(), text="", html=""))
    assert not {"List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID", "Reply-To"} & set(without.keys())
    assert without["Date"].datetime.astimezone(UTC) == DATE


@bounded
@given(pieces=st.lists(st.tuples(st.text(max_size=300), st.text(max_size=60)), max_size=6), last=st.text(max_size=300))
@example(pieces=[("é" * 200, "x"), ("", "yy"), ("a" * 121, "")], last="z" * 400)
def test_a_body_pasted_together_decodes_to_its_text(pieces: list[tuple[str, str]], last: str) -> None:
    clean = [[text.replace("\r", "\n").encode("utf-8", "replace").decode() for text in pair] for pair in pieces]
    template = BodyTemplate(
        [*(static for static, _value in clean), last.replace("\r", "\n").encode("utf-8", "replace").decode()]
    )
    filled = FilledBody(template, [value for _static, value in clean])
    message = parsed(build_message(headers(), text=filled, html=str(filled)))
    assert part(message, "plain") == part(message, "html") == str(filled)
    again = FilledBody(template, [value + "!" for _static, value in clean])
    assert part(parsed(build_message(headers(), text=again, html="")), "plain") == str(again)
