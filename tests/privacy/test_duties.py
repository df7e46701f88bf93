"""The edges of what an organization owes: whom inactivity asks, what a dry run leaves, the clock of requests."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.test import Client

from accounts.models import Organization
from campaigns.models import Campaign, Participation
from common.tenancy import tenant
from consent.models import Choice, Subscription
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from delivery.models import CaughtMessage, MessageStatus, ServiceMessage
from delivery.refusals import welcome_back
from delivery.services import suppress
from intake.models import Import, ImportIssue
from participants.models import Participant
from privacy.models import InactivityCheck, InactivityRule, Keeping, PersonRequest, SealedProof
from privacy.registers import open_requests
from privacy.services.erasure import erase_participant
from privacy.services.inactivity import apply_rule, people_to_ask, set_rule, switch_rule
from privacy.services.requests import RequestRefused, answer_request, extend_request, open_request
from privacy.services.retention import apply_retention
from tests.support.cast import Cast
from tests.support.world import choose, loosen, make_participant, make_topic, make_website, subscribe_to
from tracking.models import LastOpenDay
from websites.models import OpensFallback, Website

pytestmark = pytest.mark.django_db

LONG = timedelta(days=1500)


# --- Inactivity -------------------------------------------------------------------------------------------------------


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now - LONG)


@pytest.fixture
def rule(cast: Cast, website: Website, now: datetime) -> InactivityRule:
    with tenant(cast.bakery.pk):
        return set_rule(cast.bakery, website, months=24, answer_days=30, actor=cast.dana, now=now)


@pytest.fixture
def people(cast: Cast, website: Website, now: datetime) -> dict[str, Participant]:
    """One of them is silent; each of the others has a reason of their own to be left alone."""
    topic = make_topic(cast.bakery, website)
    names = ("silent", "answered", "bounced", "fresh", "opened", "unconfirmed")
    made = {name: make_participant(cast.bakery, f"{name}@b.example", now=now - LONG) for name in names}
    for name, person in made.items():
        subscribed_at = now - timedelta(days=5) if name == "fresh" else now - LONG
        subscribe_to(cast.bakery, person, topic, now=subscribed_at)
    choose(cast.bakery, made["answered"], opens=ChoiceValue.NO, now=now - timedelta(days=30))
    with tenant(cast.bakery.pk):
        suppress(cast.bakery, made["bounced"].email_norm, reason="bounced", source="test", now=now)
        LastOpenDay.objects.create(organization_id=cast.bakery.pk, participant=made["opened"], day=now.date())
        # Gets nothing yet, so there is nothing to stay for.
        Subscription.objects.filter(participant=made["unconfirmed"]).update(pending_since=now - LONG)
    return made


def _days_around(cast: Cast, first_kept: datetime) -> tuple[datetime, datetime]:
    """The last moment that is too old, and the first that is not, on the clock of the organization."""
    begin = datetime.combine(first_kept, time.min, tzinfo=ZoneInfo(cast.bakery.timezone))
    return begin - timedelta(seconds=1), begin


def asked(cast: Cast, rule: InactivityRule, now: datetime) -> set[str]:
    with tenant(cast.bakery.pk):
        current = InactivityRule.objects.select_related("website").get(pk=rule.pk)
        return {one.email.partition("@")[0] for one in people_to_ask(cast.bakery, current, now=now)}


def test_u6_whoever_did_something_cannot_be_reached_or_is_new_is_not_asked(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    # No website keeps the day of a last open unless it is set to: then it says nothing.
    assert asked(cast, rule, now) == {"silent", "opened"}


def test_u6_the_months_end_with_a_day_and_another_website_is_another_rule(
    cast: Cast, website: Website, rule: InactivityRule, now: datetime
) -> None:
    topic = make_topic(cast.bakery, website)
    elsewhere = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, name="Cakes", now=now - LONG))
    too_old, first_kept = _days_around(cast, now.replace(year=now.year - 2))
    for name, since, what in (("old", too_old, topic), ("day", first_kept, topic), ("cakes", too_old, elsewhere)):
        person = make_participant(cast.bakery, f"{name}@b.example", now=since)
        subscribe_to(cast.bakery, person, what, now=since)
    assert asked(cast, rule, now) == {"old"}


def test_u6_an_address_that_takes_no_mail_is_told_apart_and_keeps_nobody_waiting(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    broken = people["silent"]
    with tenant(cast.bakery.pk):
        Participant.objects.filter(pk=broken.pk).update(email="no address")
        switch_rule(cast.bakery, rule, on=True, actor=cast.dana, now=now)
    report = apply_rule(cast.bakery, rule, now=now)
    assert (report.asked, report.unreachable) == (1, [broken.pk])


def test_s8_the_last_open_day_counts_where_the_website_keeps_it_and_that_there_is_none_says_nothing(
    cast: Cast, website: Website, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    loosen(cast.bakery, website, now=now, opens_fallback=OpensFallback.LAST_OPEN_DAY.value)
    assert asked(cast, rule, now) == {"silent"}
    with tenant(cast.bakery.pk):
        LastOpenDay.objects.update(day=now.date() - LONG)
    assert asked(cast, rule, now) == {"silent", "opened"}


def the_questions_left(bakery: Organization) -> None:
    with tenant(bakery.pk):
        ServiceMessage.objects.filter(status=MessageStatus.QUEUED).update(status=MessageStatus.SENT)


def test_u6_whoever_was_never_asked_since_no_mail_left_is_asked_anew(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    with tenant(bakery.pk):
        switch_rule(bakery, rule, on=True, actor=cast.dana, now=now)
    apply_rule(bakery, rule, now=now)
    with tenant(bakery.pk):
        # One waits for a server that is away; the other was given up, as its time had passed.
        given_up = ServiceMessage.objects.filter(participant=people["silent"])
        assert given_up.update(status=MessageStatus.CANCELLED) == 1
    again = apply_rule(bakery, rule, now=over)
    assert (again.asked, again.ended) == (2, 0)
    the_questions_left(bakery)
    assert apply_rule(bakery, rule, now=over + timedelta(days=29)).ended == 0
    assert apply_rule(bakery, rule, now=over + timedelta(days=31)).ended == 2


@pytest.mark.parametrize(
    ("state", "words", "ended"),
    [
        ("failed", "550 5.7.1 Our list does not like your server", 0),
        ("failed", "451 4.7.1 Greylisted", 0),
        ("failed", "550 5.1.1 No such user", 1),
        ("suppressed", "", 0),
        ("unknown", "", 0),
    ],
)
def test_u6_nobody_is_put_out_whose_question_was_not_taken(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime, state: str, words: str, ended: int
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    with tenant(bakery.pk):
        switch_rule(bakery, rule, on=True, actor=cast.dana, now=now)
    apply_rule(bakery, rule, now=now)
    with tenant(bakery.pk):
        question = ServiceMessage.objects.filter(participant=people["silent"])
        assert question.update(status=state, error=words) == 1
    assert apply_rule(bakery, rule, now=over).ended == ended


def test_u6_who_was_asked_is_put_out_though_retention_removed_the_question_and_nobody_else(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    with tenant(bakery.pk):
        switch_rule(bakery, rule, on=True, actor=cast.dana, now=now)
    assert apply_rule(bakery, rule, now=now).asked == 2
    with tenant(bakery.pk):
        assert ServiceMessage.objects.filter(participant=people["silent"]).update(status=MessageStatus.SENT) == 1
    apply_rule(bakery, rule, now=now + timedelta(days=1))
    with tenant(bakery.pk):
        ServiceMessage.objects.all().delete()
    again = apply_rule(bakery, rule, now=over)
    assert (again.asked, again.ended) == (1, 1)


def test_c9_the_question_leads_to_the_choice_in_the_language_of_the_person(
    cast: Cast, client: Client, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        switch_rule(cast.bakery, rule, on=True, actor=cast.dana, now=now)
        Participant.objects.filter(pk=people["silent"].pk).update(locale="fr_BE")
    apply_rule(cast.bakery, rule, now=now)
    with tenant(cast.bakery.pk):
        text = ServiceMessage.objects.get(participant=people["silent"]).text
    found = re.search(r"Ce qui est mesuré, et votre choix: http\S+(/p/\S+)", text)
    assert found
    page = client.get(found[1]).content.decode()
    assert "s…@b….example" in page


def test_s8_who_reads_mail_after_the_question_stays_where_the_website_keeps_that_day(
    cast: Cast, website: Website, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    with tenant(cast.bakery.pk):
        switch_rule(cast.bakery, rule, on=True, actor=cast.dana, now=now)
        # Of the day of the question itself nobody can say whether it came before.
        LastOpenDay.objects.create(organization_id=cast.bakery.pk, participant=people["silent"], day=now.date())
    assert apply_rule(cast.bakery, rule, now=now).asked == 2
    the_questions_left(cast.bakery)
    loosen(cast.bakery, website, now=now, opens_fallback=OpensFallback.LAST_OPEN_DAY.value)
    with tenant(cast.bakery.pk):
        LastOpenDay.objects.filter(participant=people["opened"]).update(day=now.date() + timedelta(days=1))
        kept = InactivityRule.objects.select_related("website").get(pk=rule.pk)
    assert apply_rule(cast.bakery, kept, now=now + timedelta(days=31)).ended == 1
    with tenant(cast.bakery.pk):
        assert InactivityCheck.objects.get(ended_at__isnull=False).participant == people["silent"]


def test_u6_nobody_is_put_out_before_their_time_or_while_the_rule_is_off(
    cast: Cast, rule: InactivityRule, people: dict[str, Participant], now: datetime
) -> None:
    bakery, over = cast.bakery, now + timedelta(days=31)
    with tenant(bakery.pk):
        switch_rule(bakery, rule, on=True, actor=cast.dana, now=now)
    assert apply_rule(bakery, rule, now=now).asked == 2
    the_questions_left(bakery)
    early = apply_rule(bakery, rule, now=now + timedelta(days=29))
    assert (early.asked, early.ended) == (0, 0)
    with tenant(bakery.pk):
        switch_rule(bakery, rule, on=False, actor=cast.dana, now=now)
    assert apply_rule(bakery, rule, now=over).ended == 0
    with tenant(bakery.pk):
        assert InactivityCheck.objects.filter(ended_at=None).count() == 2
        switch_rule(bakery, rule, on=True, actor=cast.dana, now=over)
    assert apply_rule(bakery, rule, now=over).ended == 2
    with tenant(bakery.pk):
        left = Subscription.objects.filter(unsubscribed_at__isnull=False).values_list("participant__email", flat=True)
        assert set(left) == {"silent@b.example", "opened@b.example"}


# --- Erasure ----------------------------------------------------------------------------------------------------------


def test_d2_what_was_refused_is_kept_with_the_hash_and_comes_back_the_proof_is_sealed_and_the_log_is_silent(
    cast: Cast, website: Website, now: datetime
) -> None:
    bakery = cast.bakery
    anna = make_participant(bakery, "anna@b.example", now=now)
    LogEntry.objects.create(user=cast.ana, action_flag=2, object_repr="Anna@B.example")
    with tenant(bakery.pk):
        record_choice(
            bakery, anna, opens=None, clicks=None, anonymous=ChoiceValue.NO, source=Source.PERSON, method="test",
            happened_at=now, now=now, wording="Totals?",
        )  # fmt: skip
        erase_participant(bakery, anna, actor=None, reason="", now=now)
        assert SealedProof.objects.count() == 1
        again = make_participant(bakery, "anna@b.example", now=now)
        assert welcome_back(bakery, again, now=now)
        assert Choice.objects.get(participant=again).anonymous_objected_at == now
    assert not LogEntry.objects.exists()


# --- Retention --------------------------------------------------------------------------------------------------------


def test_u4_a_dry_run_counts_what_the_next_run_removes_and_removes_nothing(
    cast: Cast, website: Website, now: datetime
) -> None:
    bakery = cast.bakery
    with tenant(bakery.pk):
        common = {"organization": bakery, "website": website, "kind": "receipt", "language": "en", "subject": "x"}
        anna = make_participant(bakery, "anna@b.example", now=now)
        for participant in (anna, None):
            # To an address of nobody: kept for a week only.
            ServiceMessage.objects.create(
                **common, participant=participant, to_email="a@b.example", queued_at=now - timedelta(days=9)
            )
        CaughtMessage.objects.create(
            organization=bakery, mail_from="a@b.c", rcpt_to="d@e.f", raw=b"", received_at=now - timedelta(days=40)
        )
    would = apply_retention(bakery, now=now, only_count=True).counts
    assert (would["service_messages"], would["mailbox"]) == (1, 1)
    with tenant(bakery.pk):
        assert (ServiceMessage.objects.count(), CaughtMessage.objects.count()) == (2, 1)
    assert apply_retention(bakery, now=now).counts == would
    with tenant(bakery.pk):
        assert ServiceMessage.objects.get().participant_id == anna.pk
        assert not CaughtMessage.objects.exists()


def test_u4_what_is_as_old_as_the_limit_is_kept_and_what_is_older_by_a_moment_goes(
    cast: Cast, website: Website, now: datetime
) -> None:
    bakery = cast.bakery
    months = {"participants_months": 36, "participations_months": 12, "requests_months": 6}
    days = {"service_messages_days": 90, "mailbox_days": 30, "imports_days": 20}
    participants = _days_around(cast, now.replace(year=now.year - 3))
    participations = _days_around(cast, now.replace(year=now.year - 1))
    requests = _days_around(cast, now.replace(month=now.month - 6))
    messages, mailbox, imports = (_days_around(cast, now - timedelta(days=count)) for count in days.values())
    with tenant(bakery.pk):
        Keeping.objects.create(organization=bakery, **months, **days)
        campaign = Campaign.objects.create(organization=bakery, website=website, name="Contest")
        for number in range(2):
            make_participant(bakery, f"silent{number}@b.example", now=participants[number])
            anna = make_participant(bakery, f"anna{number}@b.example", now=now)
            Participation.objects.create(
                organization=bakery, campaign=campaign, participant=anna, participated_at=participations[number]
            )
            PersonRequest.objects.create(
                organization=bakery, kind="access", channel="letter", state="answered", received_on=now, due_on=now,
                answered_at=requests[number],
            )  # fmt: skip
            ServiceMessage.objects.create(
                organization=bakery, website=website, kind="receipt", language="en", subject="x", participant=anna,
                to_email=anna.email, queued_at=messages[number],
            )  # fmt: skip
            CaughtMessage.objects.create(
                organization=bakery, mail_from="a@b.c", rcpt_to="d@e.f", raw=b"", received_at=mailbox[number]
            )
            SealedProof.objects.create(
                organization=bakery, digest=b"x", sealed="x", wrapped_key="x", sealed_at=now,
                destroy_on=now.date() - timedelta(days=1 - number),
            )  # fmt: skip
            _list_of_import(cast, f"{number}.csv", finished_at=imports[number])
    once = dict.fromkeys(("participants", "participations", "requests", "service_messages", "mailbox", "proofs"), 1)
    nothing = dict.fromkeys(("hits", "orphaned_hits", "exports"), 0)
    done = apply_retention(bakery, now=now).counts
    assert (once | nothing | {"imports": 1}).items() <= done.items()
    with tenant(bakery.pk):
        left = Participant.objects.filter(email__startswith="silent").get()
        assert (left.email, Participation.objects.get().participated_at) == ("silent1@b.example", participations[1])
        assert PersonRequest.objects.get().answered_at == requests[1]
        assert ServiceMessage.objects.get().queued_at == messages[1]
        assert CaughtMessage.objects.get().received_at == mailbox[1]
        assert SealedProof.objects.get().destroy_on == now.date()
        # What was listed of an old file goes with it: wrong addresses are addresses.
        assert [issue.source.filename for issue in ImportIssue.objects.all()] == ["1.csv"]
        old, young = Import.objects.order_by("filename")
        assert (old.file.name, old.layout["sample"], old.layout["header"]) == ("", [], ["email"])
        assert (bool(young.file), young.layout["sample"]) == (True, [["zoe@b.example"]])


def _list_of_import(cast: Cast, filename: str, *, finished_at: datetime) -> None:
    layout = {"encoding": "utf-8", "header": ["email"], "sample": [["zoe@b.example"]]}
    source = Import(organization=cast.bakery, filename=filename, state="done", finished_at=finished_at, layout=layout)
    source.file.save(filename, ContentFile(b"email\nzoe@b.example\n"), save=False)
    source.save()
    ImportIssue.objects.create(
        organization=cast.bakery, source=source, row=2, column="email", value="zoe@", issue="not_an_address"
    )


# --- The clock of requests --------------------------------------------------------------------------------------------


def ask(cast: Cast, received: datetime, now: datetime) -> PersonRequest:
    with tenant(cast.bakery.pk):
        return open_request(
            cast.bakery, kind="access", participant=None, channel="letter", received_at=received, now=now
        )


def test_d4_the_clock_runs_from_the_day_of_receipt_and_no_later_than_today(cast: Cast, now: datetime) -> None:
    before = ask(cast, now.replace(month=1, day=31), now)
    assert (before.received_on, before.due_on) == (date(now.year, 1, 31), date(now.year, 2, 28))
    ahead = ask(cast, now + timedelta(days=20), now)
    assert ahead.received_on == now.date()


def test_d4_two_months_more_count_from_the_receipt_and_are_taken_within_the_first(cast: Cast, now: datetime) -> None:
    request = ask(cast, now, now)
    last_day = now + (request.due_on - now.date())
    with tenant(cast.bakery.pk):
        extended = extend_request(cast.bakery, request, reason="many files", actor=cast.dana, now=last_day)
        assert (extended.due_on - request.received_on).days in range(89, 93)
        hasty = ask(cast, now, now)
        with pytest.raises(RequestRefused, match="why more time"):
            extend_request(cast.bakery, hasty, reason=" ", actor=cast.dana, now=now)
        with pytest.raises(RequestRefused, match="extended already"):
            extend_request(cast.bakery, request, reason="again", actor=cast.dana, now=now)
        late = ask(cast, now, now)
        with pytest.raises(RequestRefused, match="no longer be extended"):
            extend_request(cast.bakery, late, reason="x", actor=cast.dana, now=last_day + timedelta(days=1))


def test_d4_the_last_day_is_in_time_and_is_warned_of_for_a_week(cast: Cast, now: datetime) -> None:
    due = ask(cast, now, now).due_on
    with tenant(cast.bakery.pk):
        seen = {days: open_requests(cast.bakery, today=due + timedelta(days=days)) for days in (-8, -7, 0, 1)}
    assert {days: (found.due_soon, found.overdue) for days, found in seen.items()} == {
        -8: (0, 0), -7: (1, 0), 0: (1, 0), 1: (0, 1),
    }  # fmt: skip


def test_d4_a_request_is_answered_once_and_with_words(cast: Cast, now: datetime) -> None:
    request = ask(cast, now, now)
    with tenant(cast.bakery.pk):
        with pytest.raises(RequestRefused, match="what the person was answered"):
            answer_request(cast.bakery, request, answer=" ", actor=cast.dana, now=now)
        answer_request(cast.bakery, request, answer="Sent.", actor=cast.dana, now=now)
        with pytest.raises(RequestRefused, match="closed"):
            answer_request(cast.bakery, request, answer="Otherwise.", actor=cast.dana, now=now)
        assert PersonRequest.objects.get().answer == "Sent."
        other = ask(cast, now, now)
        declined = answer_request(cast.bakery, other, answer="It is not hers.", declined=True, actor=cast.dana, now=now)
        assert declined.state == "declined"
