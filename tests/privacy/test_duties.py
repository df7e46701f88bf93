"""The edges of what an organization owes: what an erasure leaves, what a dry run leaves, the clock of requests."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile

from campaigns.models import Campaign, Participation
from common.tenancy import tenant
from consent.models import Choice
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from delivery.models import CaughtMessage, ServiceMessage
from delivery.refusals import welcome_back
from intake.models import Import, ImportIssue
from participants.models import Participant
from privacy.models import Keeping, PersonRequest, SealedProof
from privacy.registers import open_requests
from privacy.services.erasure import erase_participant
from privacy.services.requests import RequestRefused, answer_request, extend_request, open_request
from privacy.services.retention import apply_retention
from tests.support.cast import Cast, days_around
from tests.support.world import make_participant, make_website
from websites.models import Website

pytestmark = pytest.mark.django_db


@pytest.fixture
def website(cast: Cast, now: datetime) -> Website:
    return make_website(cast.bakery, cast.ana, now=now - timedelta(days=1500))


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
    participants = days_around(cast, now.replace(year=now.year - 3))
    participations = days_around(cast, now.replace(year=now.year - 1))
    requests = days_around(cast, now.replace(month=now.month - 6))
    messages, mailbox, imports = (days_around(cast, now - timedelta(days=count)) for count in days.values())
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
