"""Legal justifications: on what ground people of some countries are measured without a yes (rules S7, D5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _
from django_countries import countries as all_countries

from accounts import audit
from accounts.models import Organization, Role, User
from consent.models import LegalJustification
from consent.selectors import local_day
from consent.services.policy import PolicyRefused, refresh_permissions
from consent.services.two_people import (
    role_in,
    why_not_opinion,
    why_not_second_person,
    why_not_tighten,
    why_not_without_opinion,
)
from websites.models import Website
from websites.rules import RuleKey
from websites.services import lock_website


class JustificationRefused(PolicyRefused):
    """A step of a justification that this person cannot take now; the message is for them."""


def propose_justification(
    organization: Organization,
    website: Website,
    *,
    countries: Sequence[str],
    reason: str,
    ends_on: date,
    author: User,
    now: datetime,
    rule_keys: Sequence[str] = (RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS),
) -> LegalJustification:
    """An owner says why, for which rows of the table and countries, until when. It counts once another one confirms."""
    if role_in(organization, author) != Role.OWNER:
        raise JustificationRefused(_("Only an owner can propose a legal justification."))
    if not countries or any(code not in all_countries.countries for code in countries):
        raise JustificationRefused(_("Name the countries that the justification is for."))
    if not rule_keys or any(key not in set(RuleKey) for key in rule_keys):
        raise JustificationRefused(_("Say what the justification loosens."))
    if not reason.strip():
        raise JustificationRefused(_("Say on what the justification rests."))
    if ends_on < local_day(organization, now):
        raise JustificationRefused(_("The justification must end on a day to come."))
    audit.record(organization, actor=author, action="justification:make", target=f"website {website.pk}", now=now)
    return LegalJustification.objects.create(
        organization=organization,
        website=website,
        countries=sorted(set(countries)),
        rule_keys=[key.value for key in RuleKey if key in rule_keys],
        reason=reason.strip(),
        ends_on=ends_on,
        proposed_by=author,
        proposed_at=now,
    )


def confirm_justification(
    organization: Organization, justification: LegalJustification, *, author: User, now: datetime, note: str = ""
) -> LegalJustification:
    """The second person. ``note`` is the data protection officer's opinion, or what a single member types."""
    with transaction.atomic():
        website, current = _lock(organization, justification)
        refusal = why_not_confirm(organization, current, author, now=now, note=note)
        if refusal:
            raise JustificationRefused(refusal)
        if not why_not_opinion(organization, author, note=note):
            _keep_opinion(current, author, note, now=now)
        current.confirmed_by, current.confirmed_at, current.confirmation_note = author, now, note.strip()
        current.save(update_fields=["confirmed_by", "confirmed_at", "confirmation_note"])
        named = f"justification {current.pk}, website {website.pk}"
        audit.record(organization, actor=author, action="justification:confirm", target=named, now=now)
        refresh_permissions(organization, website, now=now)
    return current


def why_not_confirm(
    organization: Organization, justification: LegalJustification, author: User, *, now: datetime, note: str
) -> str | None:
    """Why this person cannot confirm it now; None when they can (rules D5)."""
    refusal = _why_not_waiting(organization, justification, now=now) or why_not_second_person(
        organization,
        author,
        proposed_by_id=justification.proposed_by_id,
        proposed_at=justification.proposed_at,
        now=now,
        note=note,
    )
    return refusal or why_not_without_opinion(
        organization,
        author,
        given=justification.dpo_opinion,
        proposed_at=justification.proposed_at,
        now=now,
        note=note,
    )


def give_justification_opinion(
    organization: Organization, justification: LegalJustification, *, author: User, now: datetime, note: str
) -> LegalJustification:
    """The data protection officer's opinion. It binds nobody, and stays with the justification."""
    with transaction.atomic():
        _website, current = _lock(organization, justification)
        refusal = _why_not_waiting(organization, current, now=now) or why_not_opinion(organization, author, note=note)
        if refusal:
            raise JustificationRefused(refusal)
        _keep_opinion(current, author, note, now=now)
    return current


def _why_not_waiting(organization: Organization, justification: LegalJustification, *, now: datetime) -> str | None:
    if justification.withdrawn_at or justification.confirmed_at:
        return _("This justification is no longer waiting for a confirmation.")
    if justification.ends_on < local_day(organization, now):
        return _("This justification has ended.")
    return None


def _keep_opinion(justification: LegalJustification, author: User, opinion: str, *, now: datetime) -> None:
    justification.dpo_opinion, justification.dpo_opinion_by = opinion.strip(), author
    justification.dpo_opinion_at = now
    justification.save(update_fields=["dpo_opinion", "dpo_opinion_by", "dpo_opinion_at"])
    named = f"justification {justification.pk}, website {justification.website_id}"
    audit.record(justification.organization, actor=author, action="justification:opinion", target=named, now=now)


def withdraw_justification(
    organization: Organization, justification: LegalJustification, *, author: User, now: datetime
) -> LegalJustification:
    """End it now. This tightens, so one person is enough; copies already sent are silent at the next hit."""
    with transaction.atomic():
        website, current = _lock(organization, justification)
        refusal = why_not_tighten(organization, author)
        if refusal:
            raise JustificationRefused(refusal)
        if current.withdrawn_at is None:
            current.withdrawn_by, current.withdrawn_at = author, now
            current.save(update_fields=["withdrawn_by", "withdrawn_at"])
            named = f"justification {current.pk}, website {website.pk}"
            audit.record(organization, actor=author, action="justification:withdraw", target=named, now=now)
        refresh_permissions(organization, website, now=now)
    return current


def _lock(organization: Organization, justification: LegalJustification) -> tuple[Website, LegalJustification]:
    """The website first, as every change of what it measures does."""
    website = lock_website(organization, justification.website_id)
    return website, LegalJustification.objects.get(organization=organization, website=website, pk=justification.pk)
