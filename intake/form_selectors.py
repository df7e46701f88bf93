"""Reads of participation pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import Organization
from campaigns.rules import CampaignStatus, campaign_status
from common.keys import decode_key, new_key
from common.safe_csv import safe_cell
from common.tenancy import call_door
from consent.models import ConsentText
from intake.frames import frame_sources
from intake.models import ConsentVariant, EntryForm, FieldKind, FormField, Submission
from intake.tokens import Shown
from websites.models import ConsentScope, MeasurementPermission, Website


def find_form(key: str) -> tuple[int, int] | None:
    """(organization id, form id) behind /f/<key>, None for a key that means nothing."""
    decoded = decode_key(key)
    rows = call_door("door_entry_form", [decoded]) if decoded is not None else []
    return (rows[0][0], rows[0][1]) if rows else None


def get_form(organization_id: int, form_id: int) -> EntryForm:
    """A form with what its pages need."""
    return EntryForm.objects.select_related(
        "organization", "campaign__website__consent_scope", "exit_launch", "exit_email"
    ).get(organization=organization_id, pk=form_id)


def fields_of(organization: Organization, form: EntryForm) -> list[FormField]:
    """The questions in their order."""
    return list(FormField.objects.filter(organization=organization, form=form).select_related("topic"))


def status_of(form: EntryForm, *, now: datetime) -> CampaignStatus:
    """Whether the campaign takes entries."""
    campaign = form.campaign
    return campaign_status(
        opens_at=campaign.opens_at, closes_at=campaign.closes_at, archived_at=campaign.archived_at, now=now
    )


def allowed_frames(form: EntryForm) -> list[str]:
    """The places that may show a form in a frame: the website's own, and those that the marketer named."""
    return frame_sources([form.campaign.website.domain, *form.frame_hosts])


def text_of(form: EntryForm, language: str, name: str) -> str:
    """A text of the page in a language, else in the form's first one."""
    first = form.languages[0] if form.languages else "en"
    return str(form.texts.get(language, {}).get(name) or form.texts.get(first, {}).get(name) or "")


# --- What a page shows ------------------------------------------------------------------------------------------------


def page_shown(form: EntryForm, questions: Iterable[FormField], language: str, *, now: datetime) -> Shown:
    """What a fresh page asks for, with the consent texts that are in force."""
    variant, texts, topics = "", {}, {}
    for question in questions:
        wordings = _wordings(form, question, language)
        if question.kind == FieldKind.TRACKING_CONSENT:
            variant = effective_variant(form.campaign.website, question)
            texts = {name: wordings[name] for name in TEXTS_OF[ConsentVariant(variant)] if name in wordings}
        elif question.kind == FieldKind.TOPIC and question.topic_id is not None and "topic" in wordings:
            topics[question.topic_id] = wordings["topic"]
    return Shown(form.pk, UUID(bytes=new_key().bytes), language, now, variant if texts else "", texts, topics)


# The boxes of each way to ask, by the names of their wordings.
TEXTS_OF = {
    ConsentVariant.ONE_BOX: ("both",),
    ConsentVariant.TWO_BOXES: ("opens", "clicks"),
    ConsentVariant.YES_NO: ("question",),
    ConsentVariant.PROFESSIONAL: ("professional",),
}


def _wordings(form: EntryForm, question: FormField, language: str) -> dict[str, int]:
    first = form.languages[0] if form.languages else "en"
    return {**question.wordings.get(first, {}), **question.wordings.get(language, {})}


def effective_variant(website: Website, question: FormField) -> ConsentVariant:
    """A ticked box is shown only where it is allowed now; elsewhere the same question has an empty one (rule C2)."""
    variant = ConsentVariant(question.variant or ConsentVariant.YES_NO)
    if variant is ConsentVariant.PROFESSIONAL and not may_tick_for_professionals(website):
        return ConsentVariant.ONE_BOX
    return variant


def may_tick_for_professionals(website: Website) -> bool:
    """Whether the website is for professionals, and the rule of some country, or a justification, allows it."""
    allowed = Q(opens_professionals_since__isnull=False) | Q(clicks_professionals_since__isnull=False)
    return website.for_professionals and MeasurementPermission.objects.filter(allowed, website=website).exists()


def wordings_shown(organization: Organization, shown: Shown) -> dict[int, str]:
    """The words of each consent text of a page."""
    wanted = {*shown.texts.values(), *shown.topics.values()}
    return dict(ConsentText.objects.filter(organization=organization, pk__in=wanted).values_list("pk", "text"))


def scopes_of(organization: Organization) -> int:
    return ConsentScope.objects.filter(organization=organization).count()


# --- What came in -----------------------------------------------------------------------------------------------------


def entries_of(organization: Organization, form: EntryForm) -> Any:
    """All entries of a form, newest first."""
    return Submission.objects.filter(organization=organization, form=form).select_related("participant")


def entry_lines(organization: Organization, form: EntryForm) -> Iterator[list[str]]:
    """The export: a header, then a line for each entry. What people said about being measured is not in it."""
    named = [
        question
        for question in fields_of(organization, form)
        if question.kind not in (FieldKind.EMAIL, FieldKind.TRACKING_CONSENT, FieldKind.TOPIC, FieldKind.HIDDEN)
    ]
    yield [_("sent"), _("email"), _("language"), _("source"), *(question.name for question in named)]
    for entry in entries_of(organization, form).iterator(chunk_size=2000):
        answers = [_cell(entry.answers.get(question.name, "")) for question in named]
        yield [
            entry.submitted_at.isoformat(timespec="seconds"),
            safe_cell(entry.participant.email),
            entry.language,
            safe_cell(entry.source),
            *answers,
        ]


def _cell(answer: Any) -> str:
    if isinstance(answer, bool):
        return "1" if answer else "0"
    return safe_cell("; ".join(map(str, answer)) if isinstance(answer, list) else answer, limit=5000)
