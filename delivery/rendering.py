"""An email on its way from what an author wrote to what one recipient gets.

Everything that is the same for all recipients happens once per launch (``compile_email``); ``fill_email`` puts one
recipient, and the measurement that was decided for their copy, into the pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from html import escape
from typing import Any

from django.utils.translation import gettext as _

from delivery.markup import check_addresses, check_mjml, compile_mjml, html_to_text, inline_css, refuse_deep
from delivery.mime import BodyTemplate, FilledBody, one_line
from delivery.templating import (
    HTML,
    TEXT,
    Shield,
    TemplateError,
    check_liquid,
    cut,
    parse,
    render,
    runs_on,
    unconditional,
    without_noncharacters,
)
from tracking.instrument import NOT_MEASURED, Link, Measurement, SlotValues, Utm, compile_html
from tracking.markup import body_end, body_start, scan_tags

MAX_BODY = 500_000
UNSUBSCRIBE, PREFERENCES, CONSENT = "unsubscribe_url", "preferences_url", "consent_url"
WEB_VERSION = "web_version_url"


class BodyFormat(StrEnum):
    """The values of ``campaigns.models.BodyFormat``."""

    MJML = "mjml"
    HTML = "html"


@dataclass(frozen=True, slots=True, kw_only=True)
class FooterLabels:
    """The words of the links that every email must have, in the email's language."""

    unsubscribe: str
    preferences: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailSource:
    """What an author wrote."""

    subject: str
    body: str
    labels: FooterLabels
    body_format: BodyFormat = BodyFormat.MJML
    preheader: str = ""
    # Made from the body when empty.
    text: str = ""
    # Marketing mail carries a link to unsubscribe, and its sender's legal name and address (rule D1).
    marketing: bool = True
    # An email that asks for consent leads to the page where people answer.
    asks_consent: bool = False
    utm: Utm | None = None


@dataclass(frozen=True, kw_only=True)
class CompiledEmail:
    """An email as frozen by a launch: templates, and the links that may be measured."""

    subject: str
    preheader: str
    html_parts: tuple[str, ...]
    html_slots: tuple[int, ...]
    text: str
    links: tuple[Link, ...]

    def to_dict(self) -> dict[str, Any]:
        """For a JSON column."""
        return {
            "subject": self.subject,
            "preheader": self.preheader,
            "html_parts": list(self.html_parts),
            "html_slots": list(self.html_slots),
            "text": self.text,
            "links": [[link.number, link.destination, link.label, link.original] for link in self.links],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> CompiledEmail:
        """What ``to_dict`` wrote."""
        return cls(
            subject=stored["subject"],
            preheader=stored["preheader"],
            html_parts=tuple(stored["html_parts"]),
            html_slots=tuple(stored["html_slots"]),
            text=stored["text"],
            links=tuple(Link(*link) for link in stored["links"]),
        )


def mentions(stored: Mapping[str, Any], variable: str) -> bool:
    """Whether a compiled email, as ``to_dict`` wrote it, may print a variable anywhere."""
    pieces = (stored["subject"], stored["preheader"], stored["text"], *stored["html_parts"])
    return any(variable in piece for piece in pieces)


# --- Compiling ------------------------------------------------------------------------------------------------------


def check_email(source: EmailSource) -> list[TemplateError]:
    """Everything that the author has to put right before this email can be sent."""
    body_problems = check_liquid(source.body)
    problems = [
        *check_liquid(source.subject, field="subject", html=False),
        *check_liquid(source.preheader, field="preheader"),
        *body_problems,
        *check_liquid(source.text, field="text", html=False),
    ]
    if not source.subject.strip():
        problems.append(TemplateError(_("The subject is empty."), field="subject"))
    if not source.body.strip():
        problems.append(TemplateError(_("The email has no content.")))
    elif len(source.body) > MAX_BODY:
        problems.append(_too_long())
    else:
        problems += _markup_problems(source, liquid_is_well=not body_problems)
    return problems


def _markup_problems(source: EmailSource, *, liquid_is_well: bool) -> list[TemplateError]:
    """What is wrong with MJML, HTML and styles, said together with what is wrong with their Liquid."""
    body = _lines(source.body)
    if runs_on(body):
        return []  # whatever follows would be taken for Liquid
    problems: Sequence[TemplateError]
    if source.body_format == BodyFormat.MJML and (problems := check_mjml(body)):
        return [*problems]
    if liquid_is_well and (addresses := check_addresses(body)):
        return [*addresses]
    try:
        html = _laid_out(source)
        if liquid_is_well:
            parse(html, HTML)  # what compiling did to its Liquid, if anything, must show now
    except TemplateError as problem:
        return [problem]
    return []


def compile_email(source: EmailSource) -> CompiledEmail:
    """Do for all recipients what is the same for all of them; raises the first of ``check_email``'s problems."""
    for problem in check_email(source):
        raise problem
    html = _with_preheader(_with_footer(_laid_out(source), source), source.preheader)
    template = compile_html(html, utm=source.utm)
    written = template.join(SlotValues(template.links).originals)
    return CompiledEmail(
        subject=without_noncharacters(source.subject),
        preheader=source.preheader,
        html_parts=template.parts,
        html_slots=template.slots,
        text=_with_text_footer(_lines(source.text) or html_to_text(written), source),
        links=template.links,
    )


def _laid_out(source: EmailSource) -> str:
    """The author's HTML, or what their MJML becomes, with its styles where mail programs read them."""
    body = _lines(source.body)
    if source.body_format == BodyFormat.MJML:
        body = compile_mjml(body)
    if len(body) > MAX_BODY:
        raise _too_long()
    refuse_deep(body)
    return inline_css(body)


def _too_long() -> TemplateError:
    return TemplateError(_("The email is longer than %(most)s characters.") % {"most": MAX_BODY})


def _lines(text: str) -> str:
    return without_noncharacters(text).replace("\r\n", "\n").replace("\r", "\n")


_PREHEADER_STYLE = (
    "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
)


def _with_preheader(html: str, preheader: str) -> str:
    """The preview text of an inbox is the first text of the body; it is hidden once the email is open."""
    if not preheader.strip():
        return html
    shield = Shield(preheader)
    hidden = shield.restore(escape(shield.text, quote=False))
    return _insert(html, body_start(html), f'<div style="{_PREHEADER_STYLE}">{hidden}</div>')


def _insert(html: str, index: int, addition: str) -> str:
    return html[:index] + addition + html[index:]


# --- The footer that every email must have (rules C9 and D1) ----------------------------------------------------------


def _with_footer(html: str, source: EmailSource) -> str:
    """Add what the author's own footer lacks. What stands in a condition only does not count: some would not get it."""
    footer = _html_footer(html, source)
    if not footer:
        return html
    complete = _insert(html, body_end(html), footer)
    # The end of the body itself may stand in a condition.
    return complete + _html_footer(complete, source)


def _html_footer(html: str, source: EmailSource) -> str:
    shown = unconditional(parse(html, HTML))
    style = "color:#555555;text-decoration:underline;"
    links = [
        f'<a href="{{{{ {variable} }}}}" style="{style}">{escape(label)}</a>'
        for variable, label in _needed_links(source)
        if not _links_to(shown, variable)
    ]
    lines = [
        f"{{{{ {variable} | newline_to_br }}}}<br>"
        for variable in _needed_names(source)
        if not _prints(shown, variable)
    ]
    if not links and not lines:
        return ""
    return (
        '<table role="presentation" border="0" cellpadding="0" cellspacing="0" width="100%"><tr>'
        '<td align="center" style="padding:24px;font-family:Arial,Helvetica,sans-serif;font-size:12px;line-height:18px;'
        f'color:#555555;">{"".join(lines)}{" &middot; ".join(links)}</td></tr></table>'
    )


def _with_text_footer(text: str, source: EmailSource) -> str:
    shown = unconditional(parse(text))
    lines = [f"{{{{ {variable} }}}}" for variable in _needed_names(source) if not _prints(shown, variable)]
    lines += [
        f"{label}: {{{{ {variable} }}}}" for variable, label in _needed_links(source) if not _prints(shown, variable)
    ]
    return "\n".join([text.rstrip("\n"), "", *lines, ""]) if lines else text


def _needed_links(source: EmailSource) -> Sequence[tuple[str, str]]:
    preferences = (PREFERENCES, source.labels.preferences)
    return [(UNSUBSCRIBE, source.labels.unsubscribe), preferences] if source.marketing else [preferences]


def _needed_names(source: EmailSource) -> Sequence[str]:
    return ["legal_name", "legal_address"] if source.marketing else []


def _links_to(html: str, variable: str) -> bool:
    """Is there a link to ``variable`` that everybody can see?"""
    return any(
        _prints(href.raw_value, variable)
        for tag in scan_tags(html)
        if tag.name == "a" and not tag.outlook_only and (href := tag.attribute("href"))
    )


def _prints(text: str, variable: str) -> bool:
    return re.search(rf"\{{\{{-?\s*{variable}\b", text) is not None


# --- Filling --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FilledEmail:
    """What one recipient gets. The bodies encode themselves fast for ``mime.build_message``."""

    subject: str
    html_body: FilledBody
    text_body: FilledBody

    @property
    def html(self) -> str:
        return str(self.html_body)

    @property
    def text(self) -> str:
        return str(self.text_body)


class EmailFiller:
    """A compiled email with its templates parsed, ready for many recipients."""

    def __init__(self, compiled: CompiledEmail) -> None:
        self._subject = parse(compiled.subject)
        self._html = cut(compiled.html_parts, compiled.html_slots, HTML)
        self._text = cut([compiled.text], [], TEXT)
        self._slots = SlotValues(compiled.links)
        self._html_body = BodyTemplate(self._html.statics)
        self._text_body = BodyTemplate(self._text.statics)

    def fill(
        self, recipient: Mapping[str, object], urls: Mapping[str, str], measurement: Measurement = NOT_MEASURED
    ) -> FilledEmail:
        """The copy of one recipient, about whom ``recipient`` and ``urls`` say what ``templating.VARIABLES`` lists."""
        variables = {**recipient, **urls}
        return FilledEmail(
            subject=one_line(render(self._subject, variables)),
            html_body=FilledBody(self._html_body, self._html.values(variables, self._slots.fill(measurement))),
            text_body=FilledBody(self._text_body, self._text.values(variables, ())),
        )


@lru_cache(maxsize=32)
def _filler(compiled: CompiledEmail) -> EmailFiller:
    return EmailFiller(compiled)


def fill_email(
    compiled: CompiledEmail,
    recipient: Mapping[str, object],
    urls: Mapping[str, str],
    measurement: Measurement = NOT_MEASURED,
) -> FilledEmail:
    """The copy of one recipient; the same compiled email is prepared once per process."""
    return _filler(compiled).fill(recipient, urls, measurement)
