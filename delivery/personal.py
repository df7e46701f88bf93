"""Which pieces of a template say something about one person: variables, what is derived from them, conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from delivery.templating import TemplateError, parse

# The same for many people; nobody can be told by them.
SHARED = frozenset(["country", "locale", "campaign", "website", "sender_name", "legal_name", "legal_address"])
# Links of the recipient's own that every email may carry, each alone.
REPLY = "reply_url"
OWN_LINKS = frozenset(["unsubscribe_url", "preferences_url", "consent_url", "web_version_url", REPLY])
# "data" is what a call says about the one person whom it writes to.
PERSONAL = frozenset(["first_name", "last_name", "email", "attributes", "data"])

_ASSIGN = re.compile(r"\{%-?\s*assign\s+([\w-]+)\s*=\s*(.*?)-?%\}", re.DOTALL)
_CAPTURE = re.compile(r"\{%-?\s*capture\s+([\w-]+)\s*-?%\}(.*?)\{%-?\s*endcapture", re.DOTALL)
_FOR = re.compile(r"\{%-?\s*for\s+([\w-]+)\s+in\s+(.*?)-?%\}", re.DOTALL)
_TAG = re.compile(r"\{%-?\s*(?P<name>\w+)(?P<expression>.*?)-?%\}", re.DOTALL)
_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_ALONE = re.compile(r"\s*(?:\{\{.*?\}\}|\{%.*?%\})\s*", re.DOTALL)
# The number of a question and that of an answer stand behind it, for everybody the same.
_REPLY_LINK = re.compile(rf"\s*\{{\{{-?\s*{REPLY}\s*-?\}}\}}/[1-9][0-9]?/[1-9][0-9]?\s*")
_BLOCKS = frozenset(["if", "unless", "case", "for"])
_BRANCHES = frozenset(["elsif", "when", "else"])


class People:
    """What of a source is about a person."""

    def __init__(self, source: str) -> None:
        self._source = source

    @cached_property
    def derived(self) -> dict[str, frozenset[str]]:
        """Variables that the author makes, with what each comes from."""
        made: dict[str, frozenset[str]] = {}
        # Twice, since one may be made of another that is made further down in a loop.
        for _time in range(2):
            for pattern in (_ASSIGN, _FOR):
                for name, expression in pattern.findall(self._source):
                    made[name] = made.get(name, frozenset()) | self._expand(_names(f"{{{{ {expression} }}}}"), made)
            for name, content in _CAPTURE.findall(self._source):
                printed = frozenset().union(*(_names(piece) for piece in _LIQUID.findall(content)))
                made[name] = made.get(name, frozenset()) | self._expand(printed, made)
        return made

    @staticmethod
    def _expand(names: frozenset[str], made: dict[str, frozenset[str]]) -> frozenset[str]:
        return names.union(*(made.get(_root(name), frozenset()) for name in names))

    def printed_in(self, raw: str) -> frozenset[str]:
        """Every variable in a piece of the source, with what stands behind those that the author made."""
        names = frozenset().union(*(_names(piece) for piece in _LIQUID.findall(raw)))
        return self._expand(names, self.derived)

    def personal_in(self, raw: str) -> frozenset[str]:
        """What a piece says about one person, in what it prints or by when it prints."""
        asked = frozenset().union(*(self._asked_by(piece) for piece in _LIQUID.findall(raw) if piece[1] == "%"))
        return frozenset(name for name in self.printed_in(raw) | asked if _root(name) in PERSONAL)

    def is_unclear(self, printed: frozenset[str]) -> bool:
        """Whether something is printed that is neither shared by many people nor made by the author of what is."""
        known = SHARED | self.derived.keys() | {"forloop"}
        return any(_root(name) not in known for name in printed)

    @cached_property
    def conditional(self) -> list[tuple[int, int]]:
        """From where to where the source shows something to some people only, because of what they are."""
        spans: list[tuple[int, int]] = []
        still_open: list[tuple[str, int, bool]] = []
        for match in _TAG.finditer(self._source):
            name = match["name"]
            if name in _BLOCKS:
                still_open.append((name, match.start(), self._asks_about_person(match[0])))
            elif name in _BRANCHES and still_open:
                opened, start, personal = still_open[-1]
                still_open[-1] = (opened, start, personal or self._asks_about_person(match[0]))
            elif name.startswith("end") and still_open and name[3:] == still_open[-1][0]:
                _opened, start, personal = still_open.pop()
                if personal:
                    spans.append((start, match.end()))
        return spans

    def is_conditional(self, index: int) -> bool:
        """Whether some people do not get what stands there."""
        return any(start <= index < end for start, end in self.conditional)

    def _asks_about_person(self, tag: str) -> bool:
        return any(_root(name) in PERSONAL for name in self._asked_by(tag))

    def _asked_by(self, tag: str) -> frozenset[str]:
        """The variables that a tag names; words between quotes are none."""
        words = re.findall(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*", re.sub(r"\"[^\"]*\"|'[^']*'", "", tag))
        return self._expand(
            frozenset(words), self.derived | {_root(name): self.derived.get(_root(name), frozenset()) for name in words}
        )


def _names(liquid: str) -> frozenset[str]:
    """The variables that a piece prints, with the part of them: "attributes.city"."""
    try:
        used = parse(liquid).analyze(include_partials=False).globals
    except TemplateError:
        return frozenset()
    return frozenset(str(use) for uses in used.values() for use in uses)


def _root(name: str) -> str:
    return re.split(r"[.\[]", name, maxsplit=1)[0]


def is_link_of_ones_own(raw: str) -> bool:
    """Whether a link is nothing but one of ``OWN_LINKS``, so that its key is handed to nobody else."""
    return bool(_ALONE.fullmatch(raw) or _REPLY_LINK.fullmatch(raw))


def attribute_names(source: str) -> Iterator[str]:
    """The attributes that a source asks for, so that examples of people can have them."""
    for match in re.finditer(r"\battributes(?:\.([\w-]+)|\[\s*[\"']([^\"']+)[\"']\s*\])", source):
        yield match[1] or match[2]


def data_names(source: str) -> list[str]:
    """What a source wants to be given by a call, each name once, in the order in which it is asked for."""
    return list(dict.fromkeys(re.findall(r"(?<![.\w])data\.([A-Za-z_][\w-]*)(?=[^{}]*[}%]\})", source)))
