"""Where an email names addresses, and which of its tags nobody sees. Works on what an author wrote and on a copy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import unescape

from tracking.markup import LIQUID, Attribute, Tag, scan_tags, unescape_attribute

# Attributes whose address is asked for when the email is shown.
LOADED = frozenset(
    [
        *("src", "srcset", "background", "background-url", "poster", "data", "lowsrc", "thumbnails-src"),
        *("icon-wrapped-url", "icon-unwrapped-url", "left-icon", "right-icon"),
    ]
)
# Tags whose ``href`` is asked for too; anywhere else somebody has to click.
LOADING_TAGS = frozenset(["link", "mj-font", "image", "use", "base"])
IMAGE_TAGS = frozenset(["img", "mj-image", "amp-img", "v:image", "input"])
_CSS_URL = re.compile(rf"url\(\s*(?P<url>(?:{LIQUID}|[^)])*)", re.IGNORECASE | re.DOTALL)
_CSS_IMPORT = re.compile(rf"@import\s+(?:url\(\s*)?[\"']?(?P<url>(?:{LIQUID}|[^\"');\s])*)", re.IGNORECASE | re.DOTALL)
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}", re.IGNORECASE)
# Style elements first: CSS reads on within what HTML would call a comment.
_UNSEEN = re.compile(
    r"(?P<style><style\b.*?(?:</style\s*>|\Z))|<!--(?!\[if|-?>|<!\[endif).*?(?:-->|\Z)"
    r"|\{%-?\s*comment\b.*?(?:\{%-?\s*endcomment\s*-?%\}|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_HIDING = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0?\.?0+(?![.\d])"
    r"|max-(?:width|height)\s*:\s*0(?![.\d]))",
    re.IGNORECASE,
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)


@dataclass(frozen=True, slots=True)
class Place:
    """One address in an email: as written, where it stands, and whether it is asked for without a click."""

    raw: str
    start: int
    end: int
    is_loaded: bool
    tag: str = ""

    @property
    def url(self) -> str:
        """As a mail program reads it."""
        text = unescape_attribute(self.raw).strip(" \t\r\n\f\"'")
        return re.sub(r"[\t\r\n]", "", text)

    @property
    def holds_liquid(self) -> bool:
        return "{{" in self.raw or "{%" in self.raw


def blanked(source: str) -> str:
    """``source`` with its comments as blanks, so that every place keeps its number."""
    return _UNSEEN.sub(lambda match: match["style"] or re.sub(r"[^\n]", " ", match[0]), source)


class Document:
    """An email's markup, read once for all checks."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.shown = blanked(source)

    @cached_property
    def tags(self) -> list[Tag]:
        return list(scan_tags(self.shown))

    @cached_property
    def places(self) -> list[Place]:
        return sorted({place.start: place for place in [*self._css(), *self._attributes()]}.values(), key=_start)

    @cached_property
    def hidden(self) -> frozenset[int]:
        """Where the tags start that nobody sees, because they or something around them is hidden."""
        return frozenset(tag.start for tag, hidden in self._walk() if hidden)

    @cached_property
    def visible_text(self) -> str:
        """What people read, without white space: for finding a name that is laid out somehow."""
        pieces: list[str] = []
        position, shown = 0, True
        for tag, hidden in self._walk():
            if shown:
                pieces.append(self.shown[position : tag.start])
            position, shown = tag.end, not hidden
        return without_space(unescape("".join([*pieces, self.shown[position:]])))

    def _walk(self) -> Iterator[tuple[Tag, bool]]:
        """All tags that every mail program reads, each with whether what follows it is hidden."""
        around: list[tuple[str, bool]] = []
        for tag in self.tags:
            if tag.outlook_only:
                continue
            if tag.closes:
                names = [name for name, _hidden in around]
                if tag.name in names:
                    del around[len(names) - 1 - names[::-1].index(tag.name) :]
                yield tag, bool(around) and around[-1][1]
                continue
            around_hidden = bool(around) and around[-1][1]
            if tag.name in _VOID or self.shown.startswith("/>", tag.end - 2):
                yield tag, around_hidden or hides(tag)
                continue
            around.append((tag.name, around_hidden or hides(tag)))
            yield tag, around[-1][1]

    def css(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Matches in what is shown: style elements and attributes, wherever they stand."""
        yield from pattern.finditer(self.shown)

    @property
    def imports(self) -> Iterator[re.Match[str]]:
        return self.css(_CSS_IMPORT)

    @property
    def font_faces(self) -> Iterator[re.Match[str]]:
        return self.css(_FONT_FACE)

    def _css(self) -> Iterator[Place]:
        for match in self.css(_CSS_URL):
            start, end = match.span("url")
            yield Place(match["url"].strip("\"' \t\r\n"), start, end, is_loaded=True, tag="css")

    def _attributes(self) -> Iterator[Place]:
        for tag in self.tags:
            if tag.closes:
                continue
            for attribute in tag.attributes:
                yield from _addresses(tag, attribute)


def without_space(text: str) -> str:
    """``text`` as it is compared with what people read."""
    return re.sub(r"\s+", "", text)


def _start(place: Place) -> int:
    return place.start


def _addresses(tag: Tag, attribute: Attribute) -> Iterator[Place]:
    if attribute.name == "srcset":
        for candidate in re.finditer(rf"(?:{LIQUID}|[^\s,])+(?:\s+[\d.]+[wx])?", attribute.raw_value):
            address = candidate[0].split()[0] if "{" not in candidate[0] else candidate[0]
            start = attribute.start + candidate.start()
            yield Place(address, start, start + len(candidate[0]), is_loaded=True, tag=tag.name)
    elif attribute.name in LOADED or (attribute.name == "href" and tag.name in LOADING_TAGS):
        yield Place(attribute.raw_value, attribute.start, attribute.end, is_loaded=True, tag=tag.name)
    elif attribute.name == "href":
        yield Place(attribute.raw_value, attribute.start, attribute.end, is_loaded=False, tag=tag.name)


# --- What nobody sees -------------------------------------------------------------------------------------------------


def hides(tag: Tag) -> bool:
    """Whether a tag hides itself and what is in it."""
    style = tag.attribute("style")
    return tag.attribute("hidden") is not None or (style is not None and _HIDING.search(style.value) is not None)


def size_of(tag: Tag) -> tuple[float | None, float | None]:
    """Width and height of an image in pixels, as far as they are given; percentages are none."""
    return _length(tag, "width"), _length(tag, "height")


def _length(tag: Tag, name: str) -> float | None:
    style = tag.attribute("style")
    # "max-width" limits a size too.
    written = re.search(rf"(?:^|[;\s])(?:max-)?{name}\s*:\s*([\d.]+)(px)?\s*(?:;|$|!)", style.value) if style else None
    attribute = tag.attribute(name)
    plain = re.fullmatch(r"\s*([\d.]+)(?:px)?\s*", attribute.value) if attribute else None
    lengths = [float(match[1]) for match in (written, plain) if match and match[1].strip(".")]
    return min(lengths, default=None)
