"""/a/<key>/<question>/<answer>: what somebody answers to a question of an email. Only a POST is an answer (rule H2)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from campaigns.models import Question
from campaigns.rendering import language_of as language_of_email
from campaigns.replies import question_asked, record_reply, reply_to
from common.public_pages import language_of, public_page, render_public
from common.ratelimit import Limit, client_prefix, within_limit
from common.tenancy import tenant
from delivery.models import Message
from delivery.reply_keys import load_answerable, message_of_reply_key

# More than anybody answers by hand, and whoever tries out keys.
ANSWERS = Limit("answers", 60, 600)
GUESSES = Limit("unknown-answers", 300, 600)


@public_page
def reply(request: HttpRequest, key: str, question: int, answer: int) -> HttpResponse:
    """The question with the clicked answer chosen, and a button: programs follow links too, people press it."""
    found = message_of_reply_key(key)
    if found is None:
        return _unknown(request)
    if request.method == "POST" and not within_limit(ANSWERS, key, now=timezone.now()):
        return _too_many(request)
    with tenant(found[0]):
        message = load_answerable(*found)
        asked = question_asked(message.organization, message, question) if message is not None else None
        if message is None or asked is None:
            return _unknown(request)
        return _page(request, message, asked, answer)


def _page(request: HttpRequest, message: Message, question: Question, clicked: int) -> HttpResponse:
    now, posted = timezone.now(), request.method == "POST"
    kept = None
    if posted:
        typed = request.POST.get("answer", "")
        number = int(typed) if typed.isdecimal() and len(typed) < 4 else 0
        kept = record_reply(message.organization, question, message, answer=number, now=now)
    given = kept or reply_to(message.organization, question, message)
    # The button that was pressed in the email outweighs what was answered before; nothing is written yet.
    chosen = given.answer if given is not None and (posted or not _is_offered(question, clicked)) else clicked
    organization, person = message.organization, message.participant
    context = {
        "organization": organization,
        "question": question,
        "question_language": language_of_email(question.email),
        "options": [(number, option, number == chosen) for number, option in enumerate(question.options, start=1)],
        "given": question.options[given.answer - 1] if given is not None else "",
        "is_kept": kept is not None,
        "is_refused": posted and kept is None,
    }
    language = language_of(request, person.locale if person is not None else "")
    with timezone.override(organization.timezone):
        return render_public(
            "campaigns/public/reply.html", context, language, status=422 if context["is_refused"] else 200
        )


def _is_offered(question: Question, answer: int) -> bool:
    return 1 <= answer <= len(question.options)


def _unknown(request: HttpRequest) -> HttpResponse:
    """A key or a question that means nothing, or nothing any more."""
    if not within_limit(GUESSES, client_prefix(request), now=timezone.now()):
        return _too_many(request)
    return render_public("privacy/public/unknown_key.html", {}, language_of(request), status=404)


def _too_many(request: HttpRequest) -> HttpResponse:
    return render_public("privacy/public/too_many.html", {}, language_of(request), status=429)
