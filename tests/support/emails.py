"""Emails as their authors write them, and Ana, who gets them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from delivery.rendering import (
    BodyFormat,
    EmailSource,
    FilledEmail,
    FooterLabels,
    check_email,
    compile_email,
    fill_email,
)
from tracking.instrument import NOT_MEASURED, Measurement

LABELS = FooterLabels(unsubscribe="Se désabonner", preferences="Mes choix de suivi")
URLS = {
    "unsubscribe_url": "https://go.example/u/AAA",
    "preferences_url": "https://go.example/p/BBB",
    "consent_url": "https://go.example/p/BBB",
    "web_version_url": "https://go.example/w/CCC",
    "reply_url": "https://go.example/a/DDD",
}
ANA: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "<b>Silva</b>",
    "email": "ana@reader.example",
    "country": "BE",
    "locale": "fr",
    "attributes": {"points": 12, "city": "Liège"},
    "campaign": {"name": "Spring"},
    "website": {"name": "Bakery"},
    "sender_name": "Bakery",
    "legal_name": "Bakery & Sons SA",
    "legal_address": "Rue du Four 1\n1000 Bruxelles",
}
MEASURED = Measurement("https://go.example", UUID(int=1), UUID(int=2), (b"s" * 32,))


def html_email(body: str, **changes: Any) -> EmailSource:
    return EmailSource(**{"subject": "Hi", "body": body, "body_format": BodyFormat.HTML, "labels": LABELS, **changes})


def mjml(content: str, head: str = "") -> str:
    column = f"<mj-section>\n<mj-column>\n{content}\n</mj-column></mj-section>"
    return f"<mjml>\n<mj-head>{head}</mj-head>\n<mj-body>\n{column}</mj-body></mjml>"


def mjml_email(content: str, head: str = "", **changes: Any) -> EmailSource:
    return html_email(mjml(content, head), body_format=BodyFormat.MJML, **changes)


def fill(source: EmailSource, measurement: Measurement = NOT_MEASURED, **changes: Any) -> FilledEmail:
    return fill_email(compile_email(source), {**ANA, **changes}, URLS, measurement)


def problems(source: EmailSource) -> list[tuple[str, int | None, str]]:
    return [(problem.field, problem.line, problem.message) for problem in check_email(source)]


OWN_FOOTER = (
    '<p>{{ legal_name }}, {{ legal_address }} <a href="{{ unsubscribe_url }}">Out</a>'
    ' <a href="{{ preferences_url }}">Choices</a></p>'
)
