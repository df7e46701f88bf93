"""Checks of the copies of several recipients: what must be the same for everybody, and what everybody must see."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from delivery.lint.findings import Code, Finding, found
from delivery.lint.hosts import tracker_of
from delivery.lint.places import IMAGE_TAGS, Document, Place, without_space
from delivery.lint.source import declared_as, invisible_image
from delivery.lint.urls import holds_address, is_remote
from delivery.personal import REPLY
from tracking.markup import LIQUID, scan_tags, unescape_attribute

_LIQUID = re.compile(LIQUID, re.DOTALL)
_TEXT_URL = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)


@dataclass(frozen=True)
class Copy:
    """What one recipient would get, not measured."""

    # Recipients of one group have everything in common that an email may use to choose what it shows.
    group: str
    # The spellings of the recipient's address.
    marks: frozenset[str]
    # The recipient's own links by the name of their variable, which nobody else gets.
    own: Mapping[str, str]
    html: str
    text: str

    @cached_property
    def document(self) -> Document:
        return Document(self.html)

    @cached_property
    def addresses(self) -> dict[str, bool]:
        """Every address of another machine in this copy, but the own links: whether it is asked for without a click."""
        found_here: dict[str, bool] = {}
        for place in self.document.places:
            if is_remote(place.url) and not self._is_own(place.url):
                found_here[place.url] = place.is_loaded or found_here.get(place.url, False)
        for match in _TEXT_URL.finditer(self.text):
            url = match[0].rstrip(".,;:!?")
            if not self._is_own(url):
                found_here.setdefault(url, False)
        return found_here

    def _is_own(self, url: str) -> bool:
        replies = self.own.get(REPLY)
        return url in self.own.values() or bool(replies and url.startswith(f"{replies}/"))


class SourceMap:
    """Finds the place in the source that an address of a copy comes from."""

    def __init__(self, body: str, text: str, places: Iterable[Place]) -> None:
        self._sources = {"body": body, "text": text}
        candidates = [("body", place.raw, place.start, place.end) for place in places]
        candidates += [("text", match[0], *match.span()) for match in _written_addresses(text)]
        self._patterns = sorted(
            ((_as_pattern(raw), (field, raw, start, end)) for field, raw, start, end in candidates),
            key=lambda candidate: -len(_LIQUID.sub("", candidate[1][1])),
        )

    def find(self, code: Code, url: str) -> Finding:
        """A finding at the place that made ``url``; without a place when it was put together out of sight."""
        place = self._place(url)
        if place is None:
            return Finding(code, snippet=url[:120])
        field, _raw, start, end = place
        return found(code, self._sources[field], start, end, field=field)

    def raw(self, url: str) -> str:
        place = self._place(url)
        return place[1] if place else ""

    def _place(self, url: str) -> tuple[str, str, int, int] | None:
        return next((place for pattern, place in self._patterns if pattern.fullmatch(url)), None)


def _written_addresses(text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?:https?://|\{{\{{)(?:{LIQUID}|[^\s<>\"'])*", text, re.IGNORECASE | re.DOTALL)


def _as_pattern(raw: str) -> re.Pattern[str]:
    """What the address may be in a copy: anything in place of its Liquid, and tags for web analytics at its end."""
    literals = [re.escape(unescape_attribute(piece)) for piece in _LIQUID.split(raw.strip())]
    return re.compile(".*".join(literals) + r"(?:[?&#].*)?", re.DOTALL)


def check_copies(copies: Sequence[Copy], sources: SourceMap, functional: frozenset[str]) -> Iterator[Finding]:
    """Addresses of people, and everything that differs between the copies of one group (rules S1, S9, H3)."""
    groups: dict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        groups[copy.group].append(copy)
        for url in copy.addresses:
            if holds_address(url, copy.marks):
                yield sources.find(Code.ADDRESS_IN_URL, url)
        yield from _invisible_images(copy, sources)
    for members in groups.values():
        yield from _differences(members, sources, functional)


def _differences(members: Sequence[Copy], sources: SourceMap, functional: frozenset[str]) -> Iterator[Finding]:
    shared = set(members[0].addresses).intersection(*(member.addresses for member in members))
    for member in members:
        for url, is_loaded in member.addresses.items():
            if url in shared:
                continue
            if is_loaded:
                yield sources.find(Code.RESOURCE_DIFFERS, url)
            elif declared_as(sources.raw(url)) not in functional:
                yield sources.find(Code.LINK_DIFFERS, url)


def _invisible_images(copy: Copy, sources: SourceMap) -> Iterator[Finding]:
    """Once the styles are where they belong, an image may turn out to be hidden, or to come from a counter."""
    for tag in copy.document.tags:
        source = tag.attribute("src") if tag.name in IMAGE_TAGS and not tag.closes else None
        if source is None:
            continue
        code = invisible_image(tag, hidden=tag.start in copy.document.hidden)
        if code is not None:
            yield sources.find(code, source.value.strip())
        tracker = tracker_of(source.value, "opens")
        if tracker is not None:
            finding = sources.find(Code.OPEN_TRACKER, source.value.strip())
            yield Finding(finding.code, finding.field, finding.line, finding.column, finding.snippet, tracker.name)


# --- What everybody must see (rules C9 and D1) ------------------------------------------------------------------------


def check_footer(copy: Copy, *, needed: Mapping[str, Code], names: Sequence[str]) -> Iterator[Finding]:
    """Links and names that the recipient must be able to see. ``needed``: own links, with what their lack means."""
    for variable, code in needed.items():
        if not _has_visible_link(copy.document, copy.own[variable]):
            yield Finding(code)
    text = copy.document.visible_text
    if any(without_space(name) not in text for name in names):
        yield Finding(Code.NO_SENDER)


def _has_visible_link(document: Document, url: str) -> bool:
    for tag in document.tags:
        href = tag.attribute("href") if tag.name == "a" and not tag.closes and not tag.outlook_only else None
        if href is None or href.value.strip() != url or tag.start in document.hidden:
            continue
        end = re.compile(r"</a\s*>", re.IGNORECASE).search(document.shown, tag.end)
        inner = document.shown[tag.end : end.start() if end else len(document.shown)]
        if re.sub(r"<[^>]*>|&nbsp;|\s", "", inner) or any(image.name == "img" for image in scan_tags(inner)):
            return True
    return False
