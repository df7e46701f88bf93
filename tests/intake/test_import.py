"""What lands of a file of people: data, countries, subscriptions, participations."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from campaigns.models import Campaign, Participation
from common.tenancy import tenant
from consent.models import Choice, Subscription
from consent.services import unsubscribe
from delivery.models import SuppressionReason
from delivery.services import suppress
from intake.models import ImportIssue, ImportState
from participants.models import Participant
from tests.intake.importing import counted, import_text, issues_of
from tests.support.cast import Cast
from tests.support.world import make_participant, make_topic, make_website, subscribe_to
from tracking.models import TrackedMessage
from tracking.services import NewTracked, register_content, register_messages

pytestmark = pytest.mark.django_db

FILE = """email,country,locale,first_name,last_name,external_id,city
Ana@Bakery.example,FR,fr,Ana,Silva,A1,Lyon
max@bakery.example,BE,nl,Max,,,Gent
"""


def person(cast: Cast, email: str) -> Participant:
    with tenant(cast.bakery.pk):
        return Participant.objects.get(email_norm=email)


def test_new_people_land_with_all_that_the_file_says(cast: Cast, now: datetime) -> None:
    done = import_text(cast.bakery, FILE, now=now)
    assert (done.state, done.rows_done, done.rows_total) == (ImportState.DONE, 2, 2)
    assert counted(done) == {"created": 2}
    ana = person(cast, "ana@bakery.example")
    assert (ana.email, str(ana.country), ana.locale) == ("Ana@Bakery.example", "FR", "fr")
    assert (ana.first_name, ana.last_name, ana.external_id) == ("Ana", "Silva", "A1")
    assert ana.attributes == {"city": "Lyon"}
    assert (ana.created_at, ana.updated_at, ana.organization_id) == (now, now, cast.bakery.pk)


def test_a_second_import_changes_what_is_given_and_keeps_what_is_empty(cast: Cast, now: datetime) -> None:
    import_text(cast.bakery, FILE, now=now)
    later = now + timedelta(days=1)
    again = "email,country,first_name,city,size\nana@bakery.example,,Anna,,L\nmax@bakery.example,BE,Max,Gent,\n"
    done = import_text(cast.bakery, again, now=later)
    assert counted(done) == {"updated": 1, "unchanged": 1}
    ana, unchanged = person(cast, "ana@bakery.example"), person(cast, "max@bakery.example")
    assert (str(ana.country), ana.first_name, ana.last_name) == ("FR", "Anna", "Silva")
    assert ana.attributes == {"city": "Lyon", "size": "L"}
    assert (ana.created_at, ana.updated_at) == (now, later)
    assert unchanged.updated_at == now


def test_the_same_file_twice_changes_nothing(cast: Cast, now: datetime) -> None:
    import_text(cast.bakery, FILE, now=now)
    again = import_text(cast.bakery, FILE, now=now + timedelta(days=1))
    assert counted(again) == {"unchanged": 2}


def test_people_of_another_organization_are_other_people(cast: Cast, now: datetime) -> None:
    import_text(cast.cinema, FILE, now=now)
    assert counted(import_text(cast.bakery, FILE, now=now)) == {"created": 2}
    with tenant(cast.cinema.pk):
        assert Participant.objects.count() == 2


def test_a_column_can_be_read_as_something_else_or_left_out(cast: Cast, now: datetime) -> None:
    import_text(cast.bakery, FILE, now=now, mapping={"city": "", "last_name": "attribute:family"})
    ana = person(cast, "ana@bakery.example")
    assert (ana.last_name, ana.attributes) == ("", {"family": "Silva"})


def test_rows_that_do_not_land_are_listed_with_their_numbers(cast: Cast, now: datetime) -> None:
    text = (
        'email,country\nana@bakery.example,FR\nnobody,FR\n"max@bakery.example\nBcc: x@y.example",BE\nzoe@b.example,??\n'
    )
    done = import_text(cast.bakery, text, now=now)
    assert counted(done) == {
        "created": 2,
        "rejected": 2,
        "email_no_at": 1,
        "email_line_break": 1,
        "country_unknown": 1,
        "listed": 3,
    }
    assert issues_of(done) == [
        (3, "email", "email_no_at"),
        (4, "email", "email_line_break"),
        (5, "country", "country_unknown"),
    ]
    assert str(person(cast, "zoe@b.example").country) == ""


def test_what_is_listed_is_capped_and_what_is_counted_is_not(
    cast: Cast, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImportIssue, "LIMIT", 3)
    done = import_text(cast.bakery, "email\n" + "nobody\n" * 10, now=now)
    assert (done.counts["rejected"], done.counts["listed"], len(issues_of(done))) == (10, 10, 3)


def test_hostile_text_stays_text(cast: Cast, now: datetime) -> None:
    text = 'email,first_name,note\nana@bakery.example,"\\N\\.\t\\x41","=cmd|\' /C calc\'!A0"\n'
    import_text(cast.bakery, text, now=now)
    ana = person(cast, "ana@bakery.example")
    assert (ana.first_name, ana.attributes) == ("\\N\\. \\x41", {"note": "=cmd|' /C calc'!A0"})


# --- Countries ------------------------------------------------------------------------------------------------------


def test_sent_copies_follow_people_who_move(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    ana = make_participant(cast.bakery, "ana@bakery.example", now=now, country="CH")
    content = register_content(cast.bakery, website, [])
    copies = [NewTracked(participant_id=ana.pk, country="CH", opens="individual", clicks="individual")]
    register_messages(cast.bakery, content, copies, decided_at=now)
    done = import_text(cast.bakery, FILE, now=now + timedelta(days=1))
    assert counted(done) == {"created": 1, "updated": 1, "moved": 1}
    with tenant(cast.bakery.pk):
        copy = TrackedMessage.objects.get()
        choice = Choice.objects.get(participant=ana)
    # France asks for a yes, so the copy is lowered for good; silence counts anew from the move on (H1).
    assert (copy.country, copy.opens, copy.clicks) == ("FR", "none", "none")
    assert choice.opens_not_no_since == now + timedelta(days=1)


def test_people_who_stay_keep_their_moments(cast: Cast, now: datetime) -> None:
    import_text(cast.bakery, FILE, now=now)
    done = import_text(cast.bakery, "email,country\nana@bakery.example,FR\n", now=now + timedelta(days=1))
    assert "moved" not in done.counts
    with tenant(cast.bakery.pk):
        assert not Choice.objects.exists()


# --- Topics and campaigns -------------------------------------------------------------------------------------------


def test_people_are_subscribed_with_basis_source_and_wording(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    done = import_text(
        cast.bakery,
        FILE,
        now=now,
        topic=topic,
        basis="double_opt_in",
        subscription_source="shop.example",
        subscription_wording="News, please.",
    )
    assert counted(done) == {"created": 2, "subscribed": 2}
    with tenant(cast.bakery.pk):
        for subscription in Subscription.objects.all():
            assert (subscription.topic_id, subscription.basis) == (topic.pk, "double_opt_in")
            assert (subscription.source, subscription.wording) == ("shop.example", "News, please.")
            assert subscription.subscribed_at == now
        # A subscription says nothing about measuring (C1).
        assert not Choice.objects.exists()


def test_nobody_is_subscribed_again_who_left_or_is_suppressed(cast: Cast, now: datetime) -> None:
    topic = make_topic(cast.bakery, make_website(cast.bakery, cast.ana, now=now))
    left, there = (make_participant(cast.bakery, f"{name}@b.example", now=now) for name in ("left", "there"))
    for one in (left, there):
        subscribe_to(cast.bakery, one, topic, now=now)
    with tenant(cast.bakery.pk):
        unsubscribe(cast.bakery, left, topic, now=now)
        suppress(cast.bakery, "gone@b.example", reason=SuppressionReason.BOUNCED, source="test", now=now)
    text = "email\nleft@b.example\nthere@b.example\ngone@b.example\nnew@b.example\n"
    done = import_text(cast.bakery, text, now=now, topic=topic, basis="opt_in")
    assert counted(done) == {
        "created": 2,
        "unchanged": 2,
        "subscribed": 1,
        "subscribed_already": 1,
        "not_resubscribed": 2,
        "listed": 2,
    }
    assert issues_of(done) == [(2, "email", "not_resubscribed"), (4, "email", "not_resubscribed")]
    with tenant(cast.bakery.pk):
        active = Subscription.objects.filter(unsubscribed_at__isnull=True)
        assert set(active.values_list("participant__email_norm", flat=True)) == {"there@b.example", "new@b.example"}


def test_people_join_a_campaign_once(cast: Cast, now: datetime) -> None:
    website = make_website(cast.bakery, cast.ana, now=now)
    with tenant(cast.bakery.pk):
        campaign = Campaign.objects.create(organization=cast.bakery, website=website, name="Quiz", kind="quiz")
    assert counted(import_text(cast.bakery, FILE, now=now, campaign=campaign)) == {"created": 2, "participations": 2}
    assert counted(import_text(cast.bakery, FILE, now=now, campaign=campaign)) == {"unchanged": 2}
    with tenant(cast.bakery.pk):
        joined = Participation.objects.get(participant__email_norm="ana@bakery.example")
        assert (joined.campaign_id, joined.participated_at, joined.source) == (campaign.pk, now, "people.csv")
