"""What goes into a measured copy, and that nothing goes into any other (rules S1, S3, S9, H4)."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.keys import decode_key, verify_link
from tracking.instrument import (
    NOT_MEASURED,
    Measurement,
    Utm,
    add_utm,
    compile_html,
)
from tracking.rules import is_web_address, readings

KEY = UUID(int=7)
SECRETS = (b"s" * 32,)
CLICKS = Measurement("https://go.example", clicks_key=KEY, secrets=SECRETS)
OPENS = Measurement("https://go.example", opens_key=KEY, secrets=SECRETS)
UTM = Utm(source="bakery.example", medium="email", campaign="Spring & more")

bounded = settings(max_examples=200, derandomize=True, deadline=None)

NEWSLETTER = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:v="urn:schemas-microsoft-com:vml"><HEAD><title><a href="https://t.example/">
</title><style>a[href="https://css.example/"] > b { background: url(https://css.example/x.png) }</style>
<!--[if !mso]><!--><meta content="IE=edge" /><!--<![endif]-->
<script>if (1 < 2 && 3 > 2) { x = '<a href="https://script.example/">' }</script></HEAD>
<body class=plain><!-- <a href="https://comment.example/">no</a> --><!----><!--> <!--->
<p>&copy; 2026 &nbsp;caf\u00e9 &eacute; < > "quotes"</p>
<a href="https://a.example/?x=1&amp;copy=2&y=%20#top" title="5 > 4">First &amp; <b>best</b></a>
<A HREF = 'http://b.example/' >Second</A>
<a class=x href=https://c.example/path target=_blank><img alt="Third  bread" src="https://c.example/i.png"/></a>
<!--[if mso]><v:roundrect href="https://vml.example/buy" arcsize="5%"><center>Buy</center></v:roundrect><![endif]-->
<!--[if !mso]><!--><a href="https://vml.example/buy">Buy</a><!--<![endif]-->
<map name="m"><area shape="rect" alt="Shop" href="https://area.example/"></map>
<a href="mailto:shop@bakery.example">Write</a> <a href="tel:+3212345">Call</a> <a href="#top">Top</a>
<a name="top">Top</a>
<a href="{{ unsubscribe_url }}">Unsubscribe</a> <a href="https://shop.example/{{ attributes.code }}">Yours</a>
<a href="https://left.example/" data-pli-track="no">Left alone</a> <a href="//d.example/">No scheme</a>
<a href="javascript:alert(1)">JS</a> <a href="{% if a > b %}https://e.example/{% endif %}">Either</a>
<a title="{{ first_name | default: "you" }}" href="https://f.example/">Last</a>
</body ></html>
"""


def links(html: str) -> list[tuple[str, str]]:
    return [(link.destination, link.label) for link in compile_html(html).links]


class _Reader(HTMLParser):
    """What an independent parser finds: the hrefs in their order, and the images."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.hrefs: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value or "" for name, value in attrs if name == "href"]
        if tag == "img":
            self.images.append(dict(attrs))


def test_s1_an_unmeasured_copy_is_byte_for_byte_what_was_written() -> None:
    assert compile_html(NEWSLETTER).fill(NOT_MEASURED) == NEWSLETTER


def test_links_are_found_where_mail_clients_find_them() -> None:
    assert links(NEWSLETTER) == [
        ("https://a.example/?x=1&copy=2&y=%20#top", "First & best"),
        ("http://b.example/", "Second"),
        ("https://c.example/path", "Third bread"),
        ("https://vml.example/buy", "Buy"),
        ("https://vml.example/buy", "Buy"),
        ("https://area.example/", "Shop"),
        ("https://f.example/", "Last"),
    ]


def test_a_measured_copy_differs_in_the_addresses_of_its_links_only() -> None:
    template = compile_html(NEWSLETTER)
    filled = template.fill(CLICKS)
    originals = {str(link.number): link.original for link in template.links}
    back = re.sub(r"https://go\.example/c/[^/]+/(\d+)/[^\s\"'>]*", lambda match: originals[match[1]], filled)
    assert back == NEWSLETTER
    assert filled.count("https://go.example/c/") == 7


def test_h4_every_tracked_link_is_signed_for_its_number_and_destination() -> None:
    template = compile_html(NEWSLETTER)
    found = re.findall(r"https://go\.example/c/([^/]+)/(\d+)/([^?]+)\?to=([^\s\"'>]+)", template.fill(CLICKS))
    assert [int(number) for _key, number, _signature, _to in found] == [1, 2, 3, 4, 5, 6, 7]
    for (key, number, signature, to), link in zip(found, template.links, strict=True):
        assert decode_key(key) == KEY
        assert unquote(to) == link.destination
        assert verify_link(KEY, int(number), link.destination, signature, secrets=SECRETS)


def test_opens_and_clicks_are_put_in_apart() -> None:
    template = compile_html(NEWSLETTER)
    assert "/c/" not in template.fill(OPENS)
    assert "/o/" not in template.fill(CLICKS)
    both = template.fill(Measurement("https://go.example", KEY, KEY, SECRETS))
    assert both.count("/o/") == 1
    assert both.count("/c/") == 7


def test_the_pixel_is_the_last_thing_in_the_body() -> None:
    filled = compile_html(NEWSLETTER).fill(OPENS)
    pixel = '<img src="https://go.example/o/AAAAAAAAAAAAAAAAAAAABw" width="1" height="1" alt="" '
    before, after = filled.split(pixel)
    assert after.endswith("></body ></html>\n")
    assert before + after.partition(">")[2] == NEWSLETTER


def test_html_without_a_body_gets_the_pixel_at_its_end() -> None:
    assert compile_html("<p>Hi</p>").fill(OPENS).startswith("<p>Hi</p><img ")
    assert compile_html("").fill(NOT_MEASURED) == ""


def test_s9_copies_with_one_key_are_identical() -> None:
    template = compile_html(NEWSLETTER)
    assert template.fill(CLICKS) == template.fill(Measurement("https://go.example", None, KEY, SECRETS))


@pytest.mark.parametrize(
    "html",
    [
        '<!--[if mso]><a href="https://x.example/">x</a><![endif]-->',
        '<!--[if !mso]> --><a href="https://x.example/">x</a><!-- <![endif]-->',
        '<![if !mso]><a href="https://x.example/">x</a><![endif]>',
        '<a\n\thref\n=\n"https://x.example/"\n>x</a>',
        '<a href="\n https://x.exam\nple/ ">x</a>',
        '<a href="https&#58;//x.example&#x2F;">x</a>',
        '<a href="https://x.example/">x',
        '<p title="<a href=">"</p><a href="https://x.example/">x</a>',
        '{% if a < b %}<a href="https://x.example/">x</a>{% endif %}',
        '<a {% if bold %}class="b"{% endif %} href="https://x.example/">x</a>',
        '<!-- a --><a href="https://x.example/">x</a><!-- b -->',
    ],
)
def test_unusual_html_keeps_its_one_link(html: str) -> None:
    template = compile_html(html)
    assert [link.destination for link in template.links] == ["https://x.example/"]
    assert template.fill(NOT_MEASURED) == html
    assert template.fill(CLICKS).count("https://go.example/c/") == 1


@pytest.mark.parametrize(
    "href",
    [
        "",
        "#",
        "/relative",
        "ftp://x.example/",
        "HTTPS:x.example",
        "https://",
        "http://[broken",
        "https://x.example/{{ email }}",
        "{{ preferences_url }}",
        "{%if a%}https://x.example/{%endif%}",
        "https://x.example/\x01",
        "https://x.example/" + "a" * 2000,
    ],
)
def test_what_is_no_common_web_address_stays_as_written(href: str) -> None:
    html = f'<a href="{href}">x</a>'
    template = compile_html(html, utm=None)
    assert template.links == ()
    assert template.fill(CLICKS) == html


def test_a_link_in_a_liquid_comment_or_a_capture_is_left_alone() -> None:
    link = '<a href="https://x.example/">x</a>'
    assert links(f"{{% comment %}}{link}{{% endcomment %}}{{%- capture b -%}}{link}{{% endcapture %}}") == []


@pytest.mark.parametrize(
    ("url", "tagged"),
    [
        ("https://x.example", "https://x.example?{all}"),
        ("https://x.example/a?", "https://x.example/a?{all}"),
        ("https://x.example/a?b=%C3%A9&a=+&b", "https://x.example/a?b=%C3%A9&a=+&b&{all}"),
        ("https://x.example/a?b=1&#top?x=1", "https://x.example/a?b=1&{all}#top?x=1"),
        (
            "https://x.example/?UTM_Source=tv",
            "https://x.example/?UTM_Source=tv&utm_medium=email&utm_campaign=Spring%20%26%20more",
        ),
        (
            "https://x.example/?utm_source=&utm_medium=b&utm_campaign=c",
            "https://x.example/?utm_source=&utm_medium=b&utm_campaign=c",
        ),
    ],
)
def test_utm_tags_are_added_and_nothing_else_moves(url: str, tagged: str) -> None:
    every = "utm_source=bakery.example&utm_medium=email&utm_campaign=Spring%20%26%20more"
    assert add_utm(url, UTM) == tagged.replace("{all}", every)


def test_utm_tags_are_the_same_in_measured_and_unmeasured_copies() -> None:
    rest = '<a href="{{ preferences_url }}">p</a> <a href="mailto:a@b.example">m</a>'
    html = f'<a href="https://x.example/?a=1&amp;b=2">x</a> {rest}'
    template = compile_html(html, utm=UTM)
    tagged = "https://x.example/?a=1&b=2&utm_source=bakery.example&utm_medium=email&utm_campaign=Spring%20%26%20more"
    assert template.links[0].destination == tagged
    unmeasured = template.fill(NOT_MEASURED)
    assert _Reader(unmeasured).hrefs == [tagged, "{{ preferences_url }}", "mailto:a@b.example"]
    assert unmeasured.endswith(rest)
    assert f"?to={quote(tagged, safe='')}" in template.fill(CLICKS)


def test_a_destination_that_is_too_long_is_tagged_but_not_measured() -> None:
    html = '<a href="https://x.example/{}">x</a><a href="https://y.example/">y</a>'.format("a" * 1980)
    template = compile_html(html, utm=UTM)
    assert [link.label for link in template.links] == ["y"]
    assert all("utm_source" in href for href in _Reader(template.fill(NOT_MEASURED)).hrefs)


url_text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)


@bounded
@given(path=url_text, quoted=st.sampled_from("\"'"))
def test_any_address_leaves_and_comes_back_as_an_html_parser_reads_it(path: str, quoted: str) -> None:
    href = "https://x.example/" + path.replace("{", "").replace("\xa0", "").strip()
    escaped = href.replace("&", "&amp;").replace('"', "&quot;").replace("'", "&#39;")
    html = f"<p>{quoted}</p><a href={quoted}{escaped}{quoted}>x</a>"
    template = compile_html(html)
    assert template.fill(NOT_MEASURED) == html
    for link in template.links:
        assert link.destination == _Reader(html).hrefs[0].strip()
        query = urlsplit(_Reader(template.fill(CLICKS)).hrefs[0]).query
        assert next(readings(query)) == link.destination
        assert is_web_address(link.destination)


FRAGMENTS = ["<a ", 'href="', "https://x.example/", '"', "'", ">", "</a>", "<!--", "-->", "[if mso]>", "<![endif]"]
FRAGMENTS += ["{{", "}}", "{% if a %}", "</body>", "<style>", "</style>", "é&amp;", " ", "=", "<", "text"]


@bounded
@given(html=st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join))
def test_broken_html_too_comes_out_as_it_went_in(html: str) -> None:
    assert compile_html(html).fill(NOT_MEASURED) == html


def test_html_made_to_be_slow_is_read_in_time() -> None:
    pieces = ('<a href="', "<a ", "<!--", "{{", "{% ", "<style>", '<a x="{{', "<!--[if ", "&", "<a href='x' ")
    for piece in pieces:
        started = time.perf_counter()
        compile_html(piece * (60_000 // len(piece)))
        assert time.perf_counter() - started < 5, piece


def test_labels_are_what_the_reader_sees() -> None:
    html = (
        '<a href="https://x.example/1"><!-- no --><span>Bread &amp;\n butter</span></a>'
        '<a href="https://x.example/2" title="Shop"><img src="i.png"></a>'
        '<a href="https://x.example/3"></a>'
    )
    assert [label for _url, label in links(html)] == ["Bread & butter", "Shop", "https://x.example/3"]
