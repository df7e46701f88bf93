"""An author's MJML or HTML on its way to what mail programs read: compiled, styles inlined, a text part made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from css_inline import CSSInliner, InlineError
from django.utils.translation import gettext as _
from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.html_properties import Display
from inscriptis.model.config import ParserConfig
from inscriptis.model.html_document_state import HtmlDocumentState
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.tag import CustomHtmlTagHandlerMapping
from mjml import mjml2html

from delivery.personal import People
from delivery.templating import Shield, TemplateError
from tracking.markup import LIQUID, Tag, scan_tags

# --- MJML -----------------------------------------------------------------------------------------------------------

MJML_TAGS = frozenset({"mjml"}) | {
    f"mj-{name}"
    for name in [
        *("head", "attributes", "all", "class", "breakpoint", "font", "preview", "style", "title"),
        *("body", "accordion", "accordion-element", "accordion-title", "accordion-text", "button", "carousel"),
        *("carousel-image", "column", "divider", "group", "hero", "image", "navbar", "navbar-link", "raw", "section"),
        *("social", "social-element", "spacer", "table", "text", "wrapper"),
    ]
}
# Tools that lay out or inline HTML recurse; libxml2 gives up at 256.
MAX_DEPTH = 200
# More than that nobody reads at once.
MOST_PROBLEMS = 20
# A following tag ends these, so that many without an end are not many inside each other.
_OPTIONAL_END = frozenset(["p", "li", "dt", "dd", "option", "td", "th", "tr", "thead", "tbody", "tfoot"])
# HTML tags that need no end tag, as the compiler knows them.
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_LOADED_HOST = re.compile(
    r"(?:\bsrc=|\bbackground=|\burl\(|@import\s|<link[^>]*\shref=)[\"']?https?://([^/\"'\s<>():]+)", re.IGNORECASE
)
_MJML_TAG = re.compile(
    r"""<!--.*?-->|(?P<tag></?(?P<name>[a-zA-Z][\w:.-]*)
        (?:\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'))?)*+\s*(?P<empty>/?)>)|(?P<bad><)""",
    re.DOTALL | re.VERBOSE,
)
# The compiler writes such characters in attributes as Rust does in its source: a no-break space becomes "\u{a0}".
_MISWRITTEN = re.compile(r"[^\t\n\r\x20-\x7e]+|\\")
_QUOTED = re.compile(r"""(?<==)"[^"]*"|(?<==)'[^']*'|(?<==\s)"[^"]*"|(?<==\s)'[^']*'""")


def compile_mjml(source: str) -> str:
    """The HTML of an MJML document, with its Liquid. TemplateError says on which line it cannot be read."""
    shield = _shield_mjml(source)
    if refused := next(_refused_tags(shield), None):
        raise refused
    try:
        html = _compiled(shield)
    except ValueError as error:
        raise _why_not_compiled(shield, error)[0] from error
    _refuse_foreign_hosts(shield.text, html)
    return shield.restore(html)


def check_mjml(source: str) -> list[TemplateError]:
    """Everything for which an MJML document cannot be compiled, not only the first of it."""
    shield = _shield_mjml(source)
    if refused := list(_refused_tags(shield)):
        return refused[:MOST_PROBLEMS]
    try:
        _refuse_foreign_hosts(shield.text, _compiled(shield))
    except ValueError as error:
        return _why_not_compiled(shield, error)
    except TemplateError as problem:
        return [problem]
    return []


def _compiled(shield: Shield) -> str:
    # Without ``fonts`` the compiler would add links to web fonts of another company.
    html: str = mjml2html(shield.text, fonts={})
    return html


def _why_not_compiled(shield: Shield, error: ValueError) -> list[TemplateError]:
    problems = list(islice(_unbalanced_tags(shield), MOST_PROBLEMS))
    return problems or [_compiler_problem(shield, str(error))]


def _shield_mjml(source: str) -> Shield:
    shield = Shield(source)
    shield.hide(_MISWRITTEN)

    def hide_in_value(match: re.Match[str]) -> str:
        quote, value = match[0][0], match[0][1:-1]
        value = re.sub(r"[\t\n\r]+", lambda space: shield.word_for(space[0]), value)
        return quote + value.replace('"', shield.word_for("&quot;") if '"' in value else "") + quote

    def hide_in_tag(match: re.Match[str]) -> str:
        return _QUOTED.sub(hide_in_value, match[0]) if match["tag"] else match[0]

    shield.text = _MJML_TAG.sub(hide_in_tag, shield.text)
    return shield


def _refused_tags(shield: Shield) -> Iterator[TemplateError]:
    """What the compiler would pass on silently, look for in files, or not survive."""
    depth = 0
    for match in _MJML_TAG.finditer(shield.text):
        name = match["name"] or ""
        if name == "mj-include":
            message = _("mj-include is not available: put the part into the email itself.")
            yield TemplateError(message, shield.line(match.start()))
        elif name.startswith("mj-") and name not in MJML_TAGS and not match["tag"].startswith("</"):
            message = _("There is no MJML tag <%(name)s>.") % {"name": name}
            yield TemplateError(message, shield.line(match.start()))
        if name and not match["empty"] and name not in _VOID:
            depth += -1 if match["tag"].startswith("</") else 1
        if depth > MAX_DEPTH:
            yield _too_deep(shield.line(match.start()))


def refuse_deep(html: str) -> None:
    """HTML nested so deeply that parsers would drop it, or crash."""
    depth = 0
    for tag in scan_tags(html):
        if tag.outlook_only or tag.name in _VOID | _OPTIONAL_END:
            continue
        depth = max(0, depth - 1) if tag.closes else depth + 1
        if depth > MAX_DEPTH:
            raise _too_deep(html.count("\n", 0, tag.start) + 1)


def _too_deep(line: int) -> TemplateError:
    return TemplateError(_("Tags are nested more than %(most)s deep.") % {"most": MAX_DEPTH}, line)


def _unbalanced_tags(shield: Shield) -> Iterator[TemplateError]:
    """Where a document that the compiler refused goes wrong; the compiler itself names no line."""
    still_open: list[tuple[str, int]] = []
    torn = False
    for match in _MJML_TAG.finditer(shield.text):
        name, line = match["name"], shield.line(match.start())
        if match["bad"]:
            message = _("A “<” that starts no well-formed tag: write &lt;, or put the attribute’s value into quotes.")
            torn = True  # the end of what is no tag here is no news
            yield TemplateError(message, line)
        elif name is None or match["empty"] or name in _VOID:
            continue
        elif not match["tag"].startswith("</"):
            still_open.append((name, line))
        elif name not in [opened for opened, _line in still_open]:
            if torn:
                continue
            yield TemplateError(_("</%(name)s> closes a tag that is not open here.") % {"name": name}, line)
        else:
            while (opened := still_open.pop())[0] != name:
                yield _never_closed(*opened)
    for opened in reversed(still_open):
        yield _never_closed(*opened)


def _never_closed(name: str, line: int) -> TemplateError:
    return TemplateError(_("<%(name)s> is never closed.") % {"name": name}, line)


def _compiler_problem(shield: Shield, error: str) -> TemplateError:
    """What the compiler said; some of its messages end with a place: "… at position 39:49"."""
    place = re.search(r" at position (\d+):\d+$", error)
    what = re.sub(r" in root template.*$", "", error)
    message = _("This is not valid MJML: %(error)s") % {"error": what}
    if place is None:
        return TemplateError(message)
    before = shield.text.encode()[: int(place[1])].decode(errors="ignore")
    return TemplateError(message, shield.line(len(before)))


def _refuse_foreign_hosts(source: str, html: str) -> None:
    """Some MJML tags load their icons from the servers of other companies unless the author gives them images."""
    added = {host for host in _LOADED_HOST.findall(html) if host.lower() not in source.lower()}
    if added:
        message = _(
            "MJML would load images from %(hosts)s. Give mj-social-element, mj-accordion and mj-carousel images of "
            "your own (src, icon-wrapped-url, icon-unwrapped-url, left-icon, right-icon)."
        )
        raise TemplateError(message % {"hosts": ", ".join(sorted(added))})


# --- Styles ---------------------------------------------------------------------------------------------------------

_NUMBER = "data-pli-n"
_INLINER = CSSInliner(keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False)


def inline_css(html: str) -> str:
    """Copy the rules of <style> into the elements, for mail programs that read style attributes only.

    The inliner writes documents anew, so its answer is used for the style attributes alone: each element is numbered
    for it, and its new style is put into the HTML as it was written.
    """
    if "<style" not in html.lower():
        return html
    shield = Shield(html)
    tags = [tag for tag in scan_tags(shield.text) if not tag.closes and not tag.outlook_only]
    try:
        inlined = _INLINER.inline(_numbered(shield.text, tags))
    except InlineError as error:
        message = _("The styles cannot be read: %(error)s") % {"error": error}
        raise TemplateError(message) from error
    styles: dict[int, str] = {}
    for tag in scan_tags(inlined):
        number, style = tag.attribute(_NUMBER), tag.attribute("style")
        if number and style:
            styles[int(number.raw_value)] = style.value
    return shield.restore(_with_styles(shield.text, tags, styles))


def _numbered(html: str, tags: list[Tag]) -> str:
    pieces: list[str] = []
    position = 0
    for number, tag in enumerate(tags):
        after_name = tag.start + 1 + len(tag.name)
        pieces += (html[position:after_name], f' {_NUMBER}="{number}"')
        position = after_name
    return "".join([*pieces, html[position:]])


def _with_styles(html: str, tags: list[Tag], styles: dict[int, str]) -> str:
    pieces: list[str] = []
    position = 0
    for number, tag in enumerate(tags):
        style, old = styles.get(number), tag.attribute("style")
        if style is None or (old and old.value == style):
            continue
        value = style.replace("&", "&amp;").replace('"', "&quot;")
        written = f'style="{value}"'
        after_name = tag.start + 1 + len(tag.name)
        start, end = old.whole if old else (after_name, after_name)
        pieces += (html[position:start], written if old else f" {written}")
        position = end
    return "".join([*pieces, html[position:]])


# --- Text -----------------------------------------------------------------------------------------------------------

# Frames around a link while inscriptis lays out the text.
_LINK_START, _LINK_TARGET, _LINK_END = "\ufdd4", "\ufdd5", "\ufdd6"
_LINK = re.compile(f"{_LINK_START}(.*?){_LINK_TARGET}(.*?){_LINK_END}", re.DOTALL)


def html_to_text(html: str) -> str:
    """The text part of an email that has none of its own: links as "text (address)", images as their alt text."""
    shield = Shield(html)
    text = _LINK.sub(_link_as_text, get_text(shield.text, _text_config()))
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in text.splitlines()]
    return shield.restore(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()) + "\n"


def _link_as_text(match: re.Match[str]) -> str:
    text, target = match[1].strip(), match[2].strip()
    bare = target.removeprefix("mailto:")
    if not bare or bare.startswith("#") or bare == text:
        return match[1]
    return f"{match[1].rstrip()} ({bare})" if text else bare


def _text_config() -> ParserConfig:
    css = STRICT_CSS_PROFILE.copy()
    # Tables lay emails out; side by side their cells would tear sentences, and blocks of Liquid, apart.
    for name in ("table", "tbody", "tr"):
        css[name] = HtmlElement(display=Display.block)
    for name in ("td", "th"):
        css[name] = HtmlElement(suffix=" ")
    nothing: dict[str, Any] = dict.fromkeys(("table", "tr", "td", "th"))
    return ParserConfig(
        css=css,
        custom_html_tag_handler_mapping=CustomHtmlTagHandlerMapping(
            start_tag_mapping={**nothing, "a": _start_link, "img": _write_image},
            end_tag_mapping={**nothing, "a": _end_link},
        ),
    )


def _start_link(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    state.link_target = attributes.get("href", "")
    if state.link_target:
        state.tags[-1].write(_LINK_START)


def _end_link(state: HtmlDocumentState) -> None:
    if state.link_target:
        state.tags[-1].write(f"{_LINK_TARGET}{state.link_target}{_LINK_END}")
        state.link_target = ""


def _write_image(state: HtmlDocumentState, attributes: dict[str, str]) -> None:
    state.tags[-1].write(attributes.get("alt", ""))


# --- What an author must not build ------------------------------------------------------------------------------------

_LOADED = frozenset(["src", "srcset", "background", "poster", "data", "background-url", "lowsrc"])
_CSS_ADDRESS = re.compile(rf"url\(((?:{LIQUID}|[^)])*)", re.IGNORECASE | re.DOTALL)


class AddressError(TemplateError):
    """An address that says who the reader is. The privacy lint says the same with its place and a cure."""


def check_addresses(source: str) -> list[AddressError]:
    """Images that would tell the recipients apart are a pixel by another name (rule S1); no address in a URL (H3)."""
    people = People(source)
    problems = []
    for start, piece, is_link in _addresses(source):
        printed, personal = people.printed_in(piece), people.personal_in(piece)
        if "email" not in personal if is_link else not (personal or people.is_unclear(printed)):
            continue
        message = (
            _("A link must not carry the recipient’s email address.")
            if is_link
            else _("An image’s address must be the same for everyone: it would tell who opened the email.")
        )
        problems.append(AddressError(message, source.count("\n", 0, start) + 1))
    return problems


def _addresses(source: str) -> Iterator[tuple[int, str, bool]]:
    """Addresses with Liquid in them: where, which, and whether a person has to click first."""
    for tag in scan_tags(source):
        for attribute in tag.attributes:
            is_link = attribute.name == "href" and not attribute.raw_value.lower().startswith("mailto:")
            if attribute.holds_liquid and (attribute.name in _LOADED or is_link):
                yield attribute.start, attribute.raw_value, is_link and tag.name != "link"
    for match in _CSS_ADDRESS.finditer(source):
        if "{{" in match[1]:
            yield match.start(), match[1], False
