"""What authors may write in an email, and what they are told when it cannot work."""

from __future__ import annotations

import pytest
from liquid import Environment

from delivery import template_time
from delivery.templating import HTML, SAMPLE, TEXT, VARIABLES, TemplateError, check_liquid, cut, parse, render
from tests.support.emails import ANA, URLS, html_email, mjml_email, problems


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("a\n{{ first_nam }}", 2, "first_nam"),
        ("{{ campaign.id }}", 1, "campaign.id"),
        ("{{ campaign }}{{ 'a' | shout }}", 1, "shout"),
        ("\n\n{% if email %}", None, "endif"),
        ("\n{% endif %}", 2, "endif"),
        ("{{ email", 1, "}}"),
        ("{% include 'secrets' %}", 1, "include"),
        ("{% render 'secrets' %}", 1, "render"),
        ("{{ last_name | safe }}", 1, "safe"),
        ("{% break %}", 1, "break"),
        ("{{ 1 | divided_by: 0 }}", 1, "divide"),
        ("{% for i in (1..100000000) %}x{% endfor %}", 1, "too"),
        ("{% for i in (1..900) %}{% for j in (1..900) %}x{% endfor %}{% endfor %}", 1, "too"),
        ("{{ (1..100000000) | join: 'x' }}", None, "too"),
        ("{% assign a = 'xxxxxxxxxx' %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}", None, "too"),
        (
            "{% assign a = 'xxxxxxxxxx' | replace: 'x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' %}"
            + "{% assign a = a | replace: 'x', a %}" * 9,
            None,
            "too",
        ),
        ("{{ " + "a[" * 3000 + "1" + "]" * 3000 + " }}", None, "Liquid"),
        ("{{ 9999999999" + " | times: 9999999999" * 500 + " }}", None, "Liquid"),
    ],
)
def test_liquid_that_cannot_work_is_named_before_a_launch(source: str, line: int | None, words: str) -> None:
    problem, *_more = check_liquid(source)
    assert words in str(problem)
    if line is not None:
        assert problem.line == line


@pytest.mark.parametrize(
    "part",
    [
        "{% for i in (1..1000) %}{{ first_name | replace: 'a', 'b' | upcase }}{% endfor %}",
        "{% for i in (1..1000) %}{% if 1 == 2 %}x{% endif %}{% endfor %}",
        "{% for i in (1..30) %}{% for j in (1..30) %}{% assign a = i %}{% endfor %}{% endfor %}",
    ],
)
def test_loops_one_after_the_other_end_with_their_time(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"first_name": "a" * 50}
    endless = parse(part * 300)
    monkeypatch.setattr(template_time, "MAX_SECONDS", 0.05)
    with pytest.raises(TemplateError, match="loops too often"):
        render(endless, values)
    # What one recipient used is not taken from the next.
    monkeypatch.setattr(template_time, "MAX_SECONDS", 5.0)
    few = parse(part * 2)
    assert [render(few, values) for _recipient in range(2)]


def test_everything_that_is_promised_to_authors_works() -> None:
    names = [name for name, parts in VARIABLES.items() if parts == frozenset()]
    source = " ".join(f"{{{{ {name} }}}}" for name in [*names, "campaign.name", "website.name", "attributes.city"])
    assert check_liquid(source) == []
    assert render(parse(source), {**ANA, **URLS, "attributes": {"city": "Li\u00e8ge"}}).count("  ") == 0
    assert set(SAMPLE) == set(VARIABLES)
    good = (
        '{% assign city = attributes.city | default: "?" %}{{ city | upcase | escape }}'
        '{% case country %}{% when "BE" %}b{% endcase %}{{ "2026-11-22" | date: "%d/%m/%Y" }}{{ attributes["a b"] }}'
        "{% for x in attributes.list limit: 3 %}{{ forloop.index }}{{ x.name }}{% endfor %}"
        "{% capture c %}{{ email }}{% endcapture %}{{ c | replace: '@', ' at ' }}"
    )
    assert check_liquid(good) == []
    assert render(parse(good), ANA) == "LI\u00c8GEb22/11/2026ana at reader.example"


def test_each_problem_names_its_field() -> None:
    source = html_email("{{ a }}", subject="{{ b }}", preheader="{{ c }}", text="x\n{{ d }}")
    assert [(field, line) for field, line, _message in problems(source)] == [
        ("subject", 1),
        ("preheader", 1),
        ("body", 1),
        ("text", 2),
    ]
    assert [field for field, _line, _message in problems(html_email(" ", subject="\n"))] == ["subject", "body"]
    assert "longer" in problems(html_email("x" * 500_001))[0][2]
    assert "longer" in problems(mjml_email("<mj-text>x</mj-text>" * 4_000))[0][2]


@pytest.mark.parametrize(
    "body",
    [
        '<img src="https://a.example/i.png?u={{ email }}">',
        "<img src='https://a.example/{{ first_name }}.png'>",
        '<table background="{{ attributes.x }}"></table>',
        '<p style="background: url({{ attributes.x }})">x</p>',
        "<style>p { background: url('https://a.example/{{ email }}') }</style>",
        '{% assign locale = email %}<img src="https://a.example/{{ locale }}.png">',
        '<img src="https://a.example/{{ locale | append: email }}.png">',
        '<link href="https://a.example/{{ attributes.x }}.css">',
        '<a href="https://a.example/?e={{ email }}">x</a>',
        '<a href="https://a.example/?e={{ email | url_encode }}">x</a>',
    ],
)
def test_s1_h3_an_author_cannot_build_a_pixel_or_put_an_address_into_a_link(body: str) -> None:
    assert [line for _field, line, _message in problems(html_email("\n" + body))] == [2]


@pytest.mark.parametrize(
    "body",
    [
        '<img src="https://a.example/{{ locale }}.png" alt="{{ first_name }}">',
        '<img src="https://a.example/{% if country == "BE" %}be{% else %}x{% endif %}.png">',
        '<a href="https://a.example/?city={{ attributes.city | url_encode }}">x</a>',
        '<a href="mailto:shop@a.example?subject={{ email }}">x</a>',
        '<a href="{{ unsubscribe_url }}">x</a>',
    ],
)
def test_addresses_that_tell_nobody_apart_are_fine(body: str) -> None:
    assert problems(html_email(body)) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ first_name }}{{ last_name }}{{ country }}{{ attributes.city }}{{ nope }}{{ email | upcase }}",
        "{% assign first_name = 'Bo' %}{{ first_name }}{{ attributes['a b'] }}{{ [email] }}{{ ['email'] }}",
        "{% if email %}{{ last_name }}{% endif %} {%- for x in (1..3) -%} {{ x }}{{ first_name }} {%- endfor -%}",
        "{% capture last_name %}<i>{{ first_name }}</i>{% endcapture %}{{ last_name }}{{ attributes }}{{ points }}",
    ],
)
@pytest.mark.parametrize("environment", [HTML, TEXT])
def test_a_template_in_pieces_prints_what_the_whole_one_does(source: str, environment: Environment) -> None:
    variables = {
        **ANA,
        "country": None,
        "locale": True,
        "points": 3.0,
        "email": "first_name",
        "attributes": {"a b": [1, "<"]},
    }
    whole = environment.from_string(source).render(variables)
    pieces = cut(["<p>", f"{source}</p>"], [0], environment)
    values = [*pieces.values(variables, ["<slot>"]), ""]
    assert "".join(part + value for part, value in zip(pieces.statics, values, strict=True)) == f"<p><slot>{whole}</p>"
