"""Choices, subscriptions, notices, justifications, and the settings that the rules refuse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from accounts.models import Membership, Organization
from common.tenancy import tenant
from consent import services
from consent.models import Basis, Choice, ChoiceEvent, LegalJustification, Subscription, Topic
from consent.rules import BEGINNING, ChoiceValue, Kind, Source, Verdict
from consent.services import JustificationRefused, PolicyRefused
from participants.models import Participant
from tests.support.cast import Cast
from tests.support.world import later, make_participant, make_topic, make_website
from websites.models import EmailTrackingVersion, Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db

YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


@pytest.fixture
def zoe(bakery: Organization, now: datetime) -> Participant:
    return make_participant(bakery, "zoe@home.example", now=now, country="BE")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The tasks that are asked for once the transaction stands."""
    tasks: list[tuple[str, dict[str, Any]]] = []

    def note(name: str, **kwargs: Any) -> None:
        if name != "consent.seal_ledger":
            tasks.append((name, kwargs))

    monkeypatch.setattr("consent.services.choices.after_commit", note)
    return tasks


def choose(bakery: Organization, person: Participant, *, now: datetime, **fields: Any) -> dict[Kind, Verdict]:
    defaults = {"opens": None, "clicks": None, "source": Source.PERSON, "method": "preference page"}
    return services.record_choice(bakery, person, happened_at=fields.pop("at", now), now=now, **{**defaults, **fields})


# --- Choices ----------------------------------------------------------------------------------------------------------


def test_c5_a_choice_is_appended_and_the_current_state_derived(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    verdicts = choose(bakery, zoe, now=now, opens=YES, clicks=NO, wording="May we measure?", actor=None)
    assert verdicts == {Kind.OPENS: Verdict.APPLIED, Kind.CLICKS: Verdict.APPLIED}
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.opens_yes_since, choice.opens_not_no_since) == ("yes", now, BEGINNING)
    assert (choice.clicks, choice.clicks_yes_since, choice.clicks_not_no_since) == ("no", None, None)
    events = ChoiceEvent.objects.filter(subject=zoe.ledger_id).order_by("id")
    assert [(one.kind, one.value, one.consent_text.text, one.recorded_at) for one in events] == [
        ("opens", "yes", "May we measure?", now),
        ("clicks", "no", "May we measure?", now),
    ]


def test_c5_the_history_cannot_be_changed(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES)
    for change in (
        lambda: ChoiceEvent.objects.update(value="no"),
        lambda: ChoiceEvent.objects.all()._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert ChoiceEvent.objects.get().value == "yes"


def test_c2_no_answer_writes_nothing(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES)
    assert choose(bakery, zoe, now=later(now, hours=1), opens=UNKNOWN, clicks=UNKNOWN) == {
        Kind.OPENS: Verdict.UNCHANGED,
        Kind.CLICKS: Verdict.UNCHANGED,
    }
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.clicks, ChoiceEvent.objects.count()) == ("yes", "unknown", 1)


def test_s3_one_kind_leaves_the_other_alone(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES, clicks=YES)
    assert choose(bakery, zoe, now=later(now, hours=1), clicks=NO) == {Kind.CLICKS: Verdict.APPLIED}
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens, choice.opens_yes_since, choice.clicks) == ("yes", now, "no")


def test_c6_a_person_s_no_outranks_what_others_bring(
    bakery: Organization, cast: Cast, zoe: Participant, now: datetime
) -> None:
    choose(bakery, zoe, now=now, opens=NO)
    brought = choose(
        bakery,
        zoe,
        now=later(now, days=1),
        opens=YES,
        source=Source.IMPORT,
        method="import",
        evidence={"where": "fair"},
    )
    assert brought == {Kind.OPENS: Verdict.KEPT_PERSONS_OWN}
    assert Choice.objects.get(participant=zoe).opens == "no"
    assert ChoiceEvent.objects.count() == 1


def test_c6_a_member_records_a_yes_only_with_evidence(
    bakery: Organization, cast: Cast, zoe: Participant, now: datetime
) -> None:
    by_member = {"opens": YES, "source": Source.MEMBER, "method": "console", "actor": cast.max}
    assert choose(bakery, zoe, now=now, **by_member) == {Kind.OPENS: Verdict.NO_PROVENANCE}
    evidence = {"paper": "form 12"}
    assert choose(bakery, zoe, now=now, **by_member, evidence=evidence) == {Kind.OPENS: Verdict.APPLIED}
    event = ChoiceEvent.objects.get()
    assert (event.actor, event.evidence) == (cast.max, evidence)


def test_h1_a_yes_never_reaches_back_to_before_it_was_recorded(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    collected = now - timedelta(days=300)
    choose(
        bakery,
        zoe,
        now=now,
        opens=YES,
        at=collected,
        source=Source.IMPORT,
        method="import",
        evidence={"where": "fair"},
    )
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens_at, choice.opens_yes_since) == (collected, now)


def test_an_answer_from_the_future_counts_as_given_now(bakery: Organization, zoe: Participant, now: datetime) -> None:
    choose(bakery, zoe, now=now, opens=YES, at=later(now, days=9))
    assert Choice.objects.get(participant=zoe).opens_at == now
    assert choose(bakery, zoe, now=later(now, minutes=1), opens=NO) == {Kind.OPENS: Verdict.APPLIED}


def test_c11_a_refusal_asks_for_the_deletion_of_past_hits_once(
    bakery: Organization, zoe: Participant, now: datetime, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    choose(bakery, zoe, now=now, opens=YES, clicks=YES)
    assert asked == []
    choose(bakery, zoe, now=later(now, hours=1), opens=NO)
    choose(bakery, zoe, now=later(now, hours=2), opens=NO)
    assert asked == [
        (
            "tracking.delete_hits_of_participant",
            {
                "organization_id": bakery.pk,
                "participant_id": zoe.pk,
                "kind": "opens",
                "scope_id": Choice.objects.get(participant=zoe).scope_id,
            },
        )
    ]


def test_c11_so_does_a_refusal_of_somebody_who_never_answered(
    bakery: Organization, zoe: Participant, now: datetime, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    choose(bakery, zoe, now=now, clicks=NO)
    assert [kwargs["kind"] for _name, kwargs in asked] == ["clicks"]


def test_s5_a_move_lets_silence_count_from_now_on_and_keeps_what_was_said(
    bakery: Organization, zoe: Participant, now: datetime
) -> None:
    silent = make_participant(bakery, "silent@home.example", now=now, country="CH")
    choose(bakery, zoe, now=now, opens=YES, clicks=NO)
    moved = later(now, hours=1)
    services.apply_move(bakery, [zoe.pk, silent.pk], now=moved)
    choice = Choice.objects.get(participant=zoe)
    assert (choice.opens_yes_since, choice.opens_not_no_since) == (now, moved)
    assert (choice.clicks, choice.clicks_not_no_since) == ("no", None)
    silence = Choice.objects.get(participant=silent)
    assert (silence.opens, silence.opens_not_no_since, silence.clicks_not_no_since) == ("unknown", moved, moved)


# --- Subscriptions and keys -------------------------------------------------------------------------------------------


@pytest.fixture
def news(bakery: Organization, cast: Cast, now: datetime) -> Topic:
    return make_topic(bakery, make_website(bakery, cast.ana, now=now))


def test_c1_subscribing_says_nothing_about_measuring(
    bakery: Organization, zoe: Participant, news: Topic, now: datetime
) -> None:
    services.subscribe(bakery, zoe, news, basis=Basis.OPT_IN, source="shop", now=now)
    assert not Choice.objects.filter(participant=zoe).exists()
    services.unsubscribe(bakery, zoe, news, now=later(now, hours=1))
    assert not Choice.objects.filter(participant=zoe).exists()


def test_a_subscription_keeps_how_it_came_about_until_it_is_ended(
    bakery: Organization, zoe: Participant, news: Topic, now: datetime
) -> None:
    services.subscribe(bakery, zoe, news, basis=Basis.OPT_IN, source="shop", now=now)
    services.subscribe(bakery, zoe, news, basis=Basis.EXISTING_CUSTOMER, source="till", now=later(now, hours=1))
    kept = Subscription.objects.get(participant=zoe)
    assert (kept.basis, kept.source, kept.subscribed_at) == ("opt_in", "shop", now)

    assert services.unsubscribe(bakery, zoe, news, now=later(now, hours=2)) is True
    assert services.unsubscribe(bakery, zoe, news, now=later(now, hours=3)) is False
    assert Subscription.objects.get(participant=zoe).unsubscribed_at == later(now, hours=2)

    services.subscribe(bakery, zoe, news, basis=Basis.DOUBLE_OPT_IN, source="form", now=later(now, hours=4))
    again = Subscription.objects.get(participant=zoe)
    assert (again.basis, again.subscribed_at, again.unsubscribed_at) == ("double_opt_in", later(now, hours=4), None)


def test_a_person_keeps_one_preference_key(bakery: Organization, zoe: Participant, now: datetime) -> None:
    other = make_participant(bakery, "other@home.example", now=now)
    first = services.ensure_preference_keys(bakery, [zoe.pk])
    both = services.ensure_preference_keys(bakery, [zoe.pk, other.pk])
    assert both[zoe.pk] == first[zoe.pk]
    assert both[other.pk] != first[zoe.pk]
    assert services.ensure_preference_keys(bakery, [zoe.pk, other.pk]) == both
    assert services.ensure_preference_keys(bakery, []) == {}


# --- The setting ------------------------------------------------------------------------------------------------------


def set_tracking(bakery: Organization, cast: Cast, website: Website, tracking: str, **fields: Any) -> None:
    """As the website's form does it: what loosens is proposed by Ana, and confirmed by Dana."""
    policy = services.WebsitePolicy(country=str(website.country), declared_country="", tracking=tracking)
    outcome = services.change_website_policy(
        bakery, website, policy=policy, author=cast.ana, reason=fields.get("reason", "why"), now=fields["now"]
    )
    for proposal in outcome.proposed:
        services.confirm_proposal(bakery, proposal, author=cast.dana, now=fields["now"])
    website.refresh_from_db()


def test_s7_always_in_a_country_that_asks_for_a_yes_needs_a_justification(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="BE")
    with pytest.raises(PolicyRefused, match=r"Belgium.*legal justification"):
        set_tracking(bakery, cast, website, "always", now=now)
    website.refresh_from_db()
    assert website.email_tracking == "never"

    justify(bakery, cast, website, ["BE"], now=now)
    set_tracking(bakery, cast, website, "always", now=now)
    website.refresh_from_db()
    assert website.email_tracking == "always"


@pytest.mark.parametrize("named", [["FR"], ["LU", "NL"]])
def test_s7_the_justification_must_name_the_country(
    bakery: Organization, cast: Cast, now: datetime, named: list[str]
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="BE")
    justify(bakery, cast, website, named, now=now)
    with pytest.raises(PolicyRefused):
        set_tracking(bakery, cast, website, "always", now=now)


def test_s7_always_needs_none_where_people_need_not_say_yes(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH")
    set_tracking(bakery, cast, website, "always", now=now)
    website.refresh_from_db()
    assert website.email_tracking == "always"


def test_loosening_asks_for_a_reason_and_tightening_does_not(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now)
    with pytest.raises(PolicyRefused, match="Say why"):
        set_tracking(bakery, cast, website, "by_consent", now=now, reason="  ")
    set_tracking(bakery, cast, website, "by_consent", now=now, reason="we ask now")
    set_tracking(bakery, cast, website, "never", now=later(now, hours=1), reason="")
    website.refresh_from_db()
    assert website.email_tracking == "never"


def test_several_websites_at_once_and_a_refused_one_stops_none(bakery: Organization, cast: Cast, now: datetime) -> None:
    swiss = make_website(bakery, cast.ana, now=now, name="Swiss", country="CH")
    belgian = make_website(bakery, cast.ana, now=now, name="Belgian", country="BE")
    already = make_website(bakery, cast.ana, now=now, name="Already", country="CH", tracking=EmailTracking.ALWAYS)
    result = services.change_email_tracking_of_many(
        bakery, [swiss, belgian, already], tracking="always", author=cast.ana, reason="spring", now=now
    )
    assert (result.changed, result.proposed, result.unchanged) == ([], [swiss], [already])
    assert [website for website, _why in result.refused] == [belgian]
    assert "Belgium" in result.refused[0][1]
    assert EmailTrackingVersion.objects.filter(website=belgian).count() == 1


def test_f2_a_website_that_becomes_french_goes_to_never_whatever_the_form_says(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    policy = services.WebsitePolicy(country="FR", declared_country="", tracking="always")
    services.change_website_policy(bakery, website, policy=policy, author=cast.max, reason="moved", now=now)
    website.refresh_from_db()
    assert (website.email_tracking, str(website.country)) == ("never", "FR")
    latest = EmailTrackingVersion.objects.filter(website=website).first()
    assert latest is not None
    assert (latest.previous, latest.source) == ("always", "country_rule")


def test_an_always_website_moves_only_where_it_may_be_one(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH", tracking=EmailTracking.ALWAYS)
    with pytest.raises(PolicyRefused, match="Italy"):
        services.change_website_country(bakery, website, country="IT", author=cast.max, reason="", now=now)
    website.refresh_from_db()
    assert str(website.country) == "CH"

    policy = services.WebsitePolicy(country="BE", declared_country="", tracking="by_consent")
    services.change_website_policy(bakery, website, policy=policy, author=cast.max, reason="", now=now)
    website.refresh_from_db()
    assert (website.email_tracking, str(website.country)) == ("by_consent", "BE")


def test_several_changes_of_one_website_are_all_or_none(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH")
    policy = services.WebsitePolicy(country="IT", declared_country="", tracking="always")
    with pytest.raises(PolicyRefused):
        services.change_website_policy(bakery, website, policy=policy, author=cast.max, reason="why", now=now)
    assert str(Website.objects.get(pk=website.pk).country) == "CH"


def test_s5_declaring_a_looser_country_takes_a_reason_and_two_people(
    bakery: Organization, cast: Cast, now: datetime
) -> None:
    website = make_website(bakery, cast.ana, now=now, country="CH")
    policy = services.WebsitePolicy(country="CH", declared_country="CH", tracking="never")
    with pytest.raises(PolicyRefused, match="Say why"):
        services.change_website_policy(bakery, website, policy=policy, author=cast.ana, reason="", now=now)
    outcome = services.change_website_policy(
        bakery, website, policy=policy, author=cast.ana, reason="Swiss shops", now=now
    )
    assert str(Website.objects.get(pk=website.pk).declared_country) == ""
    services.confirm_proposal(bakery, outcome.proposed[0], author=cast.dana, now=now)
    assert str(Website.objects.get(pk=website.pk).declared_country) == "CH"
    back = services.WebsitePolicy(country="CH", declared_country="", tracking="never")
    services.change_website_policy(bakery, website, policy=back, author=cast.max, reason="", now=later(now, hours=1))
    assert str(Website.objects.get(pk=website.pk).declared_country) == ""


def test_s13_a_new_notice_is_a_new_version_of_its_language(bakery: Organization, cast: Cast, now: datetime) -> None:
    website = make_website(bakery, cast.ana, now=now, notice=False)

    def publish(language: str) -> int:
        return services.publish_notice(
            bakery, website, language=language, text="What we do", url="https://x.example/", author=cast.ana, now=now
        ).version

    assert [publish("en"), publish("fr"), publish("en")] == [1, 1, 2]


# --- Legal justifications ---------------------------------------------------------------------------------------------


def propose(
    bakery: Organization, cast: Cast, website: Website, countries: list[str], **fields: Any
) -> LegalJustification:
    defaults = {"reason": "Opinion of counsel", "ends_on": date(2027, 6, 30), "author": cast.ana}
    return services.propose_justification(bakery, website, countries=countries, **{**defaults, **fields})


def justify(
    bakery: Organization, cast: Cast, website: Website, countries: list[str], *, now: datetime, **fields: Any
) -> LegalJustification:
    proposed = propose(bakery, cast, website, countries, now=now, **fields)
    return services.confirm_justification(bakery, proposed, author=cast.dana, now=now, note="Seen")


@pytest.fixture
def website(bakery: Organization, cast: Cast, now: datetime) -> Website:
    return make_website(bakery, cast.ana, now=now)


def test_d5_an_owner_proposes_and_the_dpo_confirms(
    bakery: Organization, cast: Cast, website: Website, now: datetime
) -> None:
    kept = LegalJustification.objects.get(pk=justify(bakery, cast, website, ["BE", "NL"], now=now).pk)
    assert (kept.proposed_by, kept.confirmed_by, kept.confirmation_note) == (cast.ana, cast.dana, "Seen")
    assert (kept.countries, kept.confirmed_at) == (["BE", "NL"], now)


@pytest.mark.parametrize("who", ["max", "dana", "ben", "cleo"])
def test_d5_nobody_else_proposes(bakery: Organization, cast: Cast, website: Website, now: datetime, who: str) -> None:
    with pytest.raises(JustificationRefused, match="Only an owner"):
        propose(bakery, cast, website, ["BE"], author=getattr(cast, who), now=now)


@pytest.mark.parametrize("who", ["ana", "max", "ben", "cleo"])
def test_d5_nobody_else_confirms(bakery: Organization, cast: Cast, website: Website, now: datetime, who: str) -> None:
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    with pytest.raises(JustificationRefused):
        services.confirm_justification(bakery, proposed, author=getattr(cast, who), now=later(now, days=9), note="x")
    assert LegalJustification.objects.get().confirmed_at is None


def test_d5_another_owner_confirms(bakery: Organization, cast: Cast, website: Website, now: datetime) -> None:
    Membership.objects.filter(user=cast.max).update(role="owner")
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    assert services.confirm_justification(bakery, proposed, author=cast.max, now=now).confirmed_by == cast.max


def test_d5_an_organization_of_one_waits_a_day_and_types_the_reason(
    bakery: Organization, cast: Cast, website: Website, now: datetime
) -> None:
    Membership.objects.exclude(user=cast.ana).delete()
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    day_after = later(now, hours=24)
    for moment, note, message in (
        (later(now, hours=23, minutes=59), "counsel said so", "24 hours"),
        (day_after, "  ", "type the reason"),
    ):
        with pytest.raises(JustificationRefused, match=message):
            services.confirm_justification(bakery, proposed, author=cast.ana, now=moment, note=note)
    done = services.confirm_justification(bakery, proposed, author=cast.ana, now=day_after, note="counsel said so")
    assert (done.confirmed_at, done.confirmation_note) == (day_after, "counsel said so")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"countries": []}, "Name the countries"),
        ({"countries": ["BE", "ZZ"]}, "Name the countries"),
        ({"reason": "  "}, "on what"),
        ({"ends_on": date(2026, 11, 21)}, "day to come"),
    ],
)
def test_a_justification_says_why_for_whom_and_until_when(
    bakery: Organization, cast: Cast, website: Website, now: datetime, wrong: dict[str, Any], message: str
) -> None:
    fields = {"countries": ["BE"], **wrong}
    with pytest.raises(JustificationRefused, match=message):
        propose(bakery, cast, website, now=now, **fields)
    assert not LegalJustification.objects.exists()


def test_d5_one_person_withdraws_it(bakery: Organization, cast: Cast, website: Website, now: datetime) -> None:
    justification = justify(bakery, cast, website, ["BE"], now=now)
    with pytest.raises(JustificationRefused):
        services.withdraw_justification(bakery, justification, author=cast.ben, now=now)
    services.withdraw_justification(bakery, justification, author=cast.max, now=later(now, hours=1))
    services.withdraw_justification(bakery, justification, author=cast.ana, now=later(now, hours=2))
    kept = LegalJustification.objects.get()
    assert (kept.withdrawn_by, kept.withdrawn_at) == (cast.max, later(now, hours=1))
    with pytest.raises(JustificationRefused, match="no longer waiting"):
        services.confirm_justification(bakery, justification, author=cast.dana, now=later(now, hours=3))
