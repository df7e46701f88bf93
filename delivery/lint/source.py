"""Checks of what an author wrote, MJML or HTML: every finding has its place there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from delivery.lint.findings import Code, Finding, found
from delivery.lint.hosts import tracker_of
from delivery.lint.places import IMAGE_TAGS, Document, Place, hides, size_of
from delivery.lint.urls import is_plain_image, is_remote, person_parameter
from delivery.personal import OWN_LINKS, People, is_link_of_ones_own
from tracking.markup import LIQUID, Tag

_FORM_TAGS = frozenset(["form", "input", "select", "button", "option"])
_EMBEDDING_TAGS = frozenset(["iframe", "frame", "object", "embed", "applet", "base", "portal"])
_SCRIPT = re.compile(r"<script\b[^>]*>?|<textarea\b[^>]*>?", re.IGNORECASE)
_SCRIPT_URL = re.compile(r"\s*(?:javascript|vbscript|data:text/html)", re.IGNORECASE)
_LIQUID = re.compile(LIQUID, re.DOTALL)
# Smaller than this nobody sees an image.
_TINY = 2


def check_source(document: Document, functional: frozenset[str]) -> Iterator[Finding]:
    """Everything that can be told without a recipient. ``functional``: links declared to need what they carry."""
    people = People(document.shown)
    yield from _styles(document)
    yield from _scripts(document)
    for tag in document.tags:
        if not tag.closes:
            yield from _tag(document, tag)
    for place in document.places:
        yield from _addresses_of_others(document, place)
        yield from _people_in(document, place, people, functional)


# --- Fonts, styles, scripts, forms ------------------------------------------------------------------------------------


def _styles(document: Document) -> Iterator[Finding]:
    for match in document.imports:
        yield found(Code.REMOTE_STYLE, document.source, *match.span())
    for match in document.font_faces:
        if re.search(r"url\(\s*[\"']?(?!data:)", match[0], re.IGNORECASE):
            yield found(Code.WEB_FONT, document.source, *match.span())


def _scripts(document: Document) -> Iterator[Finding]:
    for match in _SCRIPT.finditer(document.shown):
        code = Code.FORM if match[0].lower().startswith("<textarea") else Code.SCRIPT
        yield found(code, document.source, *match.span())


def _tag(document: Document, tag: Tag) -> Iterator[Finding]:
    where = (document.source, tag.start, tag.end)
    if tag.name in _FORM_TAGS:
        yield found(Code.FORM, *where)
    elif tag.name in _EMBEDDING_TAGS or _refreshes(tag):
        yield found(Code.EMBEDDED, *where)
    elif tag.name == "link" and tag.attribute("href") is not None:
        yield found(_kind_of_link(tag), *where)
    elif tag.name == "mj-font":
        yield found(Code.WEB_FONT, *where)
    elif tag.name in IMAGE_TAGS:
        yield from _image(document, tag)
    for attribute in tag.attributes:
        is_handler = re.fullmatch(r"on[a-z]+", attribute.name) and attribute.raw_value
        if is_handler or (attribute.name in {"href", "src", "action"} and _SCRIPT_URL.match(attribute.value)):
            yield found(Code.SCRIPT, document.source, *attribute.whole)


def _refreshes(tag: Tag) -> bool:
    name = tag.attribute("http-equiv") if tag.name == "meta" else None
    return name is not None and name.value.strip().lower() == "refresh"


def _kind_of_link(tag: Tag) -> Code:
    href = tag.attribute("href")
    return Code.WEB_FONT if href is not None and "font" in href.value.lower() else Code.REMOTE_STYLE


# --- Images that nobody sees ------------------------------------------------------------------------------------------


def _image(document: Document, tag: Tag) -> Iterator[Finding]:
    code = invisible_image(tag, hidden=tag.start in document.hidden)
    if code is not None:
        yield found(code, document.source, tag.start, tag.end)


def invisible_image(tag: Tag, *, hidden: bool) -> Code | None:
    """What an image that nobody sees is there for; None for one that people see."""
    source = tag.attribute("src")
    if source is None or not (is_remote(source.value) or source.holds_liquid):
        return None
    width, height = size_of(tag)
    sizes = [size for size in (width, height) if size is not None]
    # With one size only, the other follows the picture, which may be a single pixel.
    tiny = bool(sizes) and all(size <= _TINY for size in sizes)
    if tiny:
        return Code.SPACER if is_plain_image(source.value, may_have_long_name=False) else Code.FOREIGN_PIXEL
    if hidden or hides(tag) or 0 in sizes:
        # Pictures for small screens wait in hidden blocks.
        return Code.SPACER if is_plain_image(source.value, may_have_long_name=True) else Code.FOREIGN_PIXEL
    if any(size <= _TINY for size in sizes) and is_plain_image(source.value, may_have_long_name=False):
        return Code.SPACER
    return None


# --- Addresses --------------------------------------------------------------------------------------------------------


def _addresses_of_others(document: Document, place: Place) -> Iterator[Finding]:
    url = _LIQUID.sub("x", place.url)
    if not is_remote(url):
        return
    tracker = tracker_of(url, "opens" if place.is_loaded else "clicks")
    if tracker is not None:
        code = Code.OPEN_TRACKER if place.is_loaded else Code.CLICK_TRACKER
        yield found(code, document.source, place.start, place.end, what=tracker.name)
    parameter = person_parameter(url)
    if parameter is not None:
        yield found(Code.PERSON_PARAMETER, document.source, place.start, place.end, what=parameter)


def _people_in(document: Document, place: Place, people: People, functional: frozenset[str]) -> Iterator[Finding]:
    """What an address tells of a recipient: by what it prints, or by standing where only some people get it."""
    where = (document.source, place.start, place.end)
    printed = people.printed_in(place.raw) if place.holds_liquid else frozenset()
    personal = people.personal_in(place.raw) if place.holds_liquid else frozenset()
    own = sorted(name for name in printed if name in OWN_LINKS)
    if place.is_loaded:
        if personal or own or people.is_unclear(printed) or people.is_conditional(place.start):
            yield found(Code.RESOURCE_DIFFERS, *where)
        return
    if own and not is_link_of_ones_own(place.raw):
        yield found(Code.KEY_IN_URL, *where, what=own[0])
    if "email" in personal and not place.url.lower().startswith("mailto:"):
        yield found(Code.ADDRESS_IN_URL, *where)
    elif declared_as(place.raw) in functional:
        return
    elif personal:
        yield found(Code.ATTRIBUTE_IN_URL, *where, what=", ".join(sorted(personal)))
    elif people.is_conditional(place.start) and is_remote(_LIQUID.sub("x", place.url)) and not own:
        yield found(Code.LINK_DIFFERS, *where)


def declared_as(raw: str) -> str:
    """A link as a declaration names it: as in the source, whatever the spaces in its Liquid."""
    return re.sub(r"\s+", "", raw).replace("&amp;", "&")
