"""Whatever is decided, the person that it is about is told why, in each of the six languages."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import translation

from consent.models import Basis, ChoiceLabel
from consent.rules import Level, Reason
from privacy import words
from privacy.selectors import mask_email


@pytest.mark.parametrize("language", settings.PUBLIC_LANGUAGES)
def test_s12_every_reason_has_a_sentence_for_the_person(language: str) -> None:
    with translation.override(language):
        said = [words.decision_reason(reason) for reason in Reason]
        assert all(said)
        assert len(set(said)) == len(said)
        assert len({words.level(level) for level in Level}) == len(Level)
        assert all(words.basis(basis, "Bakery SA") for basis in Basis)


def test_c10_who_did_not_refuse_is_not_shown_as_a_yes() -> None:
    assert len({words.answer(value) for value in ChoiceLabel.values}) == 4
    assert "Yes" not in words.answer("informed")


def test_every_level_but_none_is_named() -> None:
    assert [level for level in Level if words.level(level) == "not measured"] == [Level.NONE]


@pytest.mark.parametrize(
    ("email", "masked"),
    [("zoe@home.example", "z…@h….example"), ("a@b.c.org", "a…@b….org"), ("x@localhost", "x…@….localhost")],
)
def test_h3_a_masked_address_gives_away_its_first_letters_only(email: str, masked: str) -> None:
    assert mask_email(email) == masked
