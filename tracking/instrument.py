"""Puts the pixel and the tracked links into a sent copy, and nothing into one that is not measured.

The HTML is cut once per launch at its links; filling a copy joins the pieces. Without measurement the pieces and the
original addresses make exactly the HTML that was written (rule S1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import UUID

from common.keys import MAX_LINK_NUMBER, encode_key, sign_link
from tracking.markup import Attribute, Tag, body_end, scan_tags
from tracking.rules import CLICK_PREFIX, PIXEL_PREFIX, is_web_address

MAX_DESTINATION = 2_000
MAX_LABEL = 120
PIXEL = 0  # the slot of the pixel; links are numbered from 1

_UNSEEN = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Utm:
    """Tags for web analytics: which email a visit came from, never which person."""

    source: str
    medium: str
    campaign: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may be measured. The same address in two places is two links: the report shows where people click."""

    number: int
    destination: str
    label: str
    # As it stands in the HTML, character references included.
    original: str


@dataclass(frozen=True, slots=True)
class LinkTemplate:
    """HTML cut at its slots: ``parts[0] slots[0] parts[1] slots[1] … parts[-1]``; a slot is a link number or PIXEL."""

    parts: tuple[str, ...]
    slots: tuple[int, ...]
    links: tuple[Link, ...]

    def join(self, values: Sequence[str]) -> str:
        """The HTML with ``values[number]`` in each slot."""
        pieces = [self.parts[0]]
        for slot, part in zip(self.slots, self.parts[1:], strict=True):
            pieces += (values[slot], part)
        return "".join(pieces)

    def fill(self, measurement: Measurement) -> str:
        """The HTML of one sent copy."""
        return self.join(SlotValues(self.links).fill(measurement))


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one sent copy gets: a key where it is measured (one per copy, or one per launch for anonymous totals)."""

    base_url: str = ""
    opens_key: UUID | None = None
    clicks_key: UUID | None = None
    secrets: tuple[bytes, ...] = ()


NOT_MEASURED = Measurement()


class SlotValues:
    """Makes what goes into the slots of one template, with the work that all copies share done once."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.originals = ["", *(link.original for link in links)]
        self._links = [(link.number, link.destination, quote(link.destination, safe="")) for link in links]

    def fill(self, measurement: Measurement) -> list[str]:
        """The value of every slot by its number; the original addresses unless clicks are measured."""
        values = self.originals.copy()
        if measurement.clicks_key is not None:
            key = measurement.clicks_key
            start = f"{measurement.base_url}{CLICK_PREFIX}{encode_key(key)}"
            for number, destination, quoted in self._links:
                signature = sign_link(key, number, destination, secrets=measurement.secrets)
                values[number] = f"{start}/{number}/{signature}?to={quoted}"
        if measurement.opens_key is not None:
            values[PIXEL] = _pixel(measurement.base_url, measurement.opens_key)
        return values


def _pixel(base_url: str, key: UUID) -> str:
    style = "display:block;width:1px;height:1px;border:0"
    return f'<img src="{base_url}{PIXEL_PREFIX}{encode_key(key)}" width="1" height="1" alt="" style="{style}">'


def compile_html(html: str, *, utm: Utm | None = None) -> LinkTemplate:
    """Cut ``html`` at the links that may be measured, tagged with ``utm``, and at the place of the pixel."""
    cuts: list[tuple[int, int, int]] = []
    links: list[Link] = []
    edits: list[tuple[int, int, str]] = []
    for tag, attribute in _hrefs(html):
        destination = destination_of(attribute)
        if destination is None:
            continue
        original = attribute.raw_value
        if utm is not None and (tagged := add_utm(destination, utm)) != destination:
            destination, original = tagged, escape(tagged)
        if len(destination) > MAX_DESTINATION or len(links) == MAX_LINK_NUMBER:
            edits.append((attribute.start, attribute.end, original))
            continue
        link = Link(len(links) + 1, destination, _label(html, tag) or destination[:MAX_LABEL], original)
        links.append(link)
        cuts.append((attribute.start, attribute.end, link.number))
    pixel_at = body_end(html)
    cuts.append((pixel_at, pixel_at, PIXEL))
    return _cut(html, sorted(cuts), edits, tuple(links))


def _cut(
    html: str, cuts: list[tuple[int, int, int]], edits: list[tuple[int, int, str]], links: tuple[Link, ...]
) -> LinkTemplate:
    """Split at ``cuts`` and replace at ``edits``; neither overlaps the other."""
    parts = []
    position = 0
    for start, end, _slot in [*cuts, (len(html), len(html), PIXEL)]:
        part = ""
        for edit_start, edit_end, replacement in edits:
            if position <= edit_start < start:
                part += html[position:edit_start] + replacement
                position = edit_end
        parts.append(part + html[position:start])
        position = end
    return LinkTemplate(tuple(parts), tuple(slot for _start, _end, slot in cuts), links)


def _hrefs(html: str) -> list[tuple[Tag, Attribute]]:
    """The addresses of all links, VML buttons for Outlook included."""
    return [
        (tag, attribute)
        for tag in scan_tags(html)
        if not tag.closes and (tag.name in {"a", "area"} or tag.name.startswith("v:"))
        if not _opted_out(tag)
        for attribute in tag.attributes
        if attribute.name == "href"
    ]


def _opted_out(tag: Tag) -> bool:
    """Has the author asked to leave this link alone?"""
    choice = tag.attribute("data-pli-track")
    return choice is not None and choice.value.strip().lower() == "no"


def destination_of(href: Attribute) -> str | None:
    """Where a link goes, if it may be measured: http and https only, and the same address for every recipient."""
    if href.holds_liquid:
        return None
    # As browsers do: white space around an address is dropped, line breaks within it too.
    destination = re.sub(r"[\t\r\n]", "", href.value).strip(" \t\r\n\f")
    try:
        destination.encode()
        has_host = bool(urlsplit(destination).hostname)
    except ValueError:
        return None
    return destination if has_host and is_web_address(destination) else None


def _label(html: str, tag: Tag) -> str:
    """What the reader sees of a link, for the report: its text, else the text that stands for its image."""
    own = tag.attribute("alt") or tag.attribute("title")
    if tag.name == "area":
        return own.value[:MAX_LABEL] if own else ""
    end = re.compile(rf"</{re.escape(tag.name)}\s*>", re.IGNORECASE).search(html, tag.end, tag.end + 5_000)
    inner = html[tag.end : end.start()] if end else ""
    text = " ".join(unescape(_UNSEEN.sub(" ", inner)).split())
    images = [image.attribute("alt") for image in scan_tags(inner) if image.name == "img"]
    alternatives = [" ".join(alt.value.split()) for alt in images if alt]
    return next((label[:MAX_LABEL] for label in (text, *alternatives, own.value if own else "") if label), "")


def add_utm(url: str, utm: Utm) -> str:
    """``url`` with the tags that it does not carry yet; everything else stays as written, in its order."""
    address, hash_sign, fragment = url.partition("#")
    base, _question_mark, query = address.partition("?")
    present = {name.lower() for name, _value in parse_qsl(query, keep_blank_values=True)}
    wanted = {"utm_source": utm.source, "utm_medium": utm.medium, "utm_campaign": utm.campaign}
    missing = [f"{name}={quote(value, safe='')}" for name, value in wanted.items() if value and name not in present]
    if not missing:
        return url
    separator = "" if not query or query.endswith("&") else "&"
    return f"{base}?{query}{separator}{'&'.join(missing)}{hash_sign}{fragment}"
