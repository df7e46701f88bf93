"""Whom an email may ask for their tracking consent, and who is left out, and why (rules C3 and C4).

Asked are people who have not answered, once in so many months as the organization set. Links and boxes that stand in
other emails and on pages ask nobody in this sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from django.db.models import Case, CharField, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization
from campaigns.models import Email, Participation
from campaigns.rules import months_before
from campaigns.segments import EVERYBODY, Narrowing, narrow
from consent.models import Choice
from consent.rules import ChoiceValue, Untracked
from consent.selectors import active_subscriptions
from delivery.models import ConsentRequest, Message, MessageStatus, Suppression
from participants.models import Participant

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


class LeftOut(StrEnum):
    """Why somebody is not asked; the first that holds counts."""

    SUPPRESSED = "suppressed"
    REFUSED = "refused"
    ANSWERED = "answered"
    ASKED = "asked"
    WAITING = "waiting"


LEFT_OUT: dict[LeftOut, _StrPromise] = {
    LeftOut.SUPPRESSED: _("They unsubscribed, complained, or their address accepts no mail."),
    LeftOut.REFUSED: _("They refused tracking. Whoever said no is not asked again by email."),
    LeftOut.ANSWERED: _("They said yes already."),
    LeftOut.ASKED: _("They were asked less than %(months)s months ago."),
    LeftOut.WAITING: _("A request to them is waiting to be sent."),
}
_ASK = "ask"
_ON_ITS_WAY = (MessageStatus.QUEUED, MessageStatus.CLAIMED, MessageStatus.SENDING)


@dataclass(frozen=True, slots=True)
class LeftOutCount:
    """So many people are left out for one reason."""

    reason: LeftOut
    people: int
    months: int

    @property
    def sentence(self) -> str:
        return str(LEFT_OUT[self.reason]) % {"months": self.months}


@dataclass(frozen=True, slots=True)
class Asking:
    """Of the people whom a request is about: how many are asked, and why the others are not."""

    asked: int
    left_out: list[LeftOutCount]

    @property
    def total(self) -> int:
        return self.asked + sum(one.people for one in self.left_out)


def people_to_ask(
    organization: Organization, email: Email, *, now: datetime, narrowing: Narrowing = EVERYBODY
) -> QuerySet[Participant]:
    """The people that a request for consent goes to if it is sent now."""
    people = narrow(organization, _people_it_is_about(organization, email), narrowing, now=now)
    for condition in _conditions(organization, email, now=now).values():
        people = people.exclude(condition)
    return people


def count_asking(
    organization: Organization, email: Email, *, now: datetime, narrowing: Narrowing = EVERYBODY
) -> Asking:
    """How many people a request would ask now, and who is left out, by the first reason that holds."""
    whens = [
        When(condition, then=Value(reason)) for reason, condition in _conditions(organization, email, now=now).items()
    ]
    rows = (
        narrow(organization, _people_it_is_about(organization, email), narrowing, now=now)
        .annotate(outcome=Case(*whens, default=Value(_ASK), output_field=CharField()))
        .order_by()
        .values_list("outcome")
        .annotate(Count("pk"))
    )
    people = dict(rows)
    months = organization.consent_request_months
    return Asking(
        asked=people.get(_ASK, 0),
        left_out=[LeftOutCount(reason, people[reason], months) for reason in LeftOut if people.get(reason)],
    )


def why_nobody(organization: Organization, email: Email, *, now: datetime, narrowing: Narrowing = EVERYBODY) -> str:
    """Why a request has nobody to go to, in the words of the person who tries."""
    asking = count_asking(organization, email, now=now, narrowing=narrowing)
    if not asking.total:
        return gettext("Nobody would be asked: nobody takes part in this campaign or is subscribed to the topic.")
    reasons = " ".join(f"{one.people}: {one.sentence}" for one in asking.left_out)
    return gettext("Nobody may be asked now. Of %(people)s people: %(reasons)s") % {
        "people": asking.total,
        "reasons": reasons,
    }


def _people_it_is_about(organization: Organization, email: Email) -> QuerySet[Participant]:
    """Subscribers of the email's topic; without one, the people who took part in its campaign."""
    people = Participant.objects.filter(organization=organization)
    if email.topic_id is not None:
        return people.filter(
            Exists(active_subscriptions(organization).filter(participant=OuterRef("pk"), topic=email.topic_id))
        )
    return people.filter(Exists(Participation.objects.filter(participant=OuterRef("pk"), campaign=email.campaign_id)))


def _conditions(organization: Organization, email: Email, *, now: datetime) -> dict[LeftOut, Exists]:
    scope = email.campaign.website.consent_scope_id
    # Who refused, or was asked, is left alone by all scopes for months; an answer itself counts in its own (C8).
    everywhere = Choice.objects.filter(participant=OuterRef("pk"))
    choices = everywhere.filter(scope=scope)
    since = months_before(now, organization.consent_request_months)
    return {
        LeftOut.SUPPRESSED: Exists(
            Suppression.objects.filter(organization=organization, email_norm=OuterRef("email_norm"))
        ),
        LeftOut.REFUSED: Exists(
            everywhere.filter(
                Q(scope=scope, opens=ChoiceValue.NO)
                | Q(scope=scope, clicks=ChoiceValue.NO)
                | Q(opens=ChoiceValue.NO, opens_at__gt=since)
                | Q(clicks=ChoiceValue.NO, clicks_at__gt=since)
            )
        ),
        LeftOut.ANSWERED: Exists(choices.filter(opens=ChoiceValue.YES, clicks=ChoiceValue.YES)),
        LeftOut.ASKED: Exists(ConsentRequest.objects.filter(participant=OuterRef("pk"), asked_at__gt=since)),
        LeftOut.WAITING: Exists(
            Message.objects.filter(
                organization=organization,
                participant=OuterRef("pk"),
                mailing__untracked=Untracked.CONSENT_REQUEST,
                status__in=_ON_ITS_WAY,
            )
        ),
    }
