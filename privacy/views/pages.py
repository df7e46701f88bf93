"""What the public pages of a person share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import Organization
from common.public_pages import language_of, render_public
from common.ratelimit import Limit, client_prefix, within_limit
from privacy import words
from privacy.forms import PAUSES
from privacy.selectors import mask_email

# More than anybody changes by hand. Counted by key, never by network: mail providers send the one-click unsubscribes of
# all their users from a few addresses.
CHANGES = Limit("changes", 60, 600)
# Whoever tries out keys. 128 random bits cannot be guessed; this only keeps the noise small.
GUESSES = Limit("unknown-keys", 300, 600)


def show(
    template: str, organization: Organization, language: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """A page in the sender's name, with the times of where the sender is."""
    with timezone.override(organization.timezone):
        return render_public(
            f"privacy/public/{template}",
            {
                "organization": organization,
                "legal_name": organization.legal_name or organization.name,
                **context,
            },
            language,
            status=status,
        )


def masked(email: str) -> SafeString:
    """An address that its owner knows again, on one line."""
    return format_html('<span class="address">{}</span>', mask_email(email))


def unknown_key(request: HttpRequest) -> HttpResponse:
    """A key that means nothing, or nothing any more: say what helps, and change nothing."""
    if not within_limit(GUESSES, client_prefix(request), now=timezone.now()):
        return _too_many(request)
    return render_public("privacy/public/unknown_key.html", {}, language_of(request), status=404)


def too_many_changes(request: HttpRequest, key: str) -> HttpResponse | None:
    """The answer to somebody who changes more than by hand, None for everybody else, and without Redis."""
    if within_limit(CHANGES, key, now=timezone.now()):
        return None
    return _too_many(request)


def _too_many(request: HttpRequest) -> HttpResponse:
    return render_public("privacy/public/too_many.html", {}, language_of(request), status=429)


def pauses(language: str) -> list[tuple[int, str]]:
    with translation.override(language):
        return [(days, words.days(days)) for days in PAUSES]
