"""The decision (rules.md: S2-S7, S12-S14, H1)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from consent.rules import (
    BEGINNING,
    EFFECT_AT_HIT,
    NEVER_ANSWERED,
    NO_PERMISSION,
    Basis,
    ChoiceState,
    ChoiceValue,
    Decision,
    Grounds,
    Kind,
    Level,
    Permission,
    Purpose,
    Reason,
    Untracked,
    WebsiteState,
    choice_after_move,
    choice_since,
    decide,
    deciding_country,
    effect_at_hit,
    level_at_hit,
    may_measure,
    permission_since,
    resolve_permission,
    ruling_cell,
)
from websites.rules import EmailTracking

TODAY = date(2026, 11, 22)
T0 = datetime(2026, 11, 1, tzinfo=UTC)
T1, T2, T3 = (T0 + timedelta(days=days) for days in (1, 2, 3))
YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN


def website(tracking: str = "always", country: str = "CH", **more) -> WebsiteState:
    return WebsiteState(tracking=EmailTracking(tracking), country=country, **{"has_notice": True, **more})


def basis_for(site: WebsiteState, person: str, kind: Kind = Kind.OPENS) -> Basis:
    return resolve_permission(site, participant_country=person, kind=kind, on=TODAY)


class TestWhatAWebsitePermits:
    def test_never_track_permits_nothing_even_where_everything_else_would(self):
        assert basis_for(website("never", justified_countries=frozenset({"CH"})), "CH") is Basis.NEVER

    @pytest.mark.parametrize("tracking", ["always", "by_consent"])
    def test_s13_without_a_notice_nobody_is_measured(self, tracking):
        assert basis_for(website(tracking, has_notice=False), "CH") is Basis.NO_NOTICE

    @pytest.mark.parametrize("person", ["CH", "FR", "DE", ""])
    def test_s2_by_consent_asks_everybody_for_a_yes(self, person):
        assert basis_for(website("by_consent", justified_countries=frozenset({"CH", "FR"})), person) is Basis.WITH_YES

    def test_s7_always_track_means_everyone_where_no_country_asks_for_a_yes(self):
        assert basis_for(website(country="CH"), "CH") is Basis.UNLESS_NO

    @pytest.mark.parametrize("person", ["FR", "NC", "IT", "DE", "GB", "JE", "US"])
    def test_s5_the_persons_country_counts_where_it_is_stricter(self, person):
        assert basis_for(website(country="CH"), person) is Basis.WITH_YES_BY_LAW

    def test_s5_the_websites_country_counts_where_it_is_stricter(self):
        assert basis_for(website(country="FR"), "CH") is Basis.WITH_YES_BY_LAW

    def test_s7_a_justification_lifts_only_the_countries_that_it_names(self):
        site = website(country="BE", justified_countries=frozenset({"BE"}))
        assert basis_for(site, "BE") is Basis.UNLESS_NO
        assert basis_for(site, "CH") is Basis.UNLESS_NO
        assert basis_for(site, "FR") is Basis.WITH_YES_BY_LAW
        assert basis_for(site, "NL") is Basis.WITH_YES_BY_LAW

    def test_s7_both_the_websites_and_the_persons_country_must_be_named(self):
        only_person = website(country="BE", justified_countries=frozenset({"FR"}))
        both = website(country="BE", justified_countries=frozenset({"BE", "FR"}))
        assert basis_for(only_person, "FR") is Basis.WITH_YES_BY_LAW
        assert basis_for(both, "FR") is Basis.UNLESS_NO

    def test_s7_naming_france_does_not_name_its_other_twelve_codes(self):
        site = website(country="CH", justified_countries=frozenset({"FR"}))
        assert basis_for(site, "FR") is Basis.UNLESS_NO
        assert basis_for(site, "GP") is Basis.WITH_YES_BY_LAW

    def test_s7_when_the_justification_has_ended_the_website_behaves_as_by_consent(self):
        basis = basis_for(website(country="BE"), "BE")
        begun = permission_since(NO_PERMISSION, Basis.UNLESS_NO, now=T0)
        assert basis is Basis.WITH_YES_BY_LAW
        assert permission_since(begun, basis, now=T1) == permission_since(begun, Basis.WITH_YES, now=T1)

    def test_s5_a_person_without_a_country_counts_as_the_declared_one(self):
        declared = website(country="CH", declared_country="CH")
        assert basis_for(declared, "") is Basis.UNLESS_NO
        assert basis_for(declared, "FR") is Basis.WITH_YES_BY_LAW
        assert deciding_country(declared, "") == "CH"
        assert deciding_country(declared, "fr") == "FR"

    def test_s5_a_person_without_any_country_takes_the_strict_default(self):
        assert basis_for(website(country="CH"), "") is Basis.WITH_YES_BY_LAW
        assert deciding_country(website(), " ") == "ZZ"

    @pytest.mark.parametrize("named", ["ZZ", ""])
    def test_s7_no_justification_can_name_an_unknown_country(self, named):
        site = website(country="CH", justified_countries=frozenset({"CH", named}))
        assert basis_for(site, "") is Basis.WITH_YES_BY_LAW
        assert basis_for(website(country="", justified_countries=frozenset({"CH", named})), "CH") is (
            Basis.WITH_YES_BY_LAW
        )

    def test_s12_the_cell_that_rules_can_be_cited(self):
        cited = ruling_cell(website(country="CH"), participant_country="MQ", kind=Kind.CLICKS, on=TODAY)
        assert cited is not None
        assert (cited.column, cited.key) == ("FR", "individual_clicks")
        site = website(country="FR", justified_countries=frozenset({"FR"}))
        assert ruling_cell(site, participant_country="FR", kind=Kind.OPENS, on=TODAY) is None

    def test_every_combination_is_as_the_rules_say_in_words(self):
        countries = ["CH", "FR", "GP", "IT", "GB", "BE", "US", ""]
        named = [frozenset(), *(frozenset({c}) for c in countries if c), frozenset({"CH", "FR", "BE"})]
        combinations = product(EmailTracking, [True, False], countries, countries, ["", "CH", "FR"], named, Kind)
        for tracking, has_notice, site_country, person, declared, justified, kind in combinations:
            site = website(
                tracking, site_country, has_notice=has_notice, declared_country=declared, justified_countries=justified
            )
            asking = {site_country, person or declared} - {"CH"} - justified
            if tracking == "never":
                expected = Basis.NEVER
            elif not has_notice:
                expected = Basis.NO_NOTICE
            elif tracking == "by_consent":
                expected = Basis.WITH_YES
            else:
                expected = Basis.WITH_YES_BY_LAW if asking else Basis.UNLESS_NO
            assert basis_for(site, person, kind) is expected, (site, person)


class TestPermissions:
    @pytest.mark.parametrize("basis", [Basis.WITH_YES, Basis.WITH_YES_BY_LAW])
    def test_h1_a_permission_with_a_yes_begins_now(self, basis):
        assert permission_since(NO_PERMISSION, basis, now=T1) == Permission(T1, None)

    def test_h1_who_may_be_measured_unless_no_may_be_measured_with_a_yes(self):
        assert permission_since(NO_PERMISSION, Basis.UNLESS_NO, now=T1) == Permission(T1, T1)

    @pytest.mark.parametrize("basis", [Basis.WITH_YES, Basis.WITH_YES_BY_LAW])
    def test_h1_from_always_to_by_consent_the_yes_goes_on_and_silence_ends(self, basis):
        assert permission_since(Permission(T0, T0), basis, now=T1) == Permission(T0, None)

    @pytest.mark.parametrize("basis", [Basis.NEVER, Basis.NO_NOTICE])
    def test_h1_never_track_and_a_missing_notice_end_everything(self, basis):
        assert permission_since(Permission(T0, T0), basis, now=T1) == NO_PERMISSION

    @pytest.mark.parametrize("basis", Basis)
    def test_h1_what_does_not_change_keeps_its_moment(self, basis):
        begun = permission_since(NO_PERMISSION, basis, now=T0)
        assert permission_since(begun, basis, now=T1) == begun

    def test_h1_loosening_again_begins_anew(self):
        tightened = permission_since(Permission(T0, T0), Basis.WITH_YES, now=T1)
        assert permission_since(tightened, Basis.UNLESS_NO, now=T2) == Permission(T0, T2)
        off = permission_since(tightened, Basis.NEVER, now=T2)
        assert permission_since(off, Basis.WITH_YES, now=T3) == Permission(T3, None)


class TestChoices:
    def test_s2_a_person_who_never_answered_has_no_yes_and_no_no(self):
        assert ChoiceState(UNKNOWN, None, BEGINNING) == NEVER_ANSWERED

    def test_h1_a_yes_counts_from_its_recording(self):
        assert choice_since(NEVER_ANSWERED, YES, now=T1) == ChoiceState(YES, T1, BEGINNING)

    def test_a_second_yes_keeps_the_moment_of_the_first(self):
        said_yes = choice_since(NEVER_ANSWERED, YES, now=T1)
        assert choice_since(said_yes, YES, now=T2) == said_yes

    def test_s4_a_no_ends_both(self):
        said_yes = choice_since(NEVER_ANSWERED, YES, now=T1)
        assert choice_since(said_yes, NO, now=T2) == ChoiceState(NO, None, None)

    def test_h1_a_yes_after_a_no_begins_both_anew(self):
        said_no = choice_since(NEVER_ANSWERED, NO, now=T1)
        assert choice_since(said_no, YES, now=T2) == ChoiceState(YES, T2, T2)

    @pytest.mark.parametrize("value", ChoiceValue)
    def test_c2_an_untouched_box_changes_nothing(self, value):
        before = choice_since(NEVER_ANSWERED, value, now=T1)
        assert choice_since(before, UNKNOWN, now=T2) == before

    def test_h1_after_a_move_silence_begins_anew_and_a_yes_goes_on(self):
        assert choice_after_move(NEVER_ANSWERED, now=T1) == ChoiceState(UNKNOWN, None, T1)
        said_yes = choice_since(NEVER_ANSWERED, YES, now=T0)
        assert choice_after_move(said_yes, now=T1) == ChoiceState(YES, T0, T1)
        said_no = choice_since(NEVER_ANSWERED, NO, now=T0)
        assert choice_after_move(said_no, now=T1) == said_no


class TestMayMeasure:
    MOMENTS = (None, T0, T1, T2)

    def test_h1_a_path_counts_only_if_both_its_sides_held_when_the_copy_was_decided(self):
        for with_yes, unless_no, yes, not_no in product(self.MOMENTS, repeat=4):
            by_yes = with_yes in (T0, T1) and yes in (T0, T1)
            by_silence = unless_no in (T0, T1) and not_no in (T0, T1)
            measured = may_measure(Permission(with_yes, unless_no), ChoiceState(UNKNOWN, yes, not_no), decided_at=T1)
            assert measured is (by_yes or by_silence)


# What is done for one kind, for each thing that a website may permit and each thing that a person may have said.
OUTCOMES = {
    (Basis.NEVER, YES): (Level.NONE, Reason.WEBSITE_NEVER_TRACKS),
    (Basis.NEVER, NO): (Level.NONE, Reason.WEBSITE_NEVER_TRACKS),
    (Basis.NEVER, UNKNOWN): (Level.NONE, Reason.WEBSITE_NEVER_TRACKS),
    (Basis.NO_NOTICE, YES): (Level.NONE, Reason.NO_NOTICE),
    (Basis.NO_NOTICE, NO): (Level.NONE, Reason.NO_NOTICE),
    (Basis.NO_NOTICE, UNKNOWN): (Level.NONE, Reason.NO_NOTICE),
    (Basis.WITH_YES, YES): (Level.INDIVIDUAL, Reason.PERSON_SAID_YES),
    (Basis.WITH_YES, NO): (Level.NONE, Reason.PERSON_SAID_NO),
    (Basis.WITH_YES, UNKNOWN): (Level.NONE, Reason.NO_ANSWER),
    (Basis.WITH_YES_BY_LAW, YES): (Level.INDIVIDUAL, Reason.PERSON_SAID_YES),
    (Basis.WITH_YES_BY_LAW, NO): (Level.NONE, Reason.PERSON_SAID_NO),
    (Basis.WITH_YES_BY_LAW, UNKNOWN): (Level.NONE, Reason.COUNTRY_ASKS_FOR_YES),
    (Basis.UNLESS_NO, YES): (Level.INDIVIDUAL, Reason.PERSON_SAID_YES),
    (Basis.UNLESS_NO, NO): (Level.NONE, Reason.PERSON_SAID_NO),
    (Basis.UNLESS_NO, UNKNOWN): (Level.INDIVIDUAL, Reason.PERSON_DID_NOT_REFUSE),
}
CASES = sorted(OUTCOMES)


def grounds(basis: Basis, value: ChoiceValue) -> Grounds:
    return Grounds(
        basis,
        permission_since(NO_PERMISSION, basis, now=T0),
        choice_since(NEVER_ANSWERED, value, now=T0),
    )


class TestDecision:
    def test_every_combination_of_settings_and_choices_has_its_level_and_reason(self):
        assert len(OUTCOMES) == len(Basis) * len((YES, NO, UNKNOWN))
        for opens, clicks, purpose in product(CASES, CASES, Purpose):
            decision = decide(grounds(*opens), grounds(*clicks), purpose=purpose, now=T1)
            # S3: each kind is decided as if the other did not exist. S6: no purpose loosens anything.
            assert (decision.opens, decision.opens_reason) == OUTCOMES[opens]
            assert (decision.clicks, decision.clicks_reason) == OUTCOMES[clicks]

    def test_s3_a_yes_to_opens_is_none_to_clicks(self):
        decision = decide(grounds(Basis.WITH_YES, YES), grounds(Basis.WITH_YES, NO), purpose=Purpose.MARKETING, now=T1)
        assert decision == Decision(Level.INDIVIDUAL, Level.NONE, Reason.PERSON_SAID_YES, Reason.PERSON_SAID_NO)

    def test_s14_test_sends_previews_and_the_web_version_are_never_measured(self):
        for opens, clicks, purpose, untracked in product(CASES, CASES, Purpose, Untracked):
            decision = decide(grounds(*opens), grounds(*clicks), purpose=purpose, now=T1, untracked=untracked)
            assert decision == Decision(Level.NONE, Level.NONE, Reason(untracked), Reason(untracked))

    def test_s6_an_unknown_purpose_is_refused_and_not_guessed(self):
        always = grounds(Basis.UNLESS_NO, YES)
        with pytest.raises(ValueError, match="gossip"):
            decide(always, always, purpose="gossip", now=T1)

    def test_what_was_decided_as_measured_is_measured_at_the_next_hit(self):
        for case in CASES:
            facts = grounds(*case)
            level, _ = OUTCOMES[case]
            assert level_at_hit(level, facts.permission, facts.choice, decided_at=T1) is level

    @pytest.mark.parametrize("value", [YES, UNKNOWN])
    def test_h1_a_permission_that_begins_after_the_decision_does_not_count(self, value):
        later = Grounds(
            Basis.UNLESS_NO,
            permission_since(NO_PERMISSION, Basis.UNLESS_NO, now=T2),
            choice_since(NEVER_ANSWERED, value, now=T0),
        )
        decision = decide(later, grounds(Basis.UNLESS_NO, YES), purpose=Purpose.MARKETING, now=T1)
        assert (decision.opens, decision.opens_reason) == (Level.NONE, Reason.PERMISSION_BEGAN_LATER)
        assert decision.clicks is Level.INDIVIDUAL

    def test_words_from_the_database_decide_as_the_names_do(self):
        site = WebsiteState(tracking="never", country="CH", has_notice=True)
        assert basis_for(site, "CH") is Basis.NEVER
        as_words = Grounds("unless_no", Permission(T0, T0), ChoiceState("no", None, None))
        decision = decide(as_words, as_words, purpose="marketing", now=T1)
        assert decision.opens_reason is Reason.PERSON_SAID_NO

    def test_s4_a_no_wins_over_moments_that_say_otherwise(self):
        contradictory = Grounds(Basis.UNLESS_NO, Permission(T0, T0), ChoiceState(NO, T0, T0))
        decision = decide(contradictory, contradictory, purpose=Purpose.MARKETING, now=T1)
        assert decision.opens is decision.clicks is Level.NONE


class TestAtTheHit:
    def test_h1_every_pair_of_levels_has_its_effect(self):
        assert set(EFFECT_AT_HIT) == set(product(Level, Level))

    def test_h1_only_a_copy_frozen_as_measured_and_still_permitted_leaves_a_hit(self):
        left = {pair for pair in product(Level, Level) if effect_at_hit(*pair) is not Level.NONE}
        assert left == {(Level.INDIVIDUAL, Level.INDIVIDUAL)}

    def test_h1_a_copy_frozen_as_not_measured_stays_so_when_everything_is_permitted(self):
        assert level_at_hit(Level.NONE, Permission(T0, T0), ChoiceState(YES, T0, T0), decided_at=T1) is Level.NONE

    def test_h1_never_track_reaches_mail_already_delivered(self):
        permission = permission_since(Permission(T0, T0), Basis.NEVER, now=T2)
        assert level_at_hit(Level.INDIVIDUAL, permission, ChoiceState(YES, T0, T0), decided_at=T1) is Level.NONE

    def test_h1_a_no_reaches_mail_already_delivered(self):
        said_no = choice_since(ChoiceState(YES, T0, T0), NO, now=T2)
        assert level_at_hit(Level.INDIVIDUAL, Permission(T0, T0), said_no, decided_at=T1) is Level.NONE
