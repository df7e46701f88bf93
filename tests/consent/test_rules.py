"""What a website permits, and what a person chose (rules.md: S2, S5-S9, S12, S13, H1, C2, C10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from consent.rules import (
    BEGINNING,
    NEVER_ANSWERED,
    NO_PERMISSION,
    REFUSED,
    Basis,
    ChoiceState,
    ChoiceValue,
    Informed,
    InformedGround,
    Justified,
    Kind,
    Limits,
    Measurement,
    Permission,
    Permit,
    Resolved,
    WebsiteState,
    choice_after_move,
    choice_since,
    choice_when_informed,
    days_of_change,
    deciding_country,
    permission_since,
    resolve_permission,
    ruling_cell,
)
from tests.support.words import in_words
from websites.rules import EmailTracking, RuleKey

TODAY = date(2026, 11, 22)
ENDS = date(2026, 12, 31)
T0 = datetime(2026, 11, 1, tzinfo=UTC)
T1, T2, T3 = (T0 + timedelta(days=days) for days in (1, 2, 3))
YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN
EVERYTHING = frozenset(Measurement)
BOTH_KINDS = frozenset({RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS})


def justified(*countries: str, keys: frozenset[str] = BOTH_KINDS, ends_on: date = ENDS) -> Justified:
    return Justified(rule_keys=keys, countries=frozenset(countries), confirmed_at=T0, ends_on=ends_on)


def website(tracking: str = "always", country: str = "CH", *justifications: Justified, **more) -> WebsiteState:
    fields = {"notice_covers": EVERYTHING, **more}
    return WebsiteState(tracking=EmailTracking(tracking), country=country, justifications=justifications, **fields)


def resolved(site: WebsiteState, person: str, kind: Kind = Kind.OPENS, on: date = TODAY) -> Resolved:
    return resolve_permission(site, participant_country=person, kind=kind, on=on)


def basis_for(site: WebsiteState, person: str, kind: Kind = Kind.OPENS) -> Basis:
    return resolved(site, person, kind).basis


class TestWhatAWebsitePermits:
    def test_never_track_permits_nothing_even_where_everything_else_would(self):
        site = website("never", "CH", justified("CH", keys=frozenset(RuleKey)), opens_fallback="anonymous")
        assert resolved(site, "CH") == Resolved(Basis.NEVER)

    def test_h1_a_stop_permits_nothing_whatever_the_setting(self):
        for tracking in EmailTracking:
            assert resolved(website(tracking, stopped=True), "CH") == Resolved(Basis.STOPPED)

    @pytest.mark.parametrize("tracking", ["always", "by_consent"])
    def test_s13_each_kind_needs_a_notice_that_tells_of_it(self, tracking):
        site = website(tracking, notice_covers=frozenset({"clicks", "anonymous"}), opens_fallback="anonymous")
        assert resolved(site, "CH") == Resolved(Basis.NO_NOTICE)
        assert basis_for(site, "CH", Kind.CLICKS) is not Basis.NO_NOTICE

    @pytest.mark.parametrize("person", ["CH", "FR", "DE", ""])
    def test_s2_by_consent_asks_everybody_for_a_yes(self, person):
        assert basis_for(website("by_consent", "CH", justified("CH", "FR")), person) is Basis.WITH_YES

    def test_s7_always_track_means_everyone_where_no_country_asks_for_a_yes(self):
        assert basis_for(website(country="CH"), "CH") is Basis.UNLESS_NO

    @pytest.mark.parametrize("person", ["FR", "NC", "IT", "DE", "GB", "JE", "US"])
    def test_s5_the_persons_country_counts_where_it_is_stricter(self, person):
        assert basis_for(website(country="CH"), person) is Basis.WITH_YES_BY_LAW

    def test_s5_the_websites_country_counts_where_it_is_stricter(self):
        assert basis_for(website(country="FR"), "CH") is Basis.WITH_YES_BY_LAW

    def test_s7_a_justification_lifts_only_the_countries_that_it_names(self):
        site = website("always", "BE", justified("BE"))
        assert basis_for(site, "BE") is Basis.UNLESS_NO
        assert basis_for(site, "CH") is Basis.UNLESS_NO
        assert basis_for(site, "FR") is Basis.WITH_YES_BY_LAW
        assert basis_for(site, "NL") is Basis.WITH_YES_BY_LAW

    def test_s7_a_justification_lifts_only_the_rows_that_it_names(self):
        site = website("always", "BE", justified("BE", keys=frozenset({RuleKey.INDIVIDUAL_CLICKS})))
        assert basis_for(site, "BE", Kind.CLICKS) is Basis.UNLESS_NO
        assert basis_for(site, "BE", Kind.OPENS) is Basis.WITH_YES_BY_LAW

    def test_s7_both_the_websites_and_the_persons_country_must_be_named(self):
        assert basis_for(website("always", "BE", justified("FR")), "FR") is Basis.WITH_YES_BY_LAW
        assert basis_for(website("always", "BE", justified("BE"), justified("FR")), "FR") is Basis.UNLESS_NO

    def test_s7_naming_france_does_not_name_its_other_twelve_codes(self):
        site = website("always", "CH", justified("FR"))
        assert basis_for(site, "FR") is Basis.UNLESS_NO
        assert basis_for(site, "GP") is Basis.WITH_YES_BY_LAW

    def test_s7_the_last_day_of_a_justification_counts_and_the_next_does_not(self):
        site = website("always", "BE", justified("BE"))
        assert resolved(site, "BE", on=ENDS).basis is Basis.UNLESS_NO
        ended = resolved(site, "BE", on=ENDS + timedelta(days=1))
        assert ended.basis is Basis.WITH_YES_BY_LAW
        assert ended.permits == resolved(website("by_consent", "BE"), "BE").permits

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
        assert basis_for(website("always", "CH", justified("CH", named)), "") is Basis.WITH_YES_BY_LAW
        assert basis_for(website("always", "", justified("CH", named)), "CH") is Basis.WITH_YES_BY_LAW

    def test_s12_the_cell_that_rules_can_be_cited(self):
        key = RuleKey.INDIVIDUAL_CLICKS
        cited = ruling_cell(website(country="CH"), participant_country="MQ", key=key, on=TODAY)
        assert cited is not None
        assert (cited.column, cited.key) == ("FR", "individual_clicks")
        site = website("always", "FR", justified("FR"))
        assert ruling_cell(site, participant_country="FR", key=key, on=TODAY) is None

    def test_s6_no_setting_exempts_what_the_table_does_not(self):
        permits = resolved(website("always", "IT"), "FR").permits
        assert Permit.AUTHENTICATION in permits
        assert Permit.LEGAL_NOTICE not in permits

    def test_s8_the_last_open_day_is_about_opens_only(self):
        site = website("by_consent", "FR", opens_fallback="last_open_day", clicks_fallback="last_open_day")
        assert Permit.LAST_OPEN_DAY in resolved(site, "FR").permits
        assert Permit.LAST_OPEN_DAY not in resolved(site, "FR", Kind.CLICKS).permits

    def test_s9_anonymous_totals_in_france_take_a_justification_that_names_them(self):
        fallback = {"opens_fallback": "anonymous"}
        totals = frozenset({RuleKey.ANONYMOUS_OPENS})
        assert Permit.ANONYMOUS not in resolved(website("by_consent", "FR", **fallback), "FR").permits
        assert Permit.ANONYMOUS not in resolved(website("by_consent", "FR", justified("FR"), **fallback), "FR").permits
        site = website("by_consent", "FR", justified("FR", keys=totals), **fallback)
        assert Permit.ANONYMOUS in resolved(site, "FR").permits

    def test_c10_the_strictest_dates_of_the_two_countries_count(self):
        both = resolved(website("by_consent", "IT"), "FR")
        assert both.limits == (date(2026, 4, 14), date(2026, 7, 14))
        assert resolved(website("by_consent", "IT"), "IT").limits == (date(2026, 4, 29), None)
        assert resolved(website("by_consent", "CH"), "CH").limits == (None, None)
        assert Permit.IF_INFORMED not in resolved(website("by_consent", "IT"), "GB").permits


PERSONS = ("CH", "FR", "IT", "GB", "BE", "")
JUSTIFICATIONS = (
    (),
    (justified("FR", keys=frozenset(RuleKey)),),
    (justified("BE", "FR", keys=frozenset({RuleKey.ANONYMOUS_OPENS, RuleKey.INDIVIDUAL_CLICKS})),),
    (justified("IT", "GB"), justified("BE", keys=frozenset({RuleKey.LAST_OPEN_DAY, RuleKey.PROFESSIONALS_OPT_OUT}))),
    (justified("FR", "BE", keys=frozenset(RuleKey), ends_on=TODAY - timedelta(days=1)),),
)
NOTICES = [
    frozenset(covered)
    for covered in (
        set(),
        {"opens"},
        {"clicks", "anonymous", "last_open_day"},
        {"opens", "clicks"},
        {"opens", "clicks", "anonymous"},
        {"opens", "last_open_day"},
        set(Measurement),
    )
]


def test_every_combination_of_settings_is_as_the_rules_say_in_words():
    settings = [("always", True), *((tracking, False) for tracking in EmailTracking)]
    fallbacks = [("none", "none"), ("anonymous", "anonymous"), ("last_open_day", "none"), ("none", "anonymous")]
    cells = 0
    for (tracking, stopped), notice, country, declared, professionals, left, justifications in product(
        settings, NOTICES, PERSONS, ["", "CH"], [False, True], fallbacks, JUSTIFICATIONS
    ):
        site = website(
            tracking,
            country,
            *justifications,
            stopped=stopped,
            notice_covers=notice,
            declared_country=declared,
            for_professionals=professionals,
            opens_fallback=left[0],
            clicks_fallback=left[1],
        )
        for person, kind in product(PERSONS, Kind):
            found = resolved(site, person, kind)
            assert (found.basis, found.permits) == in_words(site, person, kind, on=TODAY), (site, person, kind)
            cells += 1
    assert cells == 4 * 7 * 6 * 2 * 2 * 4 * 5 * 6 * 2


class TestPermissions:
    def test_h1_what_is_permitted_begins_now(self):
        assert permission_since(NO_PERMISSION, [Permit.WITH_YES], now=T1) == Permission(with_yes_since=T1)

    @pytest.mark.parametrize("permit", Permit)
    def test_h1_every_permit_has_a_moment_of_its_own(self, permit):
        begun = permission_since(NO_PERMISSION, [permit], now=T0)
        assert begun.since(permit, now=T3) == T0
        assert [begun.since(other, now=T3) for other in Permit if other != permit] == [None] * 7
        assert permission_since(begun, Permit, now=T1).since(permit, now=T3) == T0
        ended = permission_since(begun, [], now=T1)
        assert ended == NO_PERMISSION
        assert permission_since(ended, [permit], now=T2).since(permit, now=T3) == T2

    def test_h1_other_dates_let_if_informed_begin_anew(self):
        first = Limits(collected_before=T0, informed_before=T1)
        begun = permission_since(NO_PERMISSION, [Permit.WITH_YES, Permit.IF_INFORMED], now=T0, limits=first)
        same = permission_since(begun, [Permit.WITH_YES, Permit.IF_INFORMED], now=T2, limits=first)
        assert same == begun
        other = Limits(collected_before=T0, informed_before=T2)
        after = permission_since(begun, [Permit.WITH_YES, Permit.IF_INFORMED], now=T2, limits=other)
        assert (after.with_yes_since, after.if_informed_since) == (T0, T2)

    def test_s7_from_its_end_on_nothing_but_a_yes_counts_until_it_is_resolved_anew(self):
        every = permission_since(NO_PERMISSION, Permit, now=T0, limits=Limits(until=T2))
        before = T2 - timedelta(microseconds=1)
        assert all(every.since(permit, now=before) == T0 for permit in Permit)
        assert [permit for permit in Permit if every.since(permit, now=T2)] == [Permit.WITH_YES]

    def test_time_alone_changes_something_when_a_justification_has_ended(self):
        site = website("always", "BE", justified("BE", ends_on=TODAY), justified("BE", ends_on=ENDS))
        assert days_of_change(site, after=TODAY) == [TODAY + timedelta(days=1), ENDS + timedelta(days=1)]
        assert days_of_change(site, after=ENDS + timedelta(days=1)) == []

    def test_a_cell_that_begins_is_a_day_of_change(self):
        assert date(2026, 10, 29) in days_of_change(website(), after=date(2026, 10, 28))


EXISTING = Informed(InformedGround.EXISTING, T0, T0)


class TestChoices:
    def test_s2_a_person_who_never_answered_has_no_yes_and_no_no(self):
        assert ChoiceState(UNKNOWN, None, BEGINNING) == NEVER_ANSWERED

    def test_h1_a_yes_counts_from_its_recording(self):
        assert choice_since(NEVER_ANSWERED, YES, now=T1) == ChoiceState(YES, T1, BEGINNING)

    def test_a_second_yes_keeps_the_moment_of_the_first(self):
        said_yes = choice_since(NEVER_ANSWERED, YES, now=T1)
        assert choice_since(said_yes, YES, now=T2) == said_yes

    def test_s4_a_no_ends_everything(self):
        informed = choice_when_informed(NEVER_ANSWERED, EXISTING, now=T0)
        assert choice_since(choice_since(informed, YES, now=T1), NO, now=T2) == REFUSED
        assert ChoiceState(NO, None, None, None, None) == REFUSED

    def test_h1_a_yes_after_a_no_begins_both_anew(self):
        assert choice_since(REFUSED, YES, now=T2) == ChoiceState(YES, T2, T2)

    @pytest.mark.parametrize("value", [UNKNOWN, ChoiceValue.INFORMED])
    def test_c2_an_untouched_box_changes_nothing(self, value):
        for before in (NEVER_ANSWERED, REFUSED, choice_since(NEVER_ANSWERED, YES, now=T1)):
            assert choice_since(before, value, now=T2) == before

    def test_c10_who_was_informed_is_informed_from_its_recording_and_never_a_yes(self):
        informed = choice_when_informed(NEVER_ANSWERED, EXISTING, now=T1)
        assert informed == ChoiceState(ChoiceValue.INFORMED, None, BEGINNING, T1, EXISTING)
        assert choice_when_informed(informed, EXISTING, now=T2) == informed
        earlier = Informed(InformedGround.EXISTING, BEGINNING, T0)
        assert choice_when_informed(informed, earlier, now=T2).informed_since == T2

    def test_c10_an_answer_of_the_person_goes_first(self):
        said_yes = choice_since(NEVER_ANSWERED, YES, now=T0)
        for answered in (said_yes, REFUSED):
            assert choice_when_informed(answered, EXISTING, now=T1) == answered

    def test_h1_after_a_move_silence_begins_anew_and_a_yes_goes_on(self):
        assert choice_after_move(NEVER_ANSWERED, now=T1) == ChoiceState(UNKNOWN, None, T1)
        said_yes = choice_since(NEVER_ANSWERED, YES, now=T0)
        assert choice_after_move(said_yes, now=T1) == ChoiceState(YES, T0, T1)
        assert choice_after_move(REFUSED, now=T1) == REFUSED
        informed = choice_when_informed(NEVER_ANSWERED, EXISTING, now=T0)
        assert choice_after_move(informed, now=T2).informed_since == T2
