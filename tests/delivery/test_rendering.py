"""From what an author wrote to what one recipient gets."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from html import escape, unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.mime import one_line
from delivery.rendering import CompiledEmail, compile_email, fill_email
from delivery.templating import HTML, parse, render
from tests.support.emails import ANA, MEASURED, OWN_FOOTER, URLS, fill, html_email, mjml_email
from tracking.instrument import Utm

# --- What every recipient gets ----------------------------------------------------------------------------------------


def test_s1_an_unmeasured_copy_equals_what_the_author_wrote() -> None:
    body = f"""<!DOCTYPE html>
<html><body bgcolor=white>&copy; &eacute; {{{{ first_name }}}}
<!--[if mso]><v:rect href="https://a.example/"/><![endif]-->
<a href='https://a.example/?x=1&copy=2'>Shop</a>{{% if country == "BE" %}}<a href="https://b.example">B</a>{{% endif %}}
{OWN_FOOTER}</body></html>"""
    compiled = compile_email(html_email(body))
    filled = fill_email(compiled, ANA, URLS).html
    assert filled == render(parse(body, HTML), {**ANA, **URLS})
    assert "go.example/c/" not in filled
    assert "<img" not in filled


def test_a_measured_copy_has_one_pixel_and_tracked_links_even_in_conditions_and_loops() -> None:
    body = (
        '<a href="https://a.example/">A</a>{% if country == "BE" %}<a href="https://b.example/">B</a>{% endif %}'
        '{% unless first_name %}<a href="https://c.example/">C</a>{% endunless %}'
        '{% for i in (1..2) %}<a href="https://d.example/">D{{ i }}</a>{% endfor %}'
        '{% raw %}<a href="https://e.example/">{{ e }}</a>{% endraw %}' + OWN_FOOTER
    )
    source = html_email(body)
    filled = fill(source, MEASURED).html
    assert re.findall(r"/c/[^/]+/(\d+)/", filled) == ["1", "2", "4", "4", "5"]
    assert filled.count("/o/") == 1
    assert filled.count('href="https://go.example/u/AAA"') == 1
    unmeasured = fill(source).html
    assert re.findall(r"https://[a-e]\.example/", unmeasured) == [f"https://{x}.example/" for x in "abdde"]
    assert "\ufdd2" not in filled + unmeasured


def test_links_of_the_text_part_stay_as_written() -> None:
    source = html_email(f'<p><a href="https://a.example/">A</a></p>{OWN_FOOTER}')
    assert fill(source, MEASURED).text == fill(source).text
    assert "A (https://a.example/)" in fill(source).text


def test_the_unsubscribe_and_preference_links_are_never_tracked() -> None:
    compiled = compile_email(html_email(OWN_FOOTER))
    assert compiled.links == ()


def test_values_of_recipients_cannot_become_html() -> None:
    filled = fill(html_email("<p>{{ last_name }}</p>", subject="{{ last_name }}", text="{{ last_name }}"))
    assert "<p>&lt;b&gt;Silva&lt;/b&gt;</p>" in filled.html
    assert filled.subject == "<b>Silva</b>"
    assert filled.text.startswith("<b>Silva</b>\n")


def test_a_name_with_a_line_break_cannot_break_the_subject() -> None:
    assert (
        fill(html_email("x", subject="Hi {{ first_name }}!"), first_name="A\r\nBcc: x@y\x00").subject
        == "Hi A Bcc: x@y !"
    )
    assert one_line("a\tb\u2028c\x85") == "a b c"


def test_what_is_unknown_about_a_recipient_is_empty() -> None:
    source = html_email('{{ first_name | default: "friend" }},{{ attributes.nope }},{{ attributes.a.b }}.')
    assert fill(source, first_name=None, attributes={}).html.startswith("friend,,.")


def test_liquid_may_hold_quotes_inside_attributes() -> None:
    source = html_email('<a title="{{ first_name | default: "x" }}" href="https://a.example/">A</a>')
    assert fill(source, MEASURED).html.startswith('<a title="Ana" href="https://go.example/c/')


def test_utm_tags_are_in_measured_and_unmeasured_copies_and_in_the_text() -> None:
    source = html_email('<a href="https://a.example/">A</a>', utm=Utm("bakery", "email", "spring"))
    filled = fill(source)
    tagged = "https://a.example/?utm_source=bakery&utm_medium=email&utm_campaign=spring"
    assert f'href="{escape(tagged)}"' in filled.html
    assert f"A ({tagged})" in filled.text
    assert "utm_" not in fill(replace(source, utm=None)).html


def test_the_preheader_is_the_first_text_of_the_body_and_not_in_the_text_part() -> None:
    source = html_email("<html><body><p>Body</p></body></html>", preheader='Bread & {{ first_name }} <3 {{ "x" }}')
    filled = fill(source)
    assert re.search(r"<body><div style=\"display:none[^>]*>Bread &amp; Ana &lt;3 x</div><p>Body", filled.html)
    assert "Bread" not in filled.text
    assert fill(html_email("<!doctype html><p>x</p>", preheader="P")).html.startswith("<!doctype html><div style")


# --- The footer (rules C9 and D1) -------------------------------------------------------------------------------------


def test_d1_c9_marketing_without_a_footer_of_its_own_gets_one() -> None:
    filled = fill(html_email("<html><body><p>Hi</p></body></html>"))
    assert '<a href="https://go.example/u/AAA"' in filled.html
    assert ">Se désabonner</a>" in filled.html
    assert '<a href="https://go.example/p/BBB"' in filled.html
    assert "Bakery &amp; Sons SA<br>Rue du Four 1<br />\n1000 Bruxelles<br>" in filled.html
    assert filled.html.endswith("</body></html>")
    assert "Bakery & Sons SA\n" in filled.text
    assert "Se désabonner (https://go.example/u/AAA)" in filled.text


def test_c9_other_mail_gets_the_preference_link_alone() -> None:
    filled = fill(html_email("<p>Hi</p>", marketing=False))
    assert "go.example/p/BBB" in filled.html
    assert "go.example/p/BBB" in filled.text
    assert "/u/" not in filled.html + filled.text
    assert "Bakery" not in filled.html


def test_an_author_s_own_footer_is_enough() -> None:
    assert fill(html_email(f"<p>Hi</p>{OWN_FOOTER}")).html.count("/u/AAA") == 1
    assert fill(
        html_email("<p>Hi</p>", text="{{ legal_name }} {{ legal_address }} {{ unsubscribe_url }} {{ preferences_url }}")
    ).text == ("Bakery & Sons SA Rue du Four 1\n1000 Bruxelles https://go.example/u/AAA https://go.example/p/BBB")


@pytest.mark.parametrize(
    "body",
    [
        '{% if country == "FR" %}<a href="{{ unsubscribe_url }}">Out</a>{% endif %}',
        '<!-- <a href="{{ unsubscribe_url }}">Out</a> -->',
        '<!--[if mso]><a href="{{ unsubscribe_url }}">Out</a><![endif]-->',
        "<p>{{ unsubscribe_url }}</p>",
        '{% comment %}<a href="{{ unsubscribe_url }}">Out</a>{% endcomment %}',
        '{% if country == "FR" %}<html><body>a</body></html>{% else %}<html><body>b</body></html>{% endif %}',
        '{% if country == "BE" %}<html><body>a</body></html>{% else %}<html><body>b</body></html>{% endif %}',
    ],
)
def test_d1_a_link_that_some_do_not_see_does_not_count(body: str) -> None:
    filled = fill(html_email(body))
    visible = re.sub(r"<!--.*?-->", "", filled.html, flags=re.DOTALL)
    assert '<a href="https://go.example/u/AAA"' in visible
    assert "https://go.example/u/AAA" in filled.text


def test_an_author_s_text_gets_the_lines_that_it_lacks() -> None:
    text = fill(html_email("<p>Hi</p>", text="Hi {{ first_name }} & co\r\n\r\n")).text
    assert text == (
        "Hi Ana & co\n\nBakery & Sons SA\nRue du Four 1\n1000 Bruxelles\n"
        "Se désabonner: https://go.example/u/AAA\nMes choix de suivi: https://go.example/p/BBB\n"
    )


# --- Storage --------------------------------------------------------------------------------------------------------


def test_a_compiled_email_survives_json_and_pickle() -> None:
    compiled = compile_email(
        mjml_email('<mj-button href="https://a.example/?a=1&amp;b=2">Go</mj-button>', preheader="P")
    )
    again = CompiledEmail.from_dict(json.loads(json.dumps(compiled.to_dict())))
    assert again == compiled
    assert pickle.loads(pickle.dumps(compiled)) == compiled  # noqa: S301 - our own bytes
    assert fill_email(again, ANA, URLS, MEASURED).html == fill_email(compiled, ANA, URLS, MEASURED).html
    assert [(link.number, link.destination, link.label) for link in again.links] == [
        (1, "https://a.example/?a=1&b=2", "Go")
    ]


def test_fast_bodies_and_plain_bodies_are_the_same_text() -> None:
    filled = fill(html_email(f"<p>{'é' * 200}{{{{ first_name }}}}{'x' * 300}</p>{OWN_FOOTER}"), MEASURED)
    assert filled.html == filled.html_body.template.join(filled.html_body.values)
    assert filled.text == str(filled.text_body)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(name=st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
def test_no_name_of_a_recipient_changes_the_html_around_it(name: str) -> None:
    source = html_email(
        '<p title="{{ first_name }}">[{{ first_name }}]</p><a href="https://a.example/">A</a>' + OWN_FOOTER
    )
    filled = fill(source, MEASURED, first_name=name).html
    match = re.match(r'<p title="([^"<>]*)">\[([^<>]*)\]</p><a href="https://go\.example/c/[^"]*">A</a>', filled)
    assert match is not None
    assert match[1] == match[2]
    if "\r" not in name and "\0" not in name:
        assert unescape(match[1]) == name or not name.isprintable()
