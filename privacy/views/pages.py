"""Public pages of a person: tracking choice, unsubscribing. GET and HEAD change nothing (rule H2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from common.tenancy import tenant
from consent.models import Choice
from delivery.models import Message
from participants.models import Participant
from privacy.forms import PreferencesForm
from privacy.selectors import mask_email, message_of_unsubscribe_key, participant_of_preference_key
from privacy.services.leaving import unsubscribe_message
from privacy.services.preferences import preferences_wording, save_preferences

View = Callable[..., HttpResponse]


def public_page(view: View) -> View:
    """No cookie, cache, referrer or indexing. The key in the address is the secret, so there is no CSRF token."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response

    return csrf_exempt(never_cache(require_http_methods(["GET", "HEAD", "POST"])(wrapped)))


def _language(request: HttpRequest, locale: str = "") -> str:
    """The language of the person where we speak it, else that of their browser."""
    known = locale.replace("_", "-").split("-")[0].lower()
    return known if known in dict(settings.LANGUAGES) else translation.get_language_from_request(request)


def _page(
    request: HttpRequest, template: str, context: dict[str, Any], language: str, status: int = 200
) -> HttpResponse:
    with translation.override(language):
        return render(request, f"privacy/{template}", {**context, "language": language}, status=status)


def _unknown_key(request: HttpRequest) -> HttpResponse:
    return _page(request, "unknown_key.html", {}, _language(request), status=404)


@public_page
def preferences(request: HttpRequest, key: str) -> HttpResponse:
    """/p/<key>: the choice about opens and clicks."""
    found = participant_of_preference_key(key)
    if found is None:
        return _unknown_key(request)
    organization_id, participant_id = found
    with tenant(organization_id):
        participant = Participant.objects.select_related("organization").get(pk=participant_id)
        language = _language(request, participant.locale)
        wording = preferences_wording(participant, language)
        form = PreferencesForm(request.POST or None)
        saved = False
        if request.method == "POST" and form.is_valid() and (form.opens() or form.clicks()):
            save_preferences(
                participant.organization,
                participant,
                opens=form.opens(),
                clicks=form.clicks(),
                wording=wording,
                now=timezone.now(),
            )
            saved = True
        context = {
            "organization": participant.organization,
            "masked_email": mask_email(participant.email),
            "choice": Choice.objects.filter(participant=participant).first(),
            "wording": wording,
            "saved": saved,
            "nothing_chosen": request.method == "POST" and not saved,
        }
        return _page(request, "preferences.html", context, language)


@public_page
def unsubscribe(request: HttpRequest, key: str) -> HttpResponse:
    """/u/<key>: ends what a mail was sent for. POST comes from a mail client (RFC 8058) or the page's button."""
    found = message_of_unsubscribe_key(key)
    if found is None:
        return _unknown_key(request)
    organization_id, message_id = found
    with tenant(organization_id):
        message = Message.objects.select_related("organization", "participant", "mailing__topic__website").get(
            pk=message_id
        )
        done = ""
        if request.method == "POST":
            everything = request.POST.get("everything") == "1"
            done = unsubscribe_message(message.organization, message, everything=everything, now=timezone.now())
        context = {
            "organization": message.organization,
            "topic": message.mailing.topic,
            "masked_email": mask_email(message.participant.email),
            "done": done,
        }
        return _page(request, "unsubscribe.html", context, _language(request, message.participant.locale))
