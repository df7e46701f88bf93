"""Tags of an email's HTML, found without touching a byte of it.

A parser would write the document anew: other entities, another doctype, comments for Outlook lost. This reads tags and
their attributes where they stand, Liquid and conditional comments included, so that only what must change is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from html.entities import html5

# One piece of Liquid. Inside an attribute it may hold quotes that do not end the attribute.
# Here and below, what is never closed runs to the end: HTML says so, and a second look from each later start would
# make reading quadratic.
LIQUID = r"(?:\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z))"

_SCANNER = re.compile(
    rf"""
      (?P<unprinted> \{{%-?\s*(?P<block>comment|capture)\b[^%{{]*+%\}} .*? (?: \{{%-?\s*end(?P=block)\b | \Z ) )
    | (?P<liquid> {LIQUID} )
    | (?P<revealed> <!--\[if[^\]<>]*+\]>\s*(?:<!)?--> )  # everybody but Outlook reads what follows
    | (?P<outlook> <!--\[if[^\]<>]*+\]> )                 # only Outlook does
    | (?P<outlook_end> <!\[endif\]--> )
    | (?P<comment> <!--(?!-?>|<!\[endif) .*? (?: --> | \Z ) )
    | (?P<opaque> <(?P<opaque_name>style|script|title|textarea)(?=[\s/>]) (?:{LIQUID}|[^>])*+ >
        .*? (?: </(?P=opaque_name)\s*> | \Z ) )
    | (?P<tag> <(?P<slash>/?) (?P<name>[a-z][^\s/>"'={{]*)
        (?P<attributes> (?: {LIQUID}
                          | =\s*"(?:{LIQUID}|[^"])*+"
                          | =\s*'(?:{LIQUID}|[^'])*+'
                          | [^>] )*+ )
        (?: > | \Z ) )
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)

_ATTRIBUTE = re.compile(
    rf"""
      (?P<liquid> {LIQUID} )
    | (?P<name> [^\s"'<>/={{]+ )
      (?: \s*=\s*
        (?: "(?P<double> (?:{LIQUID}|[^"])*+ )"
          | '(?P<single> (?:{LIQUID}|[^'])*+ )'
          | (?P<bare> (?:{LIQUID}|[^\s"'>])(?:{LIQUID}|[^\s>])*+ ) ) )?
    """,
    re.DOTALL | re.VERBOSE,
)

_REFERENCE = re.compile(r"&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|([a-zA-Z][a-zA-Z0-9]*)(;?)(?=(=?)))")

_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute and where its value stands in the document."""

    name: str
    raw_value: str
    start: int
    end: int
    # Name and quotes included.
    whole: tuple[int, int]

    @property
    def value(self) -> str:
        """The value with its character references decoded, as a mail client reads it."""
        return unescape_attribute(self.raw_value)

    @property
    def holds_liquid(self) -> bool:
        """Is the value made for each recipient?"""
        return "{{" in self.raw_value or "{%" in self.raw_value


@dataclass(frozen=True, slots=True)
class Tag:
    """A start or end tag and where it stands in the document."""

    name: str
    closes: bool
    # Inside a conditional comment that only Outlook reads.
    outlook_only: bool
    start: int
    end: int
    _html: str = field(repr=False)

    @property
    def attributes(self) -> Iterator[Attribute]:
        """All attributes in their order, read when they are asked for."""
        for match in _ATTRIBUTE.finditer(self._html, self.start + 1 + self.closes + len(self.name), self.end):
            if match["name"] is None:
                continue
            value = next((group for group in ("double", "single", "bare") if match[group] is not None), None)
            start, end = match.span(value) if value else (match.end(), match.end())
            yield Attribute(match["name"].lower(), self._html[start:end], start, end, match.span())

    def attribute(self, name: str) -> Attribute | None:
        """The first attribute of that name, the one that counts."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


def scan_tags(html: str) -> Iterator[Tag]:
    """All tags in their order, but those in comments, style, script, and Liquid blocks that print nothing in place."""
    outlook_only = False
    for match in _SCANNER.finditer(html):
        kind = match.lastgroup
        if kind == "tag":
            start, end = match.span()
            yield Tag(match["name"].lower(), bool(match["slash"]), outlook_only, start, end, html)
        elif kind == "outlook":
            outlook_only = True
        elif kind in {"outlook_end", "revealed"}:
            outlook_only = False


def unescape_attribute(raw: str) -> str:
    """Decode character references as HTML does inside attributes.

    There ``?a=1&copy=2`` keeps its ``&copy``, which ``html.unescape`` would turn into a copyright sign.
    """
    return _REFERENCE.sub(_decoded, raw) if "&" in raw else raw


def _decoded(match: re.Match[str]) -> str:
    name, semicolon, equals = match.groups()
    if name is None:
        return unescape(match[0])
    if semicolon:
        return html5.get(name + ";", match[0])
    return match[0] if equals else html5.get(name, match[0])


def body_end(html: str) -> int:
    """Where something can be added as the last thing of the body."""
    ends = {tag.name: tag.start for tag in scan_tags(html) if tag.closes}
    return ends.get("body", ends.get("html", len(html)))


def body_start(html: str) -> int:
    """Where something can be added as the first thing of the body; never before a doctype."""
    heads = [
        tag for tag in scan_tags(html) if (tag.name, tag.closes) in {("body", False), ("head", True), ("html", False)}
    ]
    if not heads:
        doctype = _DOCTYPE.match(html)
        return doctype.end() if doctype else 0
    return next((tag.end for tag in heads if tag.name == "body"), heads[-1].end)
