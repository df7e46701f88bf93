"""Which of two answers counts (rules.md: C2, C6, C7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.rules import ChoiceFact, ChoiceValue, Source, Verdict, supersedes

YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
OTHERS = [source for source in Source if source is not Source.PERSON]


def fact(value: str, source: str, at: datetime = NOON, *, proof: bool = False) -> ChoiceFact:
    return ChoiceFact(ChoiceValue(value), Source(source), at, has_evidence=proof)


FACTS = [
    ChoiceFact(value, source, at, has_evidence)
    for value, source, at, has_evidence in product(ChoiceValue, Source, [EARLIER, NOON, LATER], [True, False])
]
PAIRS = list(product([None, *FACTS], FACTS))


class TestNothingIsKnownYet:
    @pytest.mark.parametrize("source", Source)
    @pytest.mark.parametrize("current", [None, fact("unknown", "import", LATER)])
    def test_a_no_needs_no_proof(self, current, source):
        assert supersedes(current, fact("no", source)) is Verdict.APPLIED

    def test_a_persons_own_yes_needs_no_proof(self):
        assert supersedes(None, fact("yes", "person")) is Verdict.APPLIED

    @pytest.mark.parametrize("source", OTHERS)
    def test_c7_a_yes_without_provenance_stays_unknown(self, source):
        assert supersedes(None, fact("yes", source)) is Verdict.NO_PROVENANCE
        assert supersedes(None, fact("yes", source, proof=True)) is Verdict.APPLIED


class TestNoToYes:
    @pytest.mark.parametrize("recorded_by", Source)
    def test_c6_a_later_act_of_the_person_turns_a_no_into_a_yes(self, recorded_by):
        assert supersedes(fact("no", recorded_by), fact("yes", "person", LATER)) is Verdict.APPLIED

    @pytest.mark.parametrize("at", [EARLIER, NOON])
    @pytest.mark.parametrize("recorded_by", Source)
    def test_c6_an_act_that_is_not_later_does_not(self, recorded_by, at):
        assert supersedes(fact("no", recorded_by), fact("yes", "person", at)) is Verdict.KEPT_NO

    @pytest.mark.parametrize("source", OTHERS)
    def test_c6_nobody_else_turns_a_persons_own_no(self, source):
        newest = fact("yes", source, LATER, proof=True)
        assert supersedes(fact("no", "person"), newest) is Verdict.KEPT_PERSONS_OWN

    @pytest.mark.parametrize(("recorded_by", "source"), list(product(OTHERS, OTHERS)))
    def test_c6_nobody_else_turns_a_no_that_somebody_recorded(self, recorded_by, source):
        newest = fact("yes", source, LATER, proof=True)
        assert supersedes(fact("no", recorded_by), newest) is Verdict.KEPT_NO


class TestYesToNo:
    @pytest.mark.parametrize("at", [EARLIER, NOON, LATER])
    @pytest.mark.parametrize("current", Source)
    def test_c6_a_member_may_record_a_no_at_any_time(self, current, at):
        assert supersedes(fact("yes", current, proof=True), fact("no", "member", at)) is Verdict.APPLIED

    @pytest.mark.parametrize("source", ["import", "api"])
    def test_c6_a_brought_no_counts_against_the_persons_own_yes_only_if_later(self, source):
        own = fact("yes", "person")
        assert supersedes(own, fact("no", source, LATER)) is Verdict.APPLIED
        assert supersedes(own, fact("no", source, NOON)) is Verdict.KEPT_PERSONS_OWN
        assert supersedes(own, fact("no", source, EARLIER)) is Verdict.KEPT_PERSONS_OWN

    @pytest.mark.parametrize(("recorded_by", "source"), list(product(OTHERS, ["import", "api"])))
    def test_c6_among_equals_the_newer_counts_and_a_tie_is_a_no(self, recorded_by, source):
        brought = fact("yes", recorded_by, proof=True)
        assert supersedes(brought, fact("no", source, LATER)) is Verdict.APPLIED
        assert supersedes(brought, fact("no", source, NOON)) is Verdict.APPLIED
        assert supersedes(brought, fact("no", source, EARLIER)) is Verdict.KEPT_NEWER

    @pytest.mark.parametrize("recorded_by", OTHERS)
    def test_c6_a_persons_own_no_outranks_a_brought_yes_even_a_newer_one(self, recorded_by):
        assert supersedes(fact("yes", recorded_by, proof=True), fact("no", "person", EARLIER)) is Verdict.APPLIED

    def test_c6_of_two_own_answers_the_newer_counts(self):
        assert supersedes(fact("yes", "person"), fact("no", "person", LATER)) is Verdict.APPLIED
        assert supersedes(fact("yes", "person"), fact("no", "person", EARLIER)) is Verdict.KEPT_NEWER


class TestTheSameAnswerAgain:
    @pytest.mark.parametrize(("first", "second"), list(product(Source, Source)))
    def test_a_no_moves_its_date_on_and_never_back(self, first, second):
        assert supersedes(fact("no", first), fact("no", second, LATER)) is Verdict.APPLIED
        assert supersedes(fact("no", first), fact("no", second, NOON)) is Verdict.UNCHANGED
        assert supersedes(fact("no", first), fact("no", second, EARLIER)) is Verdict.UNCHANGED

    def test_a_persons_own_yes_takes_the_place_of_a_brought_one(self):
        assert supersedes(fact("yes", "import", proof=True), fact("yes", "person", EARLIER)) is Verdict.APPLIED

    @pytest.mark.parametrize("source", OTHERS)
    def test_a_brought_yes_leaves_the_persons_own_as_it_is(self, source):
        assert supersedes(fact("yes", "person"), fact("yes", source, LATER, proof=True)) is Verdict.UNCHANGED

    def test_among_equals_a_yes_moves_its_date_on_if_it_has_provenance(self):
        brought = fact("yes", "import", proof=True)
        assert supersedes(brought, fact("yes", "api", LATER, proof=True)) is Verdict.APPLIED
        assert supersedes(brought, fact("yes", "api", LATER)) is Verdict.UNCHANGED
        assert supersedes(brought, fact("yes", "api", EARLIER, proof=True)) is Verdict.UNCHANGED
        assert supersedes(fact("yes", "person"), fact("yes", "person", LATER)) is Verdict.APPLIED


class TestEveryPair:
    @pytest.mark.parametrize("incoming", [one for one in FACTS if one.value is UNKNOWN], ids=str)
    def test_c2_an_untouched_box_or_an_empty_cell_changes_nothing(self, incoming):
        assert all(supersedes(current, incoming) is Verdict.UNCHANGED for current in [None, *FACTS])

    def test_c6_a_no_becomes_a_yes_only_by_a_later_act_of_the_person(self):
        for current, incoming in PAIRS:
            if current and current.value is NO and incoming.value is YES:
                applied = supersedes(current, incoming) is Verdict.APPLIED
                assert applied is (incoming.source is Source.PERSON and incoming.at > current.at)

    def test_c7_no_yes_is_ever_applied_without_provenance(self):
        for current, incoming in PAIRS:
            if incoming.value is YES and incoming.source is not Source.PERSON and not incoming.has_evidence:
                assert supersedes(current, incoming) is not Verdict.APPLIED

    def test_an_answer_brought_twice_is_applied_once(self):
        assert all(supersedes(one, one) is Verdict.UNCHANGED for one in FACTS)

    @given(st.lists(st.sampled_from(FACTS), max_size=12))
    def test_c6_after_any_history_a_yes_has_no_unanswered_no_before_it(self, history):
        current: ChoiceFact | None = None
        latest_no: datetime | None = None
        for incoming in history:
            if supersedes(current, incoming) is not Verdict.APPLIED:
                continue
            if incoming.value is NO:
                latest_no = max(latest_no or incoming.at, incoming.at)
            elif latest_no is not None and incoming.source is Source.PERSON and incoming.at > latest_no:
                latest_no = None
            current = incoming
            assert (current.value is YES) is (latest_no is None)
