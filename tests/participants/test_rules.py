"""Addresses, countries and languages as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from participants.rules import (
    AddressError,
    EmailFault,
    normalise_email,
    parse_country,
    parse_email,
    parse_locale,
    valid_email,
)


@pytest.mark.parametrize(
    ("text", "email", "norm"),
    [
        ("ana@bakery.example", "ana@bakery.example", "ana@bakery.example"),
        ("Ana.Silva+News@Bakery.Example", "Ana.Silva+News@Bakery.Example", "ana.silva+news@bakery.example"),
        ("  ana@bakery.example ", "ana@bakery.example", "ana@bakery.example"),
        ("\u00a0ana@bakery.example\u200b", "ana@bakery.example", "ana@bakery.example"),
        ("ana@bäckerei.example", "ana@xn--bckerei-5wa.example", "ana@xn--bckerei-5wa.example"),
        ("ana@xn--bckerei-5wa.example", "ana@xn--bckerei-5wa.example", "ana@xn--bckerei-5wa.example"),
        ("o'brien_x%y@a-b.co.uk", "o'brien_x%y@a-b.co.uk", "o'brien_x%y@a-b.co.uk"),
    ],
)
def test_an_address_is_kept_as_mail_servers_take_it(text: str, email: str, norm: str) -> None:
    assert parse_email(text) == (email, norm)
    assert normalise_email(text) == norm
    assert valid_email(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", EmailFault.EMPTY),
        ("  \u200b ", EmailFault.EMPTY),
        ("ana@bakery.example\n", EmailFault.LINE_BREAK),
        ("ana@bakery.example\r\nBcc: x@evil.example", EmailFault.LINE_BREAK),
        ("ana\x00@bakery.example", EmailFault.LINE_BREAK),
        ("ana", EmailFault.NO_AT),
        ("josé@bakery.example", EmailFault.NOT_ASCII),
        ("a" * 65 + "@bakery.example", EmailFault.TOO_LONG),
        ("ana@" + "a." * 130 + "example", EmailFault.TOO_LONG),
        ("ana@bakery", EmailFault.NOT_AN_ADDRESS),
        ("ana@bakery.e", EmailFault.NOT_AN_ADDRESS),
        ("ana@1.2.3.4", EmailFault.NOT_AN_ADDRESS),
        ("ana@[1.2.3.4]", EmailFault.NOT_AN_ADDRESS),
        ("ana@@bakery.example", EmailFault.NOT_AN_ADDRESS),
        ("ana..b@bakery.example", EmailFault.NOT_AN_ADDRESS),
        (".ana@bakery.example", EmailFault.NOT_AN_ADDRESS),
        ("ana b@bakery.example", EmailFault.NOT_AN_ADDRESS),
        ('"ana b"@bakery.example', EmailFault.NOT_AN_ADDRESS),
        ("Ana <ana@bakery.example>", EmailFault.NOT_AN_ADDRESS),
        ("ana@-bakery.example", EmailFault.NOT_AN_ADDRESS),
        ("ana@bakery-.example", EmailFault.NOT_AN_ADDRESS),
        ("ana@bak_ery.example", EmailFault.NOT_AN_ADDRESS),
        ("ana@xn--a.example", EmailFault.NOT_AN_ADDRESS),
    ],
)
def test_what_mail_servers_refuse_is_refused_with_its_reason(text: str, fault: EmailFault) -> None:
    with pytest.raises(AddressError) as raised:
        parse_email(text)
    assert raised.value.fault is fault
    assert not valid_email(text)


def test_what_is_no_address_is_normalised_as_well_as_can_be() -> None:
    assert normalise_email("  Nobody ") == "nobody"


@given(st.text(max_size=80))
def test_whatever_is_accepted_is_ascii_on_one_line_and_stays_itself(text: str) -> None:
    try:
        address = parse_email(text)
    except AddressError:
        return
    assert address.email.isascii()
    assert address.email.isprintable()
    assert parse_email(address.email) == address
    assert normalise_email(address.norm) == address.norm


@pytest.mark.parametrize(
    ("text", "code"),
    [("FR", "FR"), ("fr ", "FR"), ("FRA", "FR"), ("uk", "GB"), ("GBR", "GB"), ("el", "GR"), ("", ""), ("  ", "")],
)
def test_countries_are_read_from_two_and_three_letters(text: str, code: str) -> None:
    assert parse_country(text) == code


@pytest.mark.parametrize("text", ["France", "XX", "ZZ", "1"])
def test_what_is_no_country_code_is_none(text: str) -> None:
    assert parse_country(text) is None


@pytest.mark.parametrize(
    ("text", "tag"),
    [("fr", "fr"), ("FR_be", "fr-BE"), ("zh-hant-tw", "zh-Hant-TW"), ("", ""), ("nl-be ", "nl-BE")],
)
def test_languages_are_read_as_tags(text: str, tag: str) -> None:
    assert parse_locale(text) == tag


@pytest.mark.parametrize("text", ["french", "f", "fr.UTF-8", "fr-be-x-something"])
def test_what_is_no_language_is_none(text: str) -> None:
    assert parse_locale(text) is None
