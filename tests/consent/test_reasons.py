"""Every outcome has a sentence (rules.md: S12)."""

from __future__ import annotations

import pytest

from consent.reasons import BASES, REASONS, VERDICTS
from consent.rules import EXEMPT_REASONS, Basis, Reason, Verdict

SENTENCES = [*REASONS.items(), *BASES.items(), *VERDICTS.items()]


def test_s12_every_reason_basis_and_verdict_has_a_sentence():
    assert list(REASONS) == list(Reason)
    assert list(BASES) == list(Basis)
    assert list(VERDICTS) == list(Verdict)


@pytest.mark.parametrize(
    ("name", "sentence"), SENTENCES, ids=[f"{type(name).__name__}.{name}" for name, _ in SENTENCES]
)
def test_a_sentence_ends_and_shows_no_name_of_the_code(name, sentence):
    text = str(sentence)
    assert text.endswith(".")
    assert "_" not in text


def test_s12_no_two_reasons_say_the_same():
    assert len({str(sentence) for sentence in REASONS.values()}) == len(Reason)


def test_a_reason_says_first_how_the_copy_is_measured():
    beginnings = {
        "Measured:": {
            Reason.PERSON_SAID_YES,
            Reason.PERSON_DID_NOT_REFUSE,
            Reason.INFORMED_IN_TIME,
            Reason.PROFESSIONAL_DID_NOT_OBJECT,
            *EXEMPT_REASONS,
        },
        "Last open day:": {Reason.LAST_OPEN_DAY_ONLY},
        "Counted anonymously:": {Reason.COUNTED_WITHOUT_YES, Reason.COUNTED_AFTER_NO},
        "Not measured by Pli:": {Reason.SENT_OUTSIDE},
    }
    told = {reason: str(sentence).partition(":")[0] + ":" for reason, sentence in REASONS.items()}
    for beginning, reasons in beginnings.items():
        assert {reason for reason, begins in told.items() if begins == beginning} == reasons
    assert set(told.values()) == {*beginnings, "Not measured:"}


def test_c10_no_sentence_calls_an_informed_person_a_yes():
    for reason in (Reason.INFORMED_IN_TIME, Reason.PROFESSIONAL_DID_NOT_OBJECT):
        assert "This is not a yes." in str(REASONS[reason])
