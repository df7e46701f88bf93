"""Every outcome has a sentence (rules.md: S12)."""

from __future__ import annotations

import pytest

from consent.reasons import BASES, REASONS, VERDICTS
from consent.rules import Basis, Reason, Verdict

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


def test_a_reason_says_first_whether_the_copy_is_measured():
    measured = {Reason.PERSON_SAID_YES, Reason.PERSON_DID_NOT_REFUSE}
    assert {reason for reason, sentence in REASONS.items() if str(sentence).startswith("Measured:")} == measured
    assert all(str(sentence).startswith(("Measured:", "Not measured:")) for sentence in REASONS.values())
