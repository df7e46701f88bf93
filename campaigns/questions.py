"""Answer buttons in a template: ``{% question 1 %}`` for all of a question's, or a link to a single answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from django.utils.translation import gettext as _

from campaigns.models import Email, Question
from delivery.personal import REPLY
from delivery.templating import TemplateError

# How yes and no are written in emails, by their language.
YES_NO = {
    "en": ("Yes", "No"),
    "fr": ("Oui", "Non"),
    "de": ("Ja", "Nein"),
    "it": ("Sì", "No"),
    "nl": ("Ja", "Nee"),
    "es": ("Sí", "No"),
    "pt": ("Sim", "Não"),
}
RATINGS = ("1", "2", "3", "4", "5")

_TAG = re.compile(r"\{%-?\s*question\s+(\d{1,4})\s*-?%\}")
_LINK = re.compile(rf"\{{\{{-?\s*{REPLY}\s*-?\}}\}}(?:/(\d{{1,4}})/(\d{{1,4}})(?!\d))?")
_QUESTION_STYLE = "margin:0 0 8px;font-weight:bold"
_BUTTON_STYLE = (
    "display:inline-block;margin:0 8px 8px 0;padding:10px 18px;border:1px solid #1f5f58;border-radius:6px;"
    "color:#1f5f58;text-decoration:none"
)


def questions_of(email: Email) -> list[Question]:
    """The questions of an email in the order of their numbers."""
    return list(email.questions.order_by("number")) if email.pk else []


def link_to_answer(question: Question, answer: int) -> str:
    """What stands in a template as the address of one answer."""
    return f"{{{{ {REPLY} }}}}/{question.number}/{answer}"


def with_questions(source: str, questions: Sequence[Question], *, html: bool = True) -> str:
    """A template with its ``{% question … %}`` written out, each on its line as before."""
    known = {question.number: question for question in questions}
    write = _as_html if html else _as_text

    def expand(match: re.Match[str]) -> str:
        question = known.get(int(match[1]))
        return write(question) if question is not None else ""

    return _TAG.sub(expand, source)


def _as_html(question: Question) -> str:
    buttons = "".join(
        f'<a href="{link_to_answer(question, number)}" style="{_BUTTON_STYLE}">{escape(option)}</a>'
        for number, option in enumerate(question.options, start=1)
    )
    return f'<p style="{_QUESTION_STYLE}">{escape(question.text)}</p><p style="margin:0">{buttons}</p>'


def _as_text(question: Question) -> str:
    lines = [f"{option}: {link_to_answer(question, number)}" for number, option in enumerate(question.options, start=1)]
    return "\n".join([question.text, *lines])


def question_problems(email: Email) -> list[TemplateError]:
    """Buttons of a template that lead to no question or to no answer."""
    known = {question.number: len(question.options) for question in questions_of(email)}
    fields = {"subject": email.subject, "preheader": email.preheader, "body": email.body, "text": email.text}
    return [problem for field, source in fields.items() for problem in _problems(field, source, known)]


def _problems(field: str, source: str, known: Mapping[int, int]) -> Iterator[TemplateError]:
    shown_in_body = field in ("body", "text")
    for match in _TAG.finditer(source):
        if not shown_in_body or int(match[1]) not in known:
            yield _unknown(source, match.start(), field)
    links = list(_LINK.finditer(source))
    for match in links:
        number, answer = (int(match[group] or 0) for group in (1, 2))
        if not shown_in_body or not 1 <= answer <= known.get(number, 0):
            yield _unknown(source, match.start(), field)
    inside = {at for match in links for at in range(*match.span())}
    for found in re.finditer(rf"\b{REPLY}\b", source):
        if found.start() not in inside and _is_liquid(source, found.start()):
            yield _unknown(source, found.start(), field)


def _is_liquid(source: str, index: int) -> bool:
    opened = max(source.rfind("{{", 0, index), source.rfind("{%", 0, index))
    return opened > max(source.rfind("}}", 0, index), source.rfind("%}", 0, index))


def _unknown(source: str, index: int, field: str) -> TemplateError:
    message = _("There is no such question or answer. “Answer buttons” lists those of this email and what to insert.")
    return TemplateError(message, source.count("\n", 0, index) + 1, field)


def are_asked(email: Email, questions: Iterable[Question]) -> bool:
    """Whether a template has at least one button of each of these questions."""
    source = f"{email.body}\n{email.text}"
    tags = {int(match[1]) for match in _TAG.finditer(source)}
    links = {int(match[1]) for match in _LINK.finditer(source) if match[1]}
    return all(question.number in tags | links for question in questions)
