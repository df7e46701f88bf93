"""New websites and their notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from accounts import audit
from accounts.models import Organization, User
from consent.models import Notice, individual_measurement
from consent.rules import Measurement
from consent.services.permissions import refresh_permissions
from websites import services as websites
from websites.models import Website


class PolicyRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A change that the rules do not allow; the message is for the person who asked."""


def open_website(
    organization: Organization,
    *,
    name: str,
    domain: str,
    country: str,
    sender_name: str,
    sender_email: str,
    author: User | None,
    now: datetime,
    tracking_domain: str = "",
    declared_country: str = "",
) -> Website:
    """A new website, on Never track, with its permissions resolved."""
    with transaction.atomic():
        website = websites.create_website(
            organization,
            name=name,
            domain=domain,
            country=country,
            sender_name=sender_name,
            sender_email=sender_email,
            author=author,
            now=now,
            tracking_domain=tracking_domain,
            declared_country=declared_country,
        )
        refresh_permissions(organization, website, now=now)
    return website


def publish_notice(
    organization: Organization,
    website: Website,
    *,
    language: str,
    text: str,
    url: str,
    author: User | None,
    now: datetime,
    covers: Sequence[str] | None = None,
) -> Notice:
    """Tell people of a website what is measured. A new text is a new version; the older ones stay (rules S13).

    ``covers``: each ``Measurement`` that the text tells of; opens and clicks of single people unless said otherwise.
    """
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        earlier = Notice.objects.filter(organization=organization, website=current, language=language)
        notice = Notice.objects.create(
            organization=organization,
            website=current,
            language=language,
            version=(earlier.aggregate(version=Max("version"))["version"] or 0) + 1,
            text=text,
            url=url,
            covers=individual_measurement() if covers is None else [Measurement(one).value for one in covers],
            published_at=now,
            published_by=author,
        )
        refresh_permissions(organization, website, now=now)
        audit.record(organization, actor=author, action="notice:publish", target=f"website {website.pk}", now=now)
    return notice
