"""Liquid in subjects and bodies: what authors may write, its limits, and filling it fast.

Authors are members of a customer, not of the operator: a template may not read files, loop for ever or fill the memory.
Values of recipients are escaped in HTML; there is no way to switch that off.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from django.utils.translation import gettext as _
from liquid import BoundTemplate, Environment
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, LiquidInterrupt, ResourceLimitError
from liquid.output import LimitedStringIO
from liquid.stringify import to_liquid_string
from liquid.token import Token

from delivery.template_time import TimedContext
from tracking.markup import LIQUID

MAX_OUTPUT = 2_000_000
MAX_FILTER_OUTPUT = 100_000
MAX_LOOP = 1_000

# What an author may use, and what is under it; None stands for anything (a participant's own attributes).
VARIABLES: dict[str, frozenset[str] | None] = {
    "first_name": frozenset(),
    "last_name": frozenset(),
    "email": frozenset(),
    "country": frozenset(),
    "locale": frozenset(),
    "attributes": None,
    "campaign": frozenset({"name"}),
    "website": frozenset({"name"}),
    "unsubscribe_url": frozenset(),
    "preferences_url": frozenset(),
    "consent_url": frozenset(),
    "web_version_url": frozenset(),
    # Of answer buttons; campaigns.questions writes them.
    "reply_url": frozenset(),
    # What a call gives along for its one message; empty in a launch.
    "data": None,
    "sender_name": frozenset(),
    "legal_name": frozenset(),
    "legal_address": frozenset(),
}

# Filters that read arrays are left out, as one of them could unroll a range of any length; so is "safe".
FILTERS = [
    "abs",
    "append",
    "at_least",
    "at_most",
    "capitalize",
    "ceil",
    "date",
    "default",
    "divided_by",
    "downcase",
    "escape",
    "escape_once",
    "first",
    "floor",
    "join",
    "last",
    "lstrip",
    "minus",
    "modulo",
    "newline_to_br",
    "plus",
    "prepend",
    "remove",
    "remove_first",
    "replace",
    "replace_first",
    "round",
    "rstrip",
    "size",
    "slice",
    "split",
    "strip",
    "strip_html",
    "strip_newlines",
    "times",
    "truncate",
    "truncatewords",
    "upcase",
    "url_encode",
]
TAGS_LEFT_OUT = ("include", "render", "increment", "decrement", "tablerow", "ifchanged", "doc")

# What a template can run into besides Liquid's own errors: numbers and ranges of absurd size.
_FAILURES = (LiquidError, LiquidInterrupt, ValueError, TypeError, ArithmeticError, RecursionError)


class TemplateError(Exception):
    """Something that an author has to put right, in the interface's language."""

    def __init__(self, message: str, line: int | None = None, field: str = "body") -> None:
        super().__init__(message, line, field)
        self.message = message
        self.line = line
        # Which field of the email: subject, preheader, body or text.
        self.field = field

    def __str__(self) -> str:
        if self.line is None:
            return self.message
        return _("Line %(line)s: %(message)s") % {"line": self.line, "message": self.message}


# --- The language ---------------------------------------------------------------------------------------------------


def _bounded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose result cannot grow out of hand. ``wraps`` keeps the marks by which Liquid passes its context."""

    @wraps(function)
    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        if name == "join" and isinstance(value, range) and len(value) > MAX_LOOP:
            raise ResourceLimitError("join", token=None)
        if name == "replace" and len(args) > 1 and _growth(str(value), *args) > MAX_FILTER_OUTPUT:
            raise ResourceLimitError("replace", token=None)
        result = function(value, *args, **kwargs)
        if isinstance(result, (str, list)) and len(result) > MAX_FILTER_OUTPUT:
            raise ResourceLimitError(name, token=None)
        return result

    return call


def _growth(value: str, old: object, new: object, *_rest: object) -> int:
    return value.count(str(old)) * len(str(new))


class _AuthorsLiquid(Environment):
    loop_iteration_limit = MAX_LOOP
    output_stream_limit = MAX_OUTPUT
    local_namespace_limit = MAX_FILTER_OUTPUT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=False)
        for tag in TAGS_LEFT_OUT:
            del self.tags[tag]
        self.filters = {name: _bounded(name, self.filters[name]) for name in FILTERS}


def _unchanged(value: object) -> object:
    return value


HTML = _AuthorsLiquid(autoescape=True)
TEXT = _AuthorsLiquid()
# A text part made from HTML keeps its filters; those that write HTML do nothing there.
TEXT.filters |= dict.fromkeys(("escape", "escape_once", "newline_to_br"), _unchanged)


def parse(source: str, environment: Environment = TEXT) -> BoundTemplate:
    """Read a template; TemplateError says what is wrong with it."""
    try:
        return environment.from_string(source)
    except _FAILURES as error:
        raise _problem(error) from error


def _problem(error: BaseException, token: Token | None = None) -> TemplateError:
    """What went wrong, in words; ``token`` says where, if the error itself does not."""
    line = _line(getattr(error, "token", None)) or _line(token)
    if isinstance(error, ResourceLimitError):
        return TemplateError(_("This template produces too much text or loops too often."), line)
    if isinstance(error, LiquidError):
        return TemplateError(_("Liquid: %(error)s") % {"error": error.message}, line)
    if isinstance(error, LiquidInterrupt):
        return TemplateError(_("Liquid: “%(tag)s” outside of a loop") % {"tag": error}, line)
    return TemplateError(_("Liquid: a value is out of range"), line)


def _line(token: Token | None) -> int | None:
    if token is None or token.start_index < 0:
        return None
    return token.source.count("\n", 0, token.start_index) + 1


# --- Checks before a launch -----------------------------------------------------------------------------------------


def check_liquid(source: str, *, field: str = "body", html: bool = True) -> list[TemplateError]:
    """Everything in ``source`` that Liquid cannot read, does not know, or cannot carry out."""
    try:
        template = parse(source, HTML if html else TEXT)
        problems = [*_unknown_names(template, source), *_unknown_filters(template, source)]
        if not problems:
            render(template, SAMPLE)
    except TemplateError as problem:
        problems = [problem]
    return [TemplateError(problem.message, problem.line, field) for problem in problems]


# Somebody about whom everything is known; what fails for them fails for everybody.
SAMPLE: Mapping[str, Any] = {
    **{name: "x" for name, parts in VARIABLES.items() if not parts},
    "attributes": {},
    "data": {},
    "campaign": {"name": "x"},
    "website": {"name": "x"},
}


def _unknown_names(template: BoundTemplate, source: str) -> Iterator[TemplateError]:
    for name, uses in template.analyze(include_partials=False).globals.items():
        for use in uses:
            if name not in VARIABLES:
                message = _("There is no variable “%(name)s”. Known are: %(known)s.")
                yield _unknown(message, str(use), use.span.index, source)
                continue
            parts = VARIABLES[name]
            if parts is not None and len(use.segments) > 1 and use.segments[1] not in parts:
                message = _("There is nothing named “%(name)s”. Known are: %(known)s.")
                yield _unknown(message, str(use), use.span.index, source)


def _unknown(message: str, name: str, index: int, source: str) -> TemplateError:
    known = ", ".join(
        [f"{name}.{part}" for name, parts in VARIABLES.items() for part in parts or ()]
        + [f"{name}.…" if parts is None else name for name, parts in VARIABLES.items() if not parts]
    )
    return TemplateError(message % {"name": name, "known": known}, source.count("\n", 0, index) + 1)


def _unknown_filters(template: BoundTemplate, source: str) -> Iterator[TemplateError]:
    for name, spans in template.analyze(include_partials=False).filters.items():
        if name not in template.env.filters:
            message = _("There is no filter “%(name)s”. Known are: %(known)s.")
            values = {"name": name, "known": ", ".join(FILTERS)}
            yield TemplateError(message % values, source.count("\n", 0, spans[0].index) + 1)


def unconditional(template: BoundTemplate) -> str:
    """The source of what every recipient gets: text and plain variables outside of all blocks."""
    return "".join(
        node.text if isinstance(node, ContentNode) else str(node)
        for node in template.nodes
        if isinstance(node, (ContentNode, OutputNode))
    )


# --- Filling --------------------------------------------------------------------------------------------------------


def render(template: BoundTemplate, variables: Mapping[str, object]) -> str:
    """The whole template for one recipient; what is unknown about them is empty."""
    rendering = _Rendering(template, variables)
    return "".join([rendering.print(node) for node in template.nodes])


class _Rendering:
    """One recipient's way through a template, with the variables that it assigns on the way."""

    def __init__(self, template: BoundTemplate, variables: Mapping[str, object]) -> None:
        self._context = TimedContext(template, variables)
        self._left = MAX_OUTPUT

    def print(self, node: Node) -> str:
        buffer = LimitedStringIO(self._left)
        try:
            node.render(self._context, buffer)
        except _FAILURES as error:
            raise _problem(error, node.token) from error
        self._left -= buffer.size
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Pieces:
    """A template cut into what is the same for everybody and what is not: statics[0] moving[0] statics[1] …

    ``moving`` holds the numbers of slots, the names of variables that are printed as they are, and other Liquid to be
    rendered. In that there may be slots too (a link in a condition), marked with a text that nobody can guess.
    """

    template: BoundTemplate
    statics: tuple[str, ...]
    moving: tuple[int | str | Node, ...]
    mark: re.Pattern[str] = field(repr=False)

    def values(self, variables: Mapping[str, object], slots: Sequence[str]) -> list[str]:
        """What goes between the statics for one recipient."""
        rendering = _Rendering(self.template, variables)
        plain = {
            name: to_liquid_string(variables.get(name), self.template.env.autoescape)
            for name in {piece for piece in self.moving if isinstance(piece, str)}
        }
        values = []
        for piece in self.moving:
            if isinstance(piece, int):
                values.append(slots[piece])
            elif isinstance(piece, str):
                values.append(plain[piece])
            else:
                values.append(self._fill_marks(rendering.print(piece), slots))
        return values

    def _fill_marks(self, text: str, slots: Sequence[str]) -> str:
        return self.mark.sub(lambda match: slots[int(match[1])], text) if "\ufdd2" in text else text


def cut(parts: Sequence[str], slots: Sequence[int], environment: Environment) -> Pieces:
    """Prepare a template that has numbered slots between its parts."""
    nonce = secrets.token_hex(8)
    source = parts[0] + "".join(
        f"\ufdd2{nonce}:{slot}\ufdd3{part}" for slot, part in zip(slots, parts[1:], strict=True)
    )
    mark = re.compile(f"\ufdd2{nonce}:([0-9]+)\ufdd3")
    template = parse(source, environment)
    assigned = template.analyze(include_partials=False).locals
    statics = [""]
    moving: list[int | str | Node] = []
    for node in template.nodes:
        if isinstance(node, ContentNode):
            text, *marked = mark.split(node.text)
            statics[-1] += text
            moving += [int(number) for number in marked[::2]]
            statics += marked[1::2]
        else:
            name = _plain_variable(node)
            moving.append(node if name is None or name in assigned else name)
            statics.append("")
    return Pieces(template, tuple(statics), tuple(moving), mark)


def _plain_variable(node: Node) -> str | None:
    """The name, if all that a node does is to print one of ``VARIABLES``."""
    if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
        return None
    path = getattr(node.expression.left, "path", None)
    name = path[0] if path and len(path) == 1 and not node.expression.filters else None
    return name if isinstance(name, str) and name in VARIABLES else None


# --- Keeping Liquid out of the way of other tools -------------------------------------------------------------------

_LIQUID = re.compile(LIQUID, re.DOTALL)


def runs_on(source: str) -> bool:
    """Whether a piece of Liquid is never closed, and so swallows all that follows."""
    return any(not piece[0].endswith(("}}", "%}")) for piece in _LIQUID.finditer(source))


class Shield:
    """Replaces Liquid by plain words that HTML, CSS and MJML tools leave alone, and puts it back."""

    def __init__(self, source: str) -> None:
        # Nobody's text holds these words by chance.
        self._nonce = secrets.token_hex(5)
        self._word = re.compile(f"q{self._nonce}q([0-9]+)q")
        self._pieces: list[str] = []
        self.text = without_noncharacters(source)
        self.hide(_LIQUID)

    def hide(self, pattern: re.Pattern[str]) -> None:
        """Put a word in the place of everything that matches."""
        self.text = pattern.sub(lambda match: self.word_for(match[0]), self.text)

    def word_for(self, piece: str) -> str:
        """A new word, which ``restore`` turns into ``piece``."""
        self._pieces.append(piece)
        return f"q{self._nonce}q{len(self._pieces) - 1}q"

    def restore(self, text: str) -> str:
        """``text`` with what was hidden back in it."""
        return self._word.sub(lambda match: self._pieces[int(match[1])], text)

    def line(self, index: int) -> int:
        """The line of the source on which this place of the shielded text stands."""
        return self.restore(self.text[:index]).count("\n") + 1


def without_noncharacters(text: str) -> str:
    """``text`` without the noncharacters of Unicode, which no text may hold: we mark places with them."""
    return re.sub("[\ufdd0-\ufdef]", "", text)
