"""The query of a segment: each condition is a set of people, and sets are cut or joined by whole tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Case, DecimalField, Exists, F, Func, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Replace
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    IExact,
    IsNull,
    LessThan,
    LessThanOrEqual,
    Regex,
)

from accounts.models import Organization
from campaigns.models import DeclaredReply, Launch, Participation
from campaigns.segments.engagement import people_by_engagement
from campaigns.segments.grammar import Definition, Row, answer_of, number_of
from consent.models import Choice
from consent.rules import ChoiceValue
from consent.selectors import active_subscriptions
from delivery.connection_models import News
from delivery.models import Message, MessageStatus
from participants.models import Participant

type Condition = Callable[[Organization, Row, datetime], Q]

_NUMBER = r"^\s*-?\d{1,30}([.,]\d{1,20})?\s*$"
_COMPARE = {"less": LessThan, "at_most": LessThanOrEqual, "at_least": GreaterThanOrEqual, "more": GreaterThan}


def people_in(organization: Organization, definition: Definition, *, now: datetime) -> QuerySet[Participant]:
    """The people of an organization that a segment describes now."""
    everybody = Participant.objects.filter(organization=organization)
    if not definition.match_any:
        return reduce(lambda people, row: people.filter(_holds(organization, row, now)), definition.rows, everybody)
    # As one list of people: an OR of conditions would ask each of them for each person.
    first, *others = (everybody.filter(_holds(organization, row, now)).values("pk") for row in definition.rows)
    return everybody.filter(pk__in=first.union(*others, all=True)) if others else everybody.filter(pk__in=first)


def _holds(organization: Organization, row: Row, now: datetime) -> Q:
    return _CONDITIONS[row.about](organization, row, now)


# --- The person -------------------------------------------------------------------------------------------------------


def _country(organization: Organization, row: Row, now: datetime) -> Q:
    codes = row.values["countries"]
    # What stands for an unknown country is empty in the table.
    wanted = Q(country__in=[*codes, ""] if "ZZ" in codes else codes)
    return ~wanted if row.op == "not_in" else wanted


def _locale(organization: Organization, row: Row, now: datetime) -> Q:
    """ "fr" takes "fr-BE" along; "fr-BE" is that alone."""
    wanted = reduce(
        or_,
        (
            Q(locale__iexact=spelled) | Q(locale__istartswith=f"{spelled}-")
            for code in row.values["locales"]
            for spelled in {code.replace("_", "-"), code.replace("-", "_")}
        ),
    )
    wanted |= reduce(or_, (Q(locale__istartswith=f"{code.replace('-', '_')}_") for code in row.values["locales"]))
    return ~wanted if row.op == "not_in" else wanted


def _attribute(organization: Organization, row: Row, now: datetime) -> Q:
    value = row.values["value"]
    text = Func(
        F("attributes"), Value(row.values["name"]), template="(%(expressions)s)", arg_joiner=" ->> ",
        output_field=TextField(),
    )  # fmt: skip
    is_empty = Q(IsNull(text, True)) | Q(Exact(text, Value("")))
    if row.op in _COMPARE:
        # The order of a CASE is kept: what is no number is never read as one.
        number = Case(
            When(
                Regex(text, _NUMBER),
                then=Cast(Replace(text, Value(","), Value(".")), DecimalField(max_digits=50, decimal_places=20)),
            ),
            default=None,
        )
        return Q(_COMPARE[row.op](number, number_of(value)))
    if row.op == "is_not_set":
        return is_empty
    if row.op == "is_set":
        return ~is_empty
    if row.op == "contains":
        return Q(IContains(text, value))
    return Q(IExact(text, value)) if row.op == "equals" else ~is_empty & ~Q(IExact(text, value))


# --- What they did and said -------------------------------------------------------------------------------------------


def _participation(organization: Organization, row: Row, now: datetime) -> Q:
    found = Participation.objects.filter(organization=organization, participant=OuterRef("pk"))
    values, zone = row.values, ZoneInfo(organization.timezone)
    if values["campaign"] is not None:
        found = found.filter(campaign=values["campaign"])
    if values["since"]:
        found = found.filter(participated_at__gte=_midnight(values["since"], zone))
    if values["until"]:
        found = found.filter(participated_at__lt=_midnight(values["until"], zone, days=1))
    if values["days"] is not None:
        found = found.filter(participated_at__gte=now - timedelta(days=values["days"]))
    return Q(Exists(found)) if row.op == "took_part" else ~Q(Exists(found))


def _midnight(day: str, zone: ZoneInfo, *, days: int = 0) -> datetime:
    """The beginning of a day of the organization's."""
    begins = datetime.combine(date.fromisoformat(day) + timedelta(days=days), time())
    return begins.replace(tzinfo=zone).astimezone(UTC)


def _choice(organization: Organization, row: Row, now: datetime) -> Q:
    kind, scope = row.values["kind"], row.values["scope"]
    found = Choice.objects.filter(organization=organization, participant=OuterRef("pk"))
    found = found.filter(scope__is_default=True) if scope is None else found.filter(scope=scope)
    if row.op == "unknown":
        # Informed without refusing is no answer, and never shown as a yes (rule C10).
        return ~Q(Exists(found.filter(**{f"{kind}__in": [ChoiceValue.YES, ChoiceValue.NO]})))
    return Q(Exists(found.filter(**{kind: row.op})))


def _subscription(organization: Organization, row: Row, now: datetime) -> Q:
    found = active_subscriptions(organization).filter(participant=OuterRef("pk"), topic=row.values["topic"])
    return Q(Exists(found)) if row.op == "is" else ~Q(Exists(found))


def _reply(organization: Organization, row: Row, now: datetime) -> Q:
    """Everybody's answer counts, measured or not. Who was never asked has not kept silent."""
    values = row.values
    replies = DeclaredReply.objects.filter(organization=organization, participant=OuterRef("pk"))
    if values["question"] is not None:
        replies = replies.filter(question=values["question"])
    since = now - timedelta(days=values["days"]) if values["days"] is not None else None
    if row.op == "did_not":
        asking = Launch.objects.filter(organization=organization, email__questions=values["question"])
        asked = Message.objects.filter(
            organization=organization,
            participant=OuterRef("pk"),
            mailing__in=asking.values("mailing"),
            # A version of the email may lack the buttons. What only may have been sent, or bounced, asked nobody.
            reply_key__isnull=False,
            status=MessageStatus.SENT,
        ).exclude(news__in=[News.HARD_BOUNCE, News.SOFT_BOUNCE, News.REJECTED])
        if since is not None:
            asked = asked.filter(sent_at__gte=since)
        return Q(Exists(asked)) & ~Q(Exists(replies))
    if row.op == "gave":
        replies = replies.filter(answer=answer_of(values["answer"])[1])
    if since is not None:
        replies = replies.filter(answered_at__gte=since)
    return Q(Exists(replies))


def _engagement(organization: Organization, row: Row, now: datetime) -> Q:
    query = people_by_engagement(organization, row, now=now)
    return Q(pk__in=_raw(query.sql, query.parameters))


def _raw(sql: str, parameters: Mapping[str, Any]) -> RawSQL:
    """A query with named placeholders inside one of Django's, which count theirs."""
    names: list[str] = []

    class Names(dict[str, Any]):
        def __missing__(self, name: str) -> str:
            names.append(name)
            return "%s"

    return RawSQL(sql % Names(), tuple(parameters[name] for name in names))  # noqa: S611 - made of constants


_CONDITIONS: Mapping[str, Condition] = {
    "country": _country,
    "locale": _locale,
    "attribute": _attribute,
    "participation": _participation,
    "choice": _choice,
    "subscription": _subscription,
    "reply": _reply,
    "engagement": _engagement,
}
