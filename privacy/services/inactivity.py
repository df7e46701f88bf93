"""Inactivity without tracking: write less often, ask people whether they stay, end what nobody wants (rule U6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.rendering import FOOTERS
from campaigns.slowing import SlowDown
from common.keys import encode_key, new_key
from common.public_pages import spoken
from common.tenancy import tenant
from consent.models import Subscription
from consent.selectors import local_day
from consent.services import ensure_preference_keys, unsubscribe
from delivery.models import MessageStatus, ServiceMessage, Suppression
from delivery.rules import names_dead_address
from delivery.services import queue_service_message
from participants.models import Participant
from participants.rules import AddressError
from privacy.models import InactivityCheck, InactivityRule
from privacy.rules import inactive_since
from privacy.services.activity import declared_since, without_activity
from tracking.models import LastOpenDay
from websites.models import OpensFallback, Website

PEOPLE_AT_ONCE = 100
SOURCE = "inactivity rule"
# What the mail is called among the messages of the service.
QUESTION = "inactivity"


@dataclass(slots=True)
class InactivityReport:
    """What the rule of a website did, or would do."""

    asked: int = 0
    ended: int = 0
    slowed: int = 0
    unreachable: list[int] = field(default_factory=list)


def set_rule(
    organization: Organization, website: Website, *, months: int, answer_days: int, actor: User, now: datetime
) -> InactivityRule:
    """How long is too long on a website. Changes nothing about whether the rule is on."""
    return _set(organization, website, {"months": months, "answer_days": answer_days}, actor=actor, now=now)


def set_slow_down(
    organization: Organization, website: Website, *, months: int, cap: int, actor: User, now: datetime
) -> InactivityRule:
    """How many marketing emails a week people get who did nothing for long. Changes nothing about whether it is on."""
    return _set(organization, website, {"slow_months": months, "slow_cap": cap}, actor=actor, now=now)


def _set(
    organization: Organization, website: Website, values: dict[str, int], *, actor: User, now: datetime
) -> InactivityRule:
    with transaction.atomic():
        rule, _created = InactivityRule.objects.update_or_create(
            organization=organization, website=website, defaults=values
        )
        _note(organization, rule, actor, values, now=now)
    return rule


def switch_rule(
    organization: Organization, rule: InactivityRule, *, on: bool, actor: User, now: datetime
) -> InactivityRule:
    """Let the rule ask people from the next night on, or no longer. Nobody who was asked is put out while it is off."""
    rule.switched_on_at, rule.switched_on_by = (now, actor) if on else (None, None)
    with transaction.atomic():
        rule.save(update_fields=["switched_on_at", "switched_on_by"])
        _note(organization, rule, actor, {"on": on}, now=now)
    return rule


def switch_slow_down(
    organization: Organization, rule: InactivityRule, *, on: bool, actor: User, now: datetime
) -> InactivityRule:
    """Let launches write less often to people who did nothing for long, from the next one on, or no longer."""
    rule.slow_on_at, rule.slow_on_by = (now, actor) if on else (None, None)
    with transaction.atomic():
        rule.save(update_fields=["slow_on_at", "slow_on_by"])
        _note(organization, rule, actor, {"slow_on": on}, now=now)
    return rule


def _note(
    organization: Organization, rule: InactivityRule, actor: User, details: dict[str, int], *, now: datetime
) -> None:
    target, action = f"website {rule.website_id}", "settings:inactivity:change"
    audit.record(organization, actor=actor, action=action, target=target, details=details, now=now)


def people_to_ask(organization: Organization, rule: InactivityRule, *, now: datetime) -> QuerySet[Participant]:
    """Subscribers who did nothing by themselves for the months of the rule, and were not asked about it yet."""
    day, since = _since(organization, rule.months, now=now)
    subscribed = _active(rule.website).filter(participant=OuterRef("pk"), subscribed_at__lt=since)
    waiting = InactivityCheck.objects.filter(
        rule=rule, participant=OuterRef("pk"), stayed_at__isnull=True, ended_at__isnull=True
    )
    unreachable = Suppression.objects.filter(organization=organization, email_norm=OuterRef("email_norm"))
    people = without_activity(organization, since=since).filter(Exists(subscribed))
    people = people.exclude(Exists(waiting)).exclude(Exists(unreachable))
    return _without_last_open_day(people, rule.website, day)


def people_to_slow(organization: Organization, rule: InactivityRule, *, now: datetime) -> QuerySet[Participant]:
    """People who did nothing by themselves for so long that a website writes to them less often."""
    day, since = _since(organization, rule.slow_months, now=now)
    return _without_last_open_day(without_activity(organization, since=since), rule.website, day)


def _since(organization: Organization, months: int, *, now: datetime) -> tuple[date, datetime]:
    """The first day on which doing something counts, and when it began."""
    day = inactive_since(local_day(organization, now), months)
    return day, datetime.combine(day, time.min, tzinfo=ZoneInfo(organization.timezone))


def _without_last_open_day(people: QuerySet[Participant], website: Website, day: date) -> QuerySet[Participant]:
    """Opens play no part: who may not be measured is treated like everybody else.

    The one exception is the last open day, where the website keeps it for exactly this (rule S8); that there is none
    says nothing.
    """
    if website.opens_fallback != OpensFallback.LAST_OPEN_DAY:
        return people
    opened = LastOpenDay.objects.filter(participant=OuterRef("pk"), day__gte=day)
    return people.exclude(Exists(opened))


def _active(website: Website) -> QuerySet[Subscription]:
    return Subscription.objects.filter(topic__website=website, unsubscribed_at__isnull=True, pending_since__isnull=True)


def _subscribers(people: QuerySet[Participant], website: Website) -> QuerySet[Participant]:
    return people.filter(Exists(_active(website).filter(participant=OuterRef("pk"))))


def slow_down_of(organization: Organization, website: Website, *, now: datetime) -> SlowDown | None:
    """Whom a website writes to less often now, for launches to obey; None where the rule is off."""
    rule = (
        InactivityRule.objects.filter(organization=organization, website=website, slow_on_at__isnull=False)
        .select_related("website")
        .first()
    )
    if rule is None:
        return None
    return SlowDown(rule.slow_months, rule.slow_cap, people_to_slow(organization, rule, now=now))


def people_to_end(organization: Organization, rule: InactivityRule, *, now: datetime) -> QuerySet[InactivityCheck]:
    """People who were asked and did not answer in time."""
    return InactivityCheck.objects.filter(
        organization=organization, rule=rule, stayed_at__isnull=True, ended_at__isnull=True, answer_by__lte=now
    )


def count_rule(organization: Organization, rule: InactivityRule, *, now: datetime) -> InactivityReport:
    """What the rule would do now. Sends nothing and ends nothing."""
    return InactivityReport(
        asked=people_to_ask(organization, rule, now=now).count(),
        ended=people_to_end(organization, rule, now=now).count(),
        slowed=_subscribers(people_to_slow(organization, rule, now=now), rule.website).count(),
    )


def apply_rule(organization: Organization, rule: InactivityRule, *, now: datetime) -> InactivityReport:
    """Ask whom it is time to ask, end what nobody answered for; in small transactions."""
    report = InactivityReport()
    if rule.switched_on_at is None:
        return report
    with tenant(organization.pk):
        _note_what_was_sent(organization, rule)
    for checks in _batches(organization, people_to_end(organization, rule, now=now)):
        report.ended += sum(_end(organization, check, now=now) for check in checks)
    while True:
        with tenant(organization.pk):
            waiting = people_to_ask(organization, rule, now=now).exclude(pk__in=report.unreachable)
            people = list(waiting.order_by("pk")[:PEOPLE_AT_ONCE])
            for person in people:
                _ask(organization, rule, person, report, now=now)
        if len(people) < PEOPLE_AT_ONCE:
            return report


def _batches(organization: Organization, rows: QuerySet[InactivityCheck]) -> Iterator[list[InactivityCheck]]:
    last = 0
    while True:
        with tenant(organization.pk):
            # Ours until they are done: whoever presses the button meanwhile is told what came of it.
            ours = rows.filter(pk__gt=last).select_for_update(of=("self",)).select_related("participant")
            found = list(ours.order_by("pk")[:PEOPLE_AT_ONCE])
            if not found:
                return
            yield found
            last = found[-1].pk


def _ask(
    organization: Organization, rule: InactivityRule, person: Participant, report: InactivityReport, *, now: datetime
) -> None:
    answer_by = now + timedelta(days=rule.answer_days)
    key = new_key()
    language = spoken(person.locale) or "en"
    address = settings.BASE_URL + reverse("stay", args=[encode_key(key)])
    choices = ensure_preference_keys(organization, [person.pk], scope_id=rule.website.consent_scope_id)[person.pk]
    with translation.override(language):
        name = organization.legal_name or organization.name
        values = {
            "name": name,
            "website": rule.website.name,
            "day": date_format(answer_by.astimezone(ZoneInfo(organization.timezone)), "DATE_FORMAT"),
            "address": address,
        }
        subject = _("Do you still want the emails of %(website)s?") % values
        text = (
            _(
                "It is a long time since we heard from you, and we do not want to write to people who do not read us."
                "\n\nIf you want to stay, open this page and press the button:\n%(address)s\n\n"
                "If we hear nothing by %(day)s, the emails of %(website)s end."
            )
            % values
        )
    # Every email leads to the choice, and from there to the way out (rule C9).
    text += (
        f"\n\n{FOOTERS[language].preferences}: {settings.BASE_URL}{reverse('preferences', args=[encode_key(choices)])}"
    )
    try:
        with transaction.atomic():
            InactivityCheck.objects.create(
                organization=organization, rule=rule, participant=person, key=key, asked_at=now, answer_by=answer_by
            )
            queue_service_message(
                organization, rule.website, to=person.email, participant=person, kind=QUESTION, language=language,
                subject=subject, text=text, expires_at=answer_by, now=now,
            )  # fmt: skip
    except AddressError:
        report.unreachable.append(person.pk)
        return
    report.asked += 1


def _end(organization: Organization, check: InactivityCheck, *, now: datetime) -> bool:
    """End the subscriptions of somebody who did not answer, unless they did something by themselves since.

    Whoever could not be asked, since no mail left all that time or none was taken, is asked anew.
    """
    if not _was_asked(organization, check):
        InactivityCheck.objects.filter(organization=organization, pk=check.pk).delete()
        return False
    alive = Participant.objects.filter(declared_since(organization, check.asked_at), pk=check.participant_id)
    if alive.exists() or _opened_after(check, local_day(organization, check.asked_at)):
        _stay(check, now=now)
        return False
    for subscription in _active(check.rule.website).filter(participant=check.participant_id).select_related("topic"):
        unsubscribe(organization, check.participant, subscription.topic, now=now, source=SOURCE)
    check.ended_at = now
    check.save(update_fields=["ended_at"])
    return True


def _question_of(
    organization: Organization, *, participant: OuterRef | int, asked_at: OuterRef | datetime
) -> QuerySet[ServiceMessage]:
    return ServiceMessage.objects.filter(
        organization=organization, participant=participant, kind=QUESTION, queued_at=asked_at
    )


def _note_what_was_sent(organization: Organization, rule: InactivityRule) -> None:
    """Of each open check, for as long as the message is there: retention may remove it before the time is up."""
    question = _question_of(organization, participant=OuterRef("participant"), asked_at=OuterRef("asked_at"))
    waiting = InactivityCheck.objects.filter(
        organization=organization, rule=rule, stayed_at__isnull=True, ended_at__isnull=True, was_sent=False
    )
    waiting.filter(Exists(question.filter(status=MessageStatus.SENT))).update(was_sent=True)


def _was_asked(organization: Organization, check: InactivityCheck) -> bool:
    """Whether the question was sent, or nobody is at the address.

    What failed for any other reason, as when our own server is on a list of unwanted ones, says nothing of the person.
    """
    if check.was_sent:
        return True
    found = _question_of(organization, participant=check.participant_id, asked_at=check.asked_at).first()
    return found is not None and found.status == MessageStatus.FAILED and names_dead_address(found.error)


def _opened_after(check: InactivityCheck, day: date) -> bool:
    """Whether somebody who was asked has read mail since, where the website keeps that day for this (rule S8)."""
    if check.rule.website.opens_fallback != OpensFallback.LAST_OPEN_DAY:
        return False
    return LastOpenDay.objects.filter(participant=check.participant_id, day__gt=day).exists()


def _stay(check: InactivityCheck, *, now: datetime) -> None:
    check.stayed_at = now
    check.save(update_fields=["stayed_at"])


def answer_check(organization: Organization, check: InactivityCheck, *, now: datetime) -> bool:
    """The person pressed the button (a declared reply). False when the emails have ended already."""
    with transaction.atomic():
        current = InactivityCheck.objects.select_for_update(of=("self",)).get(organization=organization, pk=check.pk)
        if current.ended_at is not None:
            return False
        if current.stayed_at is None:
            _stay(current, now=now)
    return True
