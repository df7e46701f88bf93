"""What people are asked, word by word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from accounts.models import Organization, User
from common.tenancy import tenant
from consent.ledger import keep_text
from consent.models import ConsentText
from websites.models import Website


def publish_consent_text(
    organization: Organization,
    *,
    website: Website | None,
    language: str,
    place: str,
    text: str,
    asks_for: Sequence[str],
    author: User | None,
    now: datetime,
) -> ConsentText:
    """Ask with these words from now on. An immutable version; the words that are asked with already are kept."""
    with tenant(organization.pk):
        return keep_text(
            organization,
            website=website,
            language=language,
            place=place,
            text=text,
            asks_for=asks_for,
            author=author,
            now=now,
            latest_only=True,
        )
