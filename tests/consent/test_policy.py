"""What services of the policy do: a website's settings, its notices, and legal justifications."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest

from accounts.members import change_role, remove_member
from accounts.models import AuditEntry, Membership, Organization
from common.tenancy import tenant
from consent import services
from consent.models import LegalJustification
from consent.services import JustificationRefused, PolicyRefused, ProposalRefused
from tests.support.cast import Cast
from tests.support.world import later, make_website
from websites.models import EmailTrackingVersion, Website
from websites.rules import EmailTracking

pytestmark = pytest.mark.django_db


@pytest.fixture
def bakery(cast: Cast) -> Iterator[Organization]:
    with tenant(cast.bakery.pk):
        yield cast.bakery


# --- The setting ------------------------------------------------------------------------------------------------------


def set_tracking(bakery: Organization, cast: Cast, website: Website, tracking: str, **fields: Any) -> None:
    """As the website's form does it: what loosens is proposed by Ana, and confirmed by Dana."""
    policy = services.WebsitePolicy(country=str(website.country), declared_country="", tracking=tracking)
    outcome = services.change_website_policy(
        bakery, website, policy=policy, author=cast.ana, reason=fields.get("reason", "why"), now=fields["now"]
    )
    for proposal in outcome.proposed:
        services.confirm_proposal(bakery, proposal, author=cast.dana, now=fields["now"], note="Seen")
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
    services.confirm_proposal(bakery, outcome.proposed[0], author=cast.dana, now=now, note="Seen")
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
    Membership.objects.filter(user=cast.dana).update(role="viewer")
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    assert services.confirm_justification(bakery, proposed, author=cast.max, now=now).confirmed_by == cast.max


def test_d5_another_owner_confirms_with_the_opinion_of_the_officer(
    bakery: Organization, cast: Cast, website: Website, now: datetime
) -> None:
    Membership.objects.filter(user=cast.max).update(role="owner")
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    with pytest.raises(JustificationRefused, match="has not given an opinion yet"):
        services.confirm_justification(bakery, proposed, author=cast.max, now=now, note="I agree")
    for who, words, message in (("max", "Fine", "Only the data protection officer"), ("dana", " ", "Type the opinion")):
        with pytest.raises(JustificationRefused, match=message):
            services.give_justification_opinion(bakery, proposed, author=getattr(cast, who), now=now, note=words)
    services.give_justification_opinion(bakery, proposed, author=cast.dana, now=now, note=" Rather not ")
    confirmed_at = later(now, hours=1)
    services.confirm_justification(bakery, proposed, author=cast.max, now=confirmed_at, note="I agree")
    kept = LegalJustification.objects.get()
    assert (kept.confirmed_by, kept.confirmed_at, kept.confirmation_note) == (cast.max, confirmed_at, "I agree")
    assert (kept.dpo_opinion, kept.dpo_opinion_by, kept.dpo_opinion_at) == ("Rather not", cast.dana, now)
    given = AuditEntry.objects.get(action="justification:opinion")
    assert (given.actor, given.target) == (cast.dana, f"justification {kept.pk}, website {website.pk}")
    with pytest.raises(JustificationRefused, match="no longer waiting"):
        services.give_justification_opinion(bakery, proposed, author=cast.dana, now=confirmed_at, note="Later")


def test_d5_an_officer_confirms_with_an_opinion(
    bakery: Organization, cast: Cast, website: Website, now: datetime
) -> None:
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    with pytest.raises(JustificationRefused, match="Type the opinion"):
        services.confirm_justification(bakery, proposed, author=cast.dana, now=now, note="  ")
    kept = services.confirm_justification(bakery, proposed, author=cast.dana, now=now, note="Seen")
    assert (kept.dpo_opinion, kept.dpo_opinion_by, kept.dpo_opinion_at) == ("Seen", cast.dana, now)


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


def test_d5_whoever_takes_out_the_second_person_waits_a_day_from_then(
    bakery: Organization, cast: Cast, website: Website, now: datetime
) -> None:
    Membership.objects.filter(user=cast.dana).update(role="viewer")
    proposed = propose(bakery, cast, website, ["BE"], now=now)
    gone_at = later(now, hours=30)
    for membership in Membership.objects.filter(organization=bakery).exclude(user=cast.ana):
        remove_member(bakery, membership.pk, actor=cast.ana, now=gone_at)
    with pytest.raises(JustificationRefused, match="for less than 24 hours"):
        services.confirm_justification(bakery, proposed, author=cast.ana, now=later(gone_at, hours=23), note="counsel")
    done = services.confirm_justification(
        bakery, proposed, author=cast.ana, now=later(gone_at, hours=25), note="counsel"
    )
    assert done.confirmed_by == cast.ana


def take_out_the_officer(bakery: Organization, cast: Cast, how: str, *, now: datetime) -> None:
    officer = Membership.objects.get(organization=bakery, user=cast.dana)
    if how == "another role":
        change_role(bakery, officer.pk, role="viewer", actor=cast.ana, now=now)
    else:
        remove_member(bakery, officer.pk, actor=cast.dana if how == "leaves" else cast.ana, now=now)


@pytest.mark.parametrize("how", ["another role", "is removed", "leaves"])
def test_d5_what_waits_for_the_officer_goes_on_to_do_so_when_the_officer_is_taken_out(
    bakery: Organization, cast: Cast, website: Website, now: datetime, how: str
) -> None:
    Membership.objects.filter(user=cast.max).update(role="owner")
    justification = propose(bakery, cast, website, ["BE"], now=now)
    policy = services.WebsitePolicy(country=str(website.country), declared_country="", tracking="by_consent")
    outcome = services.change_website_policy(bakery, website, policy=policy, author=cast.ana, reason="Spring", now=now)
    take_out_the_officer(bakery, cast, how, now=later(now, hours=1))
    for moment in (later(now, hours=2), later(now, days=30)):
        with pytest.raises(JustificationRefused, match="There was a data protection officer"):
            services.confirm_justification(bakery, justification, author=cast.max, now=moment, note="I agree")
        with pytest.raises(ProposalRefused, match="There was a data protection officer"):
            services.confirm_proposal(bakery, outcome.proposed[0], author=cast.max, now=moment, note="I agree")
    website.refresh_from_db()
    assert website.email_tracking == "never"
    # A new officer says it, and another owner confirms.
    Membership.objects.filter(user=cast.ben).update(role="dpo")
    services.give_justification_opinion(bakery, justification, author=cast.ben, now=later(now, days=31), note="Well")
    services.confirm_justification(bakery, justification, author=cast.max, now=later(now, days=31))
    services.confirm_proposal(bakery, outcome.proposed[0], author=cast.ben, now=later(now, days=31), note="Well")
    website.refresh_from_db()
    assert website.email_tracking == "by_consent"


def test_d5_nor_is_proposing_right_after_the_officer_was_taken_out_a_way_around(
    bakery: Organization, cast: Cast, website: Website, now: datetime
) -> None:
    Membership.objects.filter(user=cast.max).update(role="owner")
    take_out_the_officer(bakery, cast, "another role", now=now)
    proposed = propose(bakery, cast, website, ["BE"], now=later(now, minutes=5))
    with pytest.raises(JustificationRefused, match="There was a data protection officer"):
        services.confirm_justification(bakery, proposed, author=cast.max, now=later(now, hours=24))
    confirmed = services.confirm_justification(bakery, proposed, author=cast.max, now=later(now, hours=24, minutes=1))
    assert confirmed.confirmed_by == cast.max


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
