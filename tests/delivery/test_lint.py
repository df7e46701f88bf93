"""The privacy lint: a case that must be found and one that must pass for everything that it looks for."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from delivery.lint import Code, Finding, Recipient, lint_email
from delivery.lint.hosts import tracker_list, tracker_of
from delivery.rendering import BodyFormat, EmailSource, check_email, compile_email
from delivery.templating import TemplateError
from tests.support.emails import ANA, html_email, mjml, mjml_email

ADDRESS = "ana@reader.example"
PLAIN_IMAGE = '<img src="https://bakery.example/rye.jpg" width="600" height="300" alt="Rye">'


def person(number: int, email: str = "", **variables: Any) -> Recipient:
    urls = {
        "unsubscribe_url": f"https://go.example/u/U{number}",
        "preferences_url": f"https://go.example/p/P{number}",
        "consent_url": f"https://go.example/p/P{number}",
        "web_version_url": f"https://go.example/w/W{number}",
    }
    address = email or f"reader{number}@mail.example"
    about = {**ANA, "first_name": f"N{number}", "last_name": f"L{number}", "email": address, "attributes": {}}
    return Recipient(email=address, group="BE|fr", variables={**about, **variables}, urls=urls)


def lint(source: EmailSource | str, *recipients: Recipient, functional: tuple[str, ...] = ()) -> list[Finding]:
    email = html_email(source) if isinstance(source, str) else source
    try:
        compiled = compile_email(email)
    except TemplateError:
        compiled = None
    return lint_email(email, compiled, recipients=recipients or (person(1), person(2)), functional=functional)


def codes(*args: Any, **kwargs: Any) -> list[str]:
    return [finding.code.value for finding in lint(*args, **kwargs)]


# --- What is found, and what passes -----------------------------------------------------------------------------------

FOUND = [
    ("foreign_pixel", '<img src="https://x.example/o.php?c=12" width="1" height="1">'),
    ("foreign_pixel", "<img src='https://x.example/open/8f14e45fceea167a5a36dedd4bea2543.gif' width=1 height=1>"),
    ("foreign_pixel", '<img src="//x.example/o.php" style="width:1px;height:1px">'),
    ("foreign_pixel", '<div style="display:none"><p><img src="https://x.example/o?u=1"></p></div>'),
    ("foreign_pixel", '<img src="https://x.example/o.php" style="visibility: hidden">'),
    ("foreign_pixel", '<style>.p{display:none}</style><img class="p" src="https://x.example/o.php">'),
    ("foreign_pixel", '<img src="https://x.example/o.php" width="1">'),
    ("spacer", '<img src="https://bakery.example/spacer.gif" width="1" height="20">'),
    ("spacer", '<img src="https://bakery.example/pixel.gif" width="1" height="1" alt="">'),
    ("open_tracker", '<img src="https://eu.awstrack.me/I0/banner.png" width="600" height="90">'),
    ("open_tracker", '<td style="background-image:url(https://shop.list-manage.com/track/open.php)">x</td>'),
    ("click_tracker", '<a href="https://bakery.us1.list-manage.com/track/click?u=1">Bread</a>'),
    ("click_tracker", '<a href="https://r.sendibt3.com/tr/cl/abc">Bread</a>'),
    ("address_in_url", '<a href="https://bakery.example/?e={{ email }}">Bread</a>'),
    ("address_in_url", '<a href="https://bakery.example/?e={{ email | url_encode }}">Bread</a>'),
    ("attribute_in_url", '<a href="https://bakery.example/?n={{ first_name }}">Bread</a>'),
    ("attribute_in_url", '<a href="{{ attributes.link }}">Bread</a>'),
    ("attribute_in_url", '{% assign u = attributes.code | upcase %}<a href="https://bakery.example/{{ u }}">Bread</a>'),
    ("attribute_in_url", '<a href="https://b.example/{% if attributes.vip %}vip{% endif %}">Bread</a>'),
    ("link_differs", '{% if attributes.vip %}<a href="https://b.example/vip">Bread</a>{% endif %}'),
    ("resource_differs", '{% if first_name == "Ana" %}<img src="https://b.example/ana.png">{% endif %}'),
    ("resource_differs", '<img src="https://b.example/{{ first_name }}.png">'),
    ("resource_differs", '<img src="https://b.example/a.png" srcset="https://b.example/{{ email }}.png 2x">'),
    ("resource_differs", '<td background="https://b.example/{{ attributes.segment }}.png">x</td>'),
    ("resource_differs", '<p style="background:url(https://b.example/{{ last_name }}.png)">x</p>'),
    ("resource_differs", '{% assign who = email %}<img src="https://b.example/{{ who }}.png">'),
    ("key_in_url", '<a href="https://b.example/?back={{ preferences_url }}">Bread</a>'),
    ("key_in_url", '<a href="https://b.example/?page={{ web_version_url }}">Bread</a>'),
    ("resource_differs", '<img src="{{ web_version_url }}">'),
    ("attribute_in_url", '<a href="https://b.example/{{ data.order }}">Order</a>'),
    ("person_parameter", '<a href="https://b.example/?mc_eid=8f14e45fce">Bread</a>'),
    ("person_parameter", '<a href="https://b.example/?utm_source=x&amp;mkt_tok=ABC">Bread</a>'),
    ("web_font", '<link href="https://fonts.googleapis.com/css?family=Lato" rel="stylesheet">'),
    ("web_font", "<style>@font-face { font-family: L; src: url(https://f.example/l.woff2) }</style>"),
    ("remote_style", '<style>@import url("https://b.example/s.css");</style>'),
    ("remote_style", "<style><!-- @import 'https://b.example/s.css'; --></style>"),
    ("remote_style", '<link rel="stylesheet" href="https://b.example/s.css">'),
    ("form", '<form action="https://b.example/"><input name="q"></form>'),
    ("script", "<script>alert(1)</script>"),
    ("script", '<a href="https://b.example/" onclick="go()">Bread</a>'),
    ("script", '<a href="javascript:go()">Bread</a>'),
    ("embedded", '<iframe src="https://b.example/"></iframe>'),
    ("no_unsubscribe", '<div style="display:none"><a href="{{ unsubscribe_url }}">Out</a></div>'),
    ("no_unsubscribe", '<a href="{{ unsubscribe_url }}">&nbsp;</a>'),
    ("no_preferences", '<a href="{{ preferences_url }}" style="display:none">Choices</a>'),
    ("no_sender", '<p style="display:none">{{ legal_name }}, {{ legal_address }}</p>'),
]  # fmt: skip


@pytest.mark.parametrize(("code", "body"), FOUND)
def test_s1_s9_what_tells_others_about_a_reader_is_found(code: str, body: str) -> None:
    assert code in codes(f"<p>Hello {{{{ first_name }}}}</p>{body}")


@pytest.mark.parametrize(
    "body",
    [
        PLAIN_IMAGE,
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" width="1" height="1">',
        '<img src="cid:logo" width="1" height="1">',
        f'<p style="max-width:600px;opacity:0.9;font-size:0">{PLAIN_IMAGE}</p>',
        '<a href="https://bakery.example/?utm_source=news&amp;utm_medium=email">Bread</a>',
        '<a href="https://bakery.example/{{ country | downcase }}/{{ locale }}">Bread</a>',
        '{% if locale == "fr" %}<a href="https://bakery.example/fr">Pain</a>{% endif %}',
        '{% if first_name %}Hello {{ first_name }}{% else %}Hello{% endif %} <a href="https://b.example/">Bread</a>',
        '{% if attributes.vip %}<a href="{{ preferences_url }}">Choices</a>{% endif %}',
        '<a href="mailto:shop@bakery.example">Write to us</a>',
        '<!-- <img src="https://x.example/o.php?c=12" width="1" height="1"> --><p>Hi</p>',
        '{% comment %}<script>old</script>{% endcomment %}<p>Hi</p>',
        "<style>@media (max-width:600px) { .c { width: 100% !important } }</style><p>Hi</p>",
        "<style>@font-face { font-family: L; src: url(data:font/woff2;base64,AAAA) }</style>",
        '<a href="https://awstrack.me.bakery.example/">Bread</a>',
        '<a href="https://www.facebook.com/trees">Bread</a>',
        '<p>{{ legal_name }}<br>{{ legal_address | newline_to_br }}</p>',
        '<a href="{{ unsubscribe_url }}"><img src="https://b.example/out.png" alt="Out"></a>',
        '<a href="{{ web_version_url }}">In your browser</a>',
        "<p>Order {{ data.order }}</p>",
    ],
)  # fmt: skip
def test_what_tells_nobody_anything_passes(body: str) -> None:
    assert lint(f"<p>Hello {{{{ first_name }}}}</p>{body}") == []


def test_a_spacer_is_a_remark_and_everything_else_an_error() -> None:
    assert all(
        finding.is_error is (finding.code is not Code.SPACER)
        for code, body in FOUND
        for finding in lint(body)
        if finding.code == code
    )


def test_every_finding_has_a_sentence_and_a_cure() -> None:
    for code in Code:
        finding = Finding(code, what="Somebody")
        assert finding.sentence
        assert "%(" not in finding.sentence + finding.cure
        assert finding.cure


# --- An address in a URL, however it is written (rule H3) -------------------------------------------------------------


def spellings(address: str) -> list[str]:
    data = address.encode()
    encoded = base64.b64encode(data).decode()
    return [
        address,
        address.upper(),
        address.replace("@", "%40"),
        address.replace("@", "%2540"),
        encoded,
        encoded.rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
        data.hex(),
        data.hex().upper(),
        hashlib.md5(data, usedforsecurity=False).hexdigest(),
        hashlib.sha1(data, usedforsecurity=False).hexdigest().upper(),
        hashlib.sha256(data).hexdigest(),
    ]


@pytest.mark.parametrize("text", spellings(ADDRESS))
def test_h3_an_address_in_a_link_is_found_in_every_spelling_even_in_a_declared_link(text: str) -> None:
    link = "https://bakery.example/me?x={{ attributes.token }}"
    ana = person(1, ADDRESS, attributes={"token": text})
    assert codes(f'<a href="{link}">Me</a>', ana, person(2), functional=(link,)) == ["address_in_url"]
    other = person(1, ADDRESS, attributes={"token": "N0-1"})
    assert codes(f'<a href="{link}">Me</a>', other, person(2), functional=(link,)) == []


def test_h3_an_address_in_the_plain_text_is_found_there() -> None:
    source = html_email("<p>Hi</p>", text="Hello,\nhttps://bakery.example/?e={{ email }}")
    (finding, *_more) = lint(source)
    assert (finding.code, finding.field, finding.line, finding.column) == (Code.ADDRESS_IN_URL, "text", 2, 1)


# --- Functional links -------------------------------------------------------------------------------------------------


def test_a_link_that_is_declared_functional_may_carry_what_it_needs() -> None:
    link = "https://bakery.example/voucher?code={{ attributes.voucher }}&x=1"
    body = f'<a href="{link.replace("&", "&amp;")}">Take it</a>'
    people = person(1, attributes={"voucher": "A"}), person(2, attributes={"voucher": "B"})
    assert codes(body, *people) == ["attribute_in_url"]
    assert codes(body, *people, functional=(link,)) == []
    assert codes(body, *people, functional=("https://bakery.example/voucher?code={{attributes.voucher}}&x=1",)) == []
    assert codes(body, *people, functional=("https://bakery.example/",)) == ["attribute_in_url"]


# --- Copies that must be the same (rule S9) ---------------------------------------------------------------------------


def test_s9_what_only_rendering_shows_is_found_at_its_place() -> None:
    """No variable of a person stands in the link: what it holds was put together before."""
    body = (
        "<p>Hi</p>\n{% capture address %}https://bakery.example/{% cycle 'a', 'b' %}{% endcapture %}\n"
        '<a href="https://bakery.example/x?{{ campaign.name }}">Bread</a>'
    )
    one, other = person(1, campaign={"name": "A"}), person(2, campaign={"name": "B"})
    (finding,) = [one for one in lint(body, one, other) if one.field == "body"]
    assert (finding.code, finding.line, finding.column) == (Code.LINK_DIFFERS, 3, 10)
    assert lint(body, one, person(3, campaign={"name": "A"})) == []


def test_s9_people_of_other_countries_and_languages_may_see_other_links() -> None:
    body = '<a href="https://bakery.example/{{ locale }}">Bread</a>'
    french, german = person(1, locale="fr"), replace(person(2, locale="de"), group="BE|de")
    assert lint(body, french, german) == []
    assert codes(body, french, replace(german, group="BE|fr")) == ["link_differs"]


# --- Where it stands --------------------------------------------------------------------------------------------------


def test_the_place_is_that_in_the_mjml_which_the_author_wrote() -> None:
    body = mjml('<mj-text>Hi</mj-text>\n  <mj-image width="1px" src="https://x.example/o.php" />')
    (finding,) = lint(html_email(body, body_format=BodyFormat.MJML))
    assert (finding.code, finding.line, finding.column) == (Code.FOREIGN_PIXEL, 7, 3)
    assert finding.snippet == '<mj-image width="1px" src="https://x.example/o.php" />'
    assert str(finding).startswith("line 7, column 3: A hidden or one-pixel image")


def test_mjml_tags_are_known_to_load_and_to_link() -> None:
    font = '<mj-font name="Lato" href="https://fonts.example/lato.css" />'
    assert codes(mjml_email("<mj-text>x</mj-text>", font)) == ["web_font"]
    assert "attribute_in_url" in codes(mjml_email('<mj-button href="https://b.example/{{ last_name }}">x</mj-button>'))
    assert "resource_differs" in codes(mjml_email('<mj-image src="https://b.example/{{ last_name }}.png" />'))
    style = "<mj-style>@import url(https://b.example/s.css);</mj-style>"
    assert codes(mjml_email("<mj-text>x</mj-text>", style)) == ["remote_style"]
    assert codes(mjml_email('<mj-text>Hi</mj-text><mj-image src="https://b.example/a.png" alt="A" />')) == []


def test_what_cannot_be_compiled_is_looked_through_all_the_same() -> None:
    assert codes('{% if %}<img src="https://x.example/o.php?c=1" width="1" height="1"><script>x</script>') == [
        "foreign_pixel",
        "script",
    ]


def test_problems_of_liquid_and_mjml_are_said_together() -> None:
    source = mjml_email("<mj-text>{{ nme }}</mj-text>\n<mj-buton>x</mj-buton>\n<mj-foo>x</mj-foo>", subject="{{ x }}")
    assert [(problem.field, problem.line) for problem in check_email(source)] == [
        ("subject", 1),
        ("body", 6),
        ("body", 7),
        ("body", 8),
    ]
    swallowed = mjml_email("<mj-text>{{ first_name</mj-text><mj-foo>x</mj-foo>")
    assert len(check_email(swallowed)) == 1


# --- The list of trackers ---------------------------------------------------------------------------------------------


def test_the_list_of_trackers_is_dated_and_every_entry_has_its_source() -> None:
    known = tracker_list()
    assert known.as_of.year >= 2026
    assert all(tracker.hosts and tracker.source and tracker.counts <= {"opens", "clicks"} for tracker in known.trackers)


def test_a_host_counts_with_all_below_it_and_no_other() -> None:
    assert tracker_of("https://a.b.awstrack.me/x", "opens") is tracker_of("https://AWSTRACK.me", "clicks") is not None
    assert tracker_of("https://notawstrack.me/", "opens") is None
    assert tracker_of("https://bakery.example/?to=awstrack.me", "opens") is None
    assert tracker_of("https://www.facebook.com/tr?id=1", "opens") is not None
    assert tracker_of("https://www.facebook.com/bakery", "opens") is None
    assert tracker_of("https://[bad", "opens") is None
