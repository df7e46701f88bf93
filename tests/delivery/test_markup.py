"""MJML and styles on their way to HTML, and HTML on its way to text."""

from __future__ import annotations

import re

import pytest

from delivery.markup import compile_mjml, html_to_text, inline_css, refuse_deep
from delivery.rendering import BodyFormat, check_email, compile_email
from delivery.templating import TemplateError
from tests.support.emails import fill, html_email, mjml, mjml_email

# --- MJML -----------------------------------------------------------------------------------------------------------


def test_mjml_keeps_liquid_entities_and_all_letters() -> None:
    text = "{% if 1 < 2 and a > b %}&eacute;&nbsp;&copy; caf\u00e9\u00a0\u2764\ufe0f \\{% endif %}"
    text += "{{ 'x' | default: 'y' }}"
    title = 'title="12\u00a0\u20ac \U0001f469\u200d\U0001f373 \\n"'
    link = 'href="https://a.example/?q={{ attributes.city | default: "x" }}"'
    image = '<mj-image alt=\'un "petit"\n pain\' src="https://a.example/\u00a0i.png"/>'
    html = compile_mjml(mjml(f"<mj-text>{text}<a {title} {link}>l</a></mj-text>{image}"))
    assert text in html
    assert f"<a {title} {link}>" in html
    assert 'alt="un &quot;petit&quot;\n pain"' in html
    assert 'src="https://a.example/\u00a0i.png"' in html


def test_compiled_mjml_loads_nothing_that_the_author_did_not_name() -> None:
    html = compile_mjml(mjml('<mj-text font-family="Ubuntu, Roboto">x</mj-text><mj-button>x</mj-button>'))
    assert re.findall(r"https?://[^\"']+", html) == ["http://www.w3.org/1999/xhtml"]
    font = '<mj-font name="Ubuntu" href="https://fonts.bakery.example/ubuntu.css"/>'
    assert "https://fonts.bakery.example/ubuntu.css" in compile_mjml(
        mjml('<mj-text font-family="Ubuntu">x</mj-text>', font)
    )
    icon = '<mj-social-element name="facebook" {} href="https://f.example/">F</mj-social-element>'
    with pytest.raises(TemplateError, match=r"www\.mailjet\.com"):
        compile_mjml(mjml(f"<mj-social>{icon.format('')}</mj-social>"))
    own = icon.format('src="https://b.example/f.png"')
    assert "https://b.example/f.png" in compile_mjml(mjml(f"<mj-social>{own}</mj-social>"))


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        (mjml("<mj-text>Hi\n<p>there</mj-text>"), 7, "<p> is never closed"),
        (mjml("<mj-text>"), 6, "<mj-text> is never closed"),
        (mjml("</mj-text>"), 6, "</mj-text> closes a tag that is not open"),
        (
            mjml("<mj-text>{% if a %}\n{% endif %} 1 < 2</mj-text>".replace("if a", "if email")),
            7,
            "starts no well-formed tag",
        ),
        (mjml("<mj-text><a href=x>y</a></mj-text>"), 6, "starts no well-formed tag"),
        (mjml("\n<mj-buton>x</mj-buton>"), 7, "There is no MJML tag <mj-buton>"),
        (mjml('<mj-include path="/etc/passwd" />'), 6, "mj-include is not available"),
        ("<html></html>", 1, "not valid MJML"),
        ("just words", None, "not valid MJML"),
        ("<mjml>", 1, "<mjml> is never closed"),
    ],
)
def test_mjml_that_cannot_be_read_says_where(body: str, line: int | None, words: str) -> None:
    (problem,) = check_email(html_email(body, body_format=BodyFormat.MJML))
    assert problem.line == line
    assert words in str(problem)
    with pytest.raises(TemplateError, match=re.escape(words)):
        compile_email(html_email(body, body_format=BodyFormat.MJML))


@pytest.mark.parametrize("nested", ["<div>" * 100_000, "<mj-text>" * 100_000, "<b>" * 201 + "x" + "</b>" * 201])
def test_nesting_that_would_crash_a_compiler_is_refused(nested: str) -> None:
    with pytest.raises(TemplateError, match="nested"):
        compile_mjml(mjml(nested))
    with pytest.raises(TemplateError, match="nested"):
        refuse_deep(nested)
    refuse_deep("<p>x<br>" * 300 + "<tr><td>y" * 300 + "<div><b>x</b></div>" * 300)


def test_a_table_of_mjml_keeps_its_conditions_in_place() -> None:
    content = "{% if country == 'BE' %}<mj-text>Only in Belgium</mj-text>{% endif %}<mj-text>Everywhere</mj-text>"
    source = mjml_email(content, "<mj-style>td { color: red } .x { color: blue }</mj-style>")
    belgian, french = fill(source), fill(source, country="FR")
    assert "Only in Belgium" in belgian.html
    assert "Only in Belgium" in belgian.text
    assert "Only in Belgium" not in french.html + french.text
    assert "Everywhere" in french.html


# --- Styles and text --------------------------------------------------------------------------------------------------


def test_inlining_changes_style_attributes_and_nothing_else() -> None:
    html = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">
<html><head><style>p { color: red; font-family: "A & B" } @media print { p { color: black !important } }
a:hover { color: blue }</style><link rel="stylesheet" href="https://css.example/x.css">
<!--[if mso]><p>o</p><style>p{}</style><![endif]--></head>
<body><table>{% if a < b %}<tr><td>&copy; &nbsp;<P CLASS=x>1<br/><p style='margin: {{ m | default: "0" }}' id=y>2</td>
</tr>{% endif %}</table>"""
    inlined = inline_css(html)
    assert re.sub(r" style=(\"(\{\{.*?\}\}|[^\"])*\"|'[^']*')", "", inlined) == re.sub(r" style='.*?'", "", html)
    assert """<P style="color: red;font-family: 'A &amp; B';" CLASS=x>""" in inlined
    assert """<p style="color: red;font-family: 'A &amp; B';margin: {{ m | default: "0" }}" id=y>""" in inlined
    assert inline_css("<p>no styles</p>") == "<p>no styles</p>"


def test_text_made_from_html_reads_like_text() -> None:
    html = (
        '<style>p{}</style><h1>Bread &amp; butter</h1><p>See <a href="https://a.example/?x=1&amp;y=2">our shop</a>.</p>'
        "<table><tr><td>Left</td><td>Right</td></tr></table>"
        '<a href="https://b.example/"><img alt="Logo" src="l.png"></a>'
        '<ul><li>One</li><li>Two</li></ul><a href="#top">Top</a> <a href="mailto:a@b.example">a@b.example</a> '
        '<a href="https://c.example/">https://c.example/</a> '
        '{% if email %}<a href="{{ preferences_url }}">Choices</a>{% endif %}'
    )
    text = html_to_text(html)
    assert text.splitlines()[0] == "Bread & butter"
    assert "See our shop (https://a.example/?x=1&y=2)." in text
    assert "Left Right\n" in text
    assert "Logo (https://b.example/)" in text
    assert "* One\n* Two\n" in text
    assert "Top a@b.example https://c.example/ {% if email %}Choices ({{ preferences_url }}){% endif %}\n" in text


def test_columns_of_a_table_do_not_tear_conditions_apart() -> None:
    cells = "<td>{% if email %}<br>a<br>{% endif %}</td><td>b<br>c<br>d</td>"
    text = html_to_text(f"<table><tr>{cells}</tr></table>")
    assert re.sub(r"\s+", " ", text) == "{% if email %} a {% endif %} b c d "
