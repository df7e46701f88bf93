"""What is wrong with an answer is seen; the walk through the console (``matrix.py``) looks at every one so."""

from __future__ import annotations

import io

import pytest
import xlsxwriter
from django.http import HttpResponse

from tests.isolation.answers import HEADERS, faults_of, words_in

REST = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
CONSOLE = f"default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; {REST}"
EMAIL = f"default-src 'none'; {REST}; sandbox allow-popups"


def answer(body: str | bytes = "", kind: str = "text/html", policy: str = CONSOLE, **headers: str) -> HttpResponse:
    given = {**HEADERS, "Referrer-Policy": "same-origin", "Content-Security-Policy": policy}
    return HttpResponse(body, content_type=kind, headers=given | headers)


def faults(response: HttpResponse) -> list[str]:
    return list(faults_of(response, response.content))


@pytest.mark.parametrize(
    "fine",
    [
        answer('<iframe sandbox="" src="/x"></iframe><script src="/static/x.js"></script><p x-on:click="open = 1">'),
        answer("<script>alert(1)</script>", policy=EMAIL),
        answer("a,'=1+1,-5,+3.2\r\n", "text/csv; charset=utf-8"),
        answer("=1+1", "text/plain"),
    ],
)
def test_what_is_as_it_should_be_is_not_told(fine: HttpResponse) -> None:
    assert faults(fine) == []


@pytest.mark.parametrize("name", [*HEADERS, "Referrer-Policy"])
def test_a_header_that_is_not_there_is_told(name: str) -> None:
    response = answer(kind="text/plain")
    del response[name]
    assert faults(response) == [f"{name} is None"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (answer("<iframe src='/x'>"), "not sandboxed"),
        (answer("<script>alert(1)</script>"), "a script in the page"),
        (answer('<img src="x" onerror="alert(1)">'), "a script in a tag"),
        (answer(policy=f"script-src 'unsafe-inline'; {REST}"), "scripts may come from"),
        (answer(policy=f"default-src 'self' https:; {REST}"), "scripts may come from"),
        (answer(policy=f"{EMAIL} allow-scripts"), "its sandbox is open"),
        (answer(policy="default-src 'self'; base-uri 'none'; frame-ancestors 'none'"), "no form-action"),
        (answer("a,=1+1\r\n", "text/csv"), "is a formula"),
        (answer('a," @SUM(1)"\r\n', "text/csv"), "is a formula"),
    ],
)
def test_what_is_wrong_is_told(bad: HttpResponse, said: str) -> None:
    (one,) = faults(bad)
    assert said in one


def test_a_sheet_that_computes_is_told() -> None:
    for text, count in (("=1+1", 1), ("1+1", 0)):
        content = io.BytesIO()
        with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
            book.add_worksheet().write(0, 0, text)
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        assert len(faults(answer(content.getvalue(), kind))) == count


def test_words_are_found_in_what_is_packed() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.add_worksheet().write_string(0, 0, "a secret")
    assert b"a secret" not in content.getvalue()
    assert b"a secret" in words_in(content.getvalue())
    assert words_in(b"PK, and nothing more") == b"PK, and nothing more"
