"""What an email would look like and measure if it were sent now. Nothing of a preview is measured (rule S14)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings

from accounts.models import Organization
from campaigns.forecasts import CopyClass, Forecast, decided_for, forecast, levels_of, title_of
from campaigns.lint import review_shown
from campaigns.models import Email
from campaigns.rendering import FIELD_LABELS, about_person, about_sender, compile_draft, sender_of
from common.keys import encode_key, link_secrets
from consent.reasons import REASONS
from consent.rules import Level
from delivery.composing import tracking_base_url
from delivery.personal import REPLY
from delivery.rendering import CONSENT, PREFERENCES, UNSUBSCRIBE, WEB_VERSION, CompiledEmail, FilledEmail, fill_email
from delivery.templating import TemplateError
from participants.models import Participant
from participants.rules import normalise_email
from tracking.instrument import NOT_MEASURED, Measurement
from tracking.rules import PIXEL_PREFIX

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# No sent copy ever has it, so whatever is fetched or clicked with it leaves nothing.
EXAMPLE_KEY = UUID(int=0)
# What stands in a copy where a sent one has the person's own addresses.
EXAMPLE_URLS = {
    UNSUBSCRIBE: f"{settings.BASE_URL}/u/example",
    PREFERENCES: f"{settings.BASE_URL}/p/example",
    CONSENT: f"{settings.BASE_URL}/p/example#choice",
    WEB_VERSION: f"{settings.BASE_URL}/w/example",
    REPLY: f"{settings.BASE_URL}/a/example",
}


@dataclass(frozen=True, slots=True)
class PreviewCopy:
    """The copy of one class of recipients, and how many of them there are."""

    name: str
    people: int
    html: str
    has_pixel: bool
    tracked_links: int

    @property
    def title(self) -> str:
        levels = levels_of(self.name)
        return title_of(*levels) if levels else self.name


@dataclass(frozen=True, slots=True)
class Preview:
    sender: str
    forecast: Forecast
    preheader: str
    subject: str = ""
    text: str = ""
    # The measured copies and the one that is not, side by side.
    copies: list[PreviewCopy] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    # Why the person that the preview is for would be measured or not; empty for an example person.
    opens_sentence: _StrPromise | str = ""
    clicks_sentence: _StrPromise | str = ""


def render_preview(
    organization: Organization,
    email: Email,
    *,
    participant: Participant | None = None,
    now: datetime,
    is_version: bool = False,
) -> Preview:
    """Every class of copy that would leave now, filled for a person or for an example of one."""
    predicted = forecast(organization, email, now=now, is_version=is_version)
    compiled = review_shown(organization, email).compiled
    problems = compile_draft(email)[1] if compiled is None else []
    filled: dict[str, FilledEmail] = {}
    if compiled is not None:
        try:
            filled = {
                copy.name: _fill(organization, email, compiled, participant, copy.levels) for copy in predicted.classes
            }
        except TemplateError as problem:
            problems = [f"{FIELD_LABELS[problem.field]}: {problem}"]
    opens_sentence, clicks_sentence = _why(organization, email, participant, now=now, is_version=is_version)
    return Preview(
        sender=sender_of(email),
        forecast=predicted,
        preheader=email.preheader,
        subject=filled["none"].subject if filled else email.subject,
        text=filled["none"].text if filled else "",
        copies=[_copy(copy, filled[copy.name], compiled) for copy in predicted.classes if filled and compiled],
        problems=problems,
        opens_sentence=opens_sentence,
        clicks_sentence=clicks_sentence,
    )


def copy_html(organization: Organization, email: Email, *, name: str, participant: Participant | None) -> str | None:
    """The HTML of one class of copies; None when there is no such class or the email cannot be shown."""
    compiled = review_shown(organization, email).compiled
    levels = levels_of(name)
    if compiled is None or levels is None:
        return None
    try:
        return _fill(organization, email, compiled, participant, levels).html
    except TemplateError:
        return None


def example_pixel(email: Email) -> str:
    """The address of the pixel in a previewed copy."""
    return f"{tracking_base_url(email.campaign.website)}{PIXEL_PREFIX}{encode_key(EXAMPLE_KEY)}"


def person_to_preview(organization: Organization, *, person_id: str, address: str) -> Participant | None:
    """The person that a member asked for, by whole address or by choosing; None: an example."""
    people = Participant.objects.filter(organization=organization)
    if address:
        return people.filter(email_norm=normalise_email(address)).first()
    # More digits than a database number has would be an error, not an unknown person.
    return people.filter(pk=int(person_id)).first() if person_id.isdecimal() and len(person_id) < 19 else None


def _copy(copy: CopyClass, filled: FilledEmail, compiled: CompiledEmail) -> PreviewCopy:
    return PreviewCopy(
        name=copy.name,
        people=copy.people,
        html=filled.html,
        has_pixel=copy.opens is not Level.NONE,
        tracked_links=len(compiled.links) if copy.clicks is not Level.NONE else 0,
    )


def _why(
    organization: Organization, email: Email, participant: Participant | None, *, now: datetime, is_version: bool
) -> tuple[_StrPromise | str, _StrPromise | str]:
    if participant is None:
        return "", ""
    decided = decided_for(organization, email, [participant.pk], now=now, is_version=is_version)
    decision = decided[participant.pk].decision
    return REASONS[decision.opens_reason], REASONS[decision.clicks_reason]


def _fill(
    organization: Organization,
    email: Email,
    compiled: CompiledEmail,
    participant: Participant | None,
    levels: tuple[Level, Level],
) -> FilledEmail:
    recipient = {**about_sender(organization, email), **about_person(email, participant)}
    return fill_email(compiled, recipient, EXAMPLE_URLS, _measurement(email, levels))


def _measurement(email: Email, levels: tuple[Level, Level]) -> Measurement:
    opens, clicks = levels
    if levels == (Level.NONE, Level.NONE):
        return NOT_MEASURED
    return Measurement(
        base_url=tracking_base_url(email.campaign.website),
        opens_key=EXAMPLE_KEY if opens is not Level.NONE else None,
        clicks_key=EXAMPLE_KEY if clicks is not Level.NONE else None,
        secrets=link_secrets(),
    )
