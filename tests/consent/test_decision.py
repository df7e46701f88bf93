"""The decision at send and at the hit, over every combination (rules.md: S2-S4, S6, S8, S9, S12-S14, H1, C10)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations, product

import pytest

from consent.rules import (
    EFFECT_AT_HIT,
    EXEMPT_REASONS,
    LEVELS,
    NEVER_ANSWERED,
    NO_PERMISSION,
    REFUSED,
    Basis,
    ChoiceState,
    ChoiceValue,
    Decision,
    Grounds,
    Informed,
    InformedGround,
    Kind,
    Level,
    Limits,
    Mail,
    Permission,
    Permit,
    Purpose,
    Reason,
    SentCopy,
    Untracked,
    choice_since,
    choice_when_informed,
    counts_anonymously,
    decide,
    effect_at_hit,
    level_at_hit,
    may_measure,
    permission_since,
)

T0 = datetime(2026, 11, 1, tzinfo=UTC)
T1, T2, T3 = (T0 + timedelta(days=days) for days in (1, 2, 3))
YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN
NEWS = Mail(purpose=Purpose.MARKETING)

LIMITS = Limits(collected_before=T0, informed_before=T0)
IN_TIME = Informed(InformedGround.EXISTING, T0 - timedelta(days=2), T0 - timedelta(days=1))
TOO_LATE = Informed(InformedGround.EXISTING, T0 - timedelta(days=2), T0)
PROFESSIONAL = Informed(InformedGround.PROFESSIONAL)
PEOPLE = {
    "yes": choice_since(NEVER_ANSWERED, YES, now=T0),
    "no": REFUSED,
    "unknown": NEVER_ANSWERED,
    "informed": choice_when_informed(NEVER_ANSWERED, IN_TIME, now=T0),
    "too_late": choice_when_informed(NEVER_ANSWERED, TOO_LATE, now=T0),
    "professional": choice_when_informed(NEVER_ANSWERED, PROFESSIONAL, now=T0),
}
MAILS = [
    Mail(purpose=purpose, exempt_approved=approved, subscribed=subscribed)
    for (purpose, approved), subscribed in product(
        [
            (Purpose.MARKETING, True),
            (Purpose.TRANSACTIONAL, True),
            (Purpose.AUTHENTICATION, False),
            (Purpose.AUTHENTICATION, True),
            (Purpose.LEGAL_NOTICE, True),
        ],
        [False, True],
    )
]
FORBIDDEN = {
    Basis.NEVER: Reason.WEBSITE_NEVER_TRACKS,
    Basis.STOPPED: Reason.MEASURING_STOPPED,
    Basis.NO_NOTICE: Reason.NO_NOTICE,
}
SETS = [frozenset(one) for one in chain.from_iterable(combinations(Permit, size) for size in range(len(Permit) + 1))]


def held(permits: frozenset[Permit]) -> Permission:
    return permission_since(NO_PERMISSION, permits, now=T0, limits=LIMITS)


def exempt_by(mail: Mail, permits: frozenset[Permit], who: str) -> bool:
    return mail.exempt_approved and mail.purpose in permits and who != "no"


def in_words(kind: Kind, basis: Basis, permits: frozenset[Permit], who: str, objects: bool, mail: Mail) -> tuple:
    """What is done for one kind of one copy, told once more without the code."""
    if basis in FORBIDDEN:
        return Level.NONE, FORBIDDEN[basis]
    if exempt_by(mail, permits, who):
        return Level.INDIVIDUAL, Reason(f"exempt_{mail.purpose}")
    if individually := individually_in_words(permits, who):
        return Level.INDIVIDUAL, individually
    if kind == "opens" and who != "no" and mail.subscribed and "last_open_day" in permits:
        return Level.LAST_OPEN_DAY, Reason.LAST_OPEN_DAY_ONLY
    if "anonymous" in permits:
        if objects:
            return Level.NONE, Reason.OBJECTED_TO_TOTALS
        return Level.ANONYMOUS, Reason.COUNTED_AFTER_NO if who == "no" else Reason.COUNTED_WITHOUT_YES
    return Level.NONE, why_not(basis, permits, who)


def individually_in_words(permits: frozenset[Permit], who: str) -> Reason | None:
    if who == "no":
        return None
    if who == "yes" and permits & {"with_yes", "unless_no"}:
        return Reason.PERSON_SAID_YES
    if "unless_no" in permits:
        return Reason.PERSON_DID_NOT_REFUSE
    if who == "informed" and "if_informed" in permits:
        return Reason.INFORMED_IN_TIME
    return Reason.PROFESSIONAL_DID_NOT_OBJECT if who == "professional" and "professionals" in permits else None


def why_not(basis: Basis, permits: frozenset[Permit], who: str) -> Reason:
    if who == "no":
        return Reason.PERSON_SAID_NO
    if who == "yes" or basis == Basis.UNLESS_NO:
        return Reason.PERMISSION_BEGAN_LATER
    if who in ("informed", "too_late"):
        return Reason.INFORMED_TOO_LATE if "if_informed" in permits else Reason.INFORMED_NOT_ENOUGH
    if who == "professional":
        return Reason.TICKED_BOX_NOT_ENOUGH
    return Reason.NO_ANSWER if basis == Basis.WITH_YES else Reason.COUNTRY_ASKS_FOR_YES


def test_s12_every_combination_has_its_level_and_reason():
    """Every basis, with every set of permits, for every person and every mail; opens and clicks apart (S3)."""
    cells: Counter[Level] = Counter()
    reasons = set()
    nothing = Grounds(Basis.NEVER, NO_PERMISSION, NEVER_ANSWERED)
    for basis, permits, (who, choice), objects in product(Basis, SETS, PEOPLE.items(), [False, True]):
        grounds = Grounds(basis, held(permits), choice, objects)
        for mail in MAILS:
            expected = {kind: in_words(kind, basis, permits, who, objects, mail) for kind in Kind}
            for opens, clicks in ((grounds, nothing), (nothing, grounds)):
                decision = decide(opens, clicks, mail, now=T1)
                kind = Kind.OPENS if opens is grounds else Kind.CLICKS
                found = {
                    Kind.OPENS: (decision.opens, decision.opens_reason),
                    Kind.CLICKS: (decision.clicks, decision.clicks_reason),
                }
                assert found.pop(kind) == expected[kind], (basis, permits, who, objects, mail)
                assert list(found.values()) == [(Level.NONE, Reason.WEBSITE_NEVER_TRACKS)]
                assert (decision.exempt is None) is (expected[kind][1] not in EXEMPT_REASONS)
                cells[expected[kind][0]] += 1
                reasons.add(expected[kind][1])
    assert cells.total() == len(Basis) * 256 * len(PEOPLE) * 2 * len(MAILS) * 2
    assert set(cells) == set(Level)
    # Of the others the email is the reason, whoever gets it: delivery decides them for a whole mailing.
    assert reasons == set(Reason) - {Reason(untracked) for untracked in Untracked} - {Reason.VERSION_OF_A_TEST}


def test_what_was_decided_as_measured_is_measured_at_the_next_hit():
    for basis, permits, choice, mail in product(Basis, SETS, PEOPLE.values(), MAILS):
        if basis in FORBIDDEN and permits:
            continue  # resolved, such a row permits nothing
        grounds = Grounds(basis, held(permits), choice)
        decision = decide(grounds, grounds, mail, now=T1)
        for kind, level in ((Kind.OPENS, decision.opens), (Kind.CLICKS, decision.clicks)):
            copy = SentCopy(kind=kind, frozen=level, decided_at=T1, exempt=decision.exempt, subscribed=mail.subscribed)
            if level == Level.ANONYMOUS:
                assert counts_anonymously([grounds.permission], decided_at=T1, now=T2)
            else:
                assert level_at_hit(copy, grounds.permission, choice, now=T2) is level


class TestAtSend:
    def always(self, choice: ChoiceState = NEVER_ANSWERED) -> Grounds:
        return Grounds(Basis.UNLESS_NO, held(frozenset({Permit.WITH_YES, Permit.UNLESS_NO})), choice)

    def by_consent(self, choice: ChoiceState = NEVER_ANSWERED) -> Grounds:
        return Grounds(Basis.WITH_YES, held(frozenset({Permit.WITH_YES})), choice)

    def test_s2_no_answer_is_not_a_yes(self):
        assert decide(self.by_consent(), self.by_consent(), NEWS, now=T1).opens is Level.NONE

    def test_s3_a_yes_to_opens_is_none_to_clicks(self):
        decision = decide(self.by_consent(PEOPLE["yes"]), self.by_consent(REFUSED), NEWS, now=T1)
        assert decision == Decision(Level.INDIVIDUAL, Level.NONE, Reason.PERSON_SAID_YES, Reason.PERSON_SAID_NO)

    def test_s4_a_no_wins_over_moments_that_say_otherwise(self):
        contradictory = Grounds(Basis.UNLESS_NO, held(frozenset(Permit)), ChoiceState(NO, T0, T0))
        for mail in MAILS:
            decision = decide(contradictory, contradictory, mail, now=T1)
            assert decision.opens is decision.clicks is Level.ANONYMOUS

    def test_s6_an_unknown_purpose_is_refused_and_not_guessed(self):
        with pytest.raises(ValueError, match="gossip"):
            decide(self.always(), self.always(), Mail(purpose="gossip"), now=T1)

    def test_s6_a_copy_is_measured_for_its_exempt_purpose_or_for_reports_and_never_for_both(self):
        exempt = Grounds(Basis.WITH_YES, held(frozenset({Permit.AUTHENTICATION})), NEVER_ANSWERED)
        mail = Mail(purpose=Purpose.AUTHENTICATION, exempt_approved=True)
        decision = decide(exempt, self.by_consent(PEOPLE["yes"]), mail, now=T1)
        assert (decision.exempt, decision.opens) == (Purpose.AUTHENTICATION, Level.INDIVIDUAL)
        assert decision.clicks is Level.NONE

    def test_s14_test_sends_previews_and_the_web_version_are_never_measured(self):
        grounds = Grounds(Basis.UNLESS_NO, held(frozenset(Permit)), PEOPLE["yes"])
        for untracked, purpose in product(Untracked, Purpose):
            mail = Mail(purpose=purpose, exempt_approved=True, subscribed=True, untracked=untracked)
            decision = decide(grounds, grounds, mail, now=T1)
            assert decision == Decision(Level.NONE, Level.NONE, Reason(untracked), Reason(untracked))

    def test_c3_a_message_that_asks_for_consent_is_not_measured(self):
        mail = Mail(purpose=Purpose.MARKETING, untracked=Untracked.CONSENT_REQUEST)
        assert decide(self.always(), self.always(), mail, now=T1).opens_reason is Reason.CONSENT_REQUEST

    @pytest.mark.parametrize("who", ["yes", "unknown"])
    def test_h1_a_permission_that_begins_after_the_decision_does_not_count(self, who):
        permission = permission_since(NO_PERMISSION, [Permit.WITH_YES, Permit.UNLESS_NO], now=T2)
        later = Grounds(Basis.UNLESS_NO, permission, PEOPLE[who])
        decision = decide(later, self.always(), NEWS, now=T1)
        assert (decision.opens, decision.opens_reason) == (Level.NONE, Reason.PERMISSION_BEGAN_LATER)
        assert decision.clicks is Level.INDIVIDUAL

    def test_s7_when_its_justification_has_ended_the_website_behaves_as_by_consent(self):
        permits = [Permit.WITH_YES, Permit.UNLESS_NO]
        permission = permission_since(NO_PERMISSION, permits, now=T0, limits=Limits(until=T1))
        ended = {who: Grounds(Basis.UNLESS_NO, permission, PEOPLE[who]) for who in ("yes", "unknown")}
        decision = decide(ended["yes"], ended["unknown"], NEWS, now=T1)
        assert decision.opens is Level.INDIVIDUAL
        assert (decision.clicks, decision.clicks_reason) == (Level.NONE, Reason.COUNTRY_ASKS_FOR_YES)

    def test_words_from_the_database_decide_as_the_names_do(self):
        as_words = Grounds("unless_no", Permission(T0, T0), ChoiceState("no", None, None))
        decision = decide(as_words, as_words, Mail(purpose="marketing"), now=T1)
        assert decision.opens_reason is Reason.PERSON_SAID_NO


class TestMayMeasure:
    MOMENTS = (None, T0, T1, T2)

    def test_h1_a_ground_counts_only_if_both_its_sides_held_when_the_copy_was_decided(self):
        for with_yes, unless_no, yes, not_no in product(self.MOMENTS, repeat=4):
            by_yes = with_yes in (T0, T1) and yes in (T0, T1)
            by_silence = unless_no in (T0, T1) and not_no in (T0, T1)
            choice = ChoiceState(UNKNOWN, yes, not_no)
            measured = may_measure(Permission(with_yes, unless_no), choice, decided_at=T1, now=T3)
            assert measured is (by_yes or by_silence)


class TestAtTheHit:
    def copy(self, frozen: Level, kind: Kind = Kind.OPENS) -> SentCopy:
        return SentCopy(kind=kind, frozen=frozen, decided_at=T1, subscribed=True)

    def test_h1_every_pair_of_levels_has_its_effect(self):
        assert set(EFFECT_AT_HIT) == set(product(Level, Level))

    def test_h1_anything_but_the_same_level_or_the_last_open_day_of_a_measured_person_leaves_nothing(self):
        left = {pair: effect for pair, effect in EFFECT_AT_HIT.items() if effect is not Level.NONE}
        same = {(level, level): level for level in Level if level is not Level.NONE}
        assert left == same | {(Level.INDIVIDUAL, Level.LAST_OPEN_DAY): Level.LAST_OPEN_DAY}

    def test_h1_the_most_that_is_left_counts(self):
        assert effect_at_hit(Level.INDIVIDUAL, Level) is Level.INDIVIDUAL
        assert effect_at_hit(Level.LAST_OPEN_DAY, Level) is Level.LAST_OPEN_DAY
        assert effect_at_hit(Level.LAST_OPEN_DAY, {Level.INDIVIDUAL}) is Level.NONE
        assert effect_at_hit(Level.INDIVIDUAL, {Level.ANONYMOUS}) is Level.NONE
        assert effect_at_hit(Level.NONE, Level) is Level.NONE

    def test_h1_a_copy_frozen_as_not_measured_stays_so_when_everything_is_permitted(self):
        for kind in Kind:
            found = level_at_hit(self.copy(Level.NONE, kind), held(frozenset(Permit)), PEOPLE["yes"], now=T2)
            assert found is Level.NONE

    def test_h1_a_no_reaches_mail_already_delivered(self):
        said_no = choice_since(PEOPLE["yes"], NO, now=T2)
        for level in LEVELS[Kind.OPENS]:
            assert level_at_hit(self.copy(level), held(frozenset(Permit)), said_no, now=T3) is Level.NONE

    def test_s8_whose_yes_is_no_longer_asked_for_leaves_the_day_of_the_last_open(self):
        permission = held(frozenset({Permit.LAST_OPEN_DAY}))
        assert level_at_hit(self.copy(Level.INDIVIDUAL), permission, NEVER_ANSWERED, now=T2) is Level.LAST_OPEN_DAY
        unsubscribed = SentCopy(kind=Kind.OPENS, frozen=Level.INDIVIDUAL, decided_at=T1)
        assert level_at_hit(unsubscribed, permission, NEVER_ANSWERED, now=T2) is Level.NONE

    def test_s8_a_machine_leaves_no_last_open_day(self):
        permission, copy = held(frozenset({Permit.LAST_OPEN_DAY})), self.copy(Level.LAST_OPEN_DAY)
        assert level_at_hit(copy, permission, NEVER_ANSWERED, now=T2) is Level.LAST_OPEN_DAY
        assert level_at_hit(copy, permission, NEVER_ANSWERED, now=T2, by_machine=True) is Level.NONE

    def test_s6_an_approval_that_was_taken_back_leaves_nothing_of_its_copies_and_all_of_others(self):
        everything = held(frozenset(Permit))
        for kind, purpose in product(Kind, (Purpose.AUTHENTICATION, Purpose.LEGAL_NOTICE)):
            exempt = replace(self.copy(Level.INDIVIDUAL, kind), exempt=purpose)
            assert level_at_hit(exempt, everything, PEOPLE["yes"], now=T2) is Level.INDIVIDUAL
            ended = replace(exempt, exempt_ended=True)
            assert level_at_hit(ended, everything, PEOPLE["yes"], now=T2) is Level.NONE
            # The same email, to somebody who is measured because they said yes.
            assert level_at_hit(replace(ended, exempt=None), everything, PEOPLE["yes"], now=T2) is Level.INDIVIDUAL

    def test_s9_one_country_that_no_longer_permits_it_silences_the_address_of_all(self):
        early, late = (permission_since(NO_PERMISSION, [Permit.ANONYMOUS], now=moment) for moment in (T0, T2))
        assert counts_anonymously([early, early], decided_at=T1, now=T3)
        for other in (None, NO_PERMISSION, late):
            assert not counts_anonymously([early, other], decided_at=T1, now=T3)
        assert not counts_anonymously([], decided_at=T1, now=T3)
