"""The words and columns of imports, exports and the API (product.md: consent_email_tracking; rules.md: C2, C7)."""

from __future__ import annotations

from itertools import product

import pytest

from consent.columns import (
    NO_WORDS,
    YES_WORDS,
    ConsentColumnError,
    combined_text,
    parse_consent,
    read_choices,
    write_choices,
)
from consent.rules import ChoiceValue, Kind

YES, NO, UNKNOWN = ChoiceValue.YES, ChoiceValue.NO, ChoiceValue.UNKNOWN


class TestWords:
    @pytest.mark.parametrize("text", ["yes", "TRUE", " 1 ", "Oui", "ja", "si", "SÌ", "Sí", "y", "vrai", "wahr", "On"])
    def test_c7_a_yes_may_be_said_in_several_languages(self, text):
        assert parse_consent(text) is YES

    @pytest.mark.parametrize("text", ["no", "False", "0", "NON", "nein", "Nee ", "n", "faux", "falsch", "off"])
    def test_c7_a_no_may_be_said_in_several_languages(self, text):
        assert parse_consent(text) is NO

    def test_an_accent_may_come_as_a_character_of_its_own(self):
        assert parse_consent("si\u0300") is YES

    @pytest.mark.parametrize("text", ["", "  ", "\t", "\u00a0"])
    def test_c7_an_empty_cell_says_nothing(self, text):
        assert parse_consent(text) is None

    @pytest.mark.parametrize("text", ["maybe", "2", "opens", "yes no", "-", "unknown"])
    def test_c7_any_other_word_is_refused_and_not_guessed(self, text):
        assert parse_consent(text) == "invalid"

    def test_no_word_means_both(self):
        assert not YES_WORDS & NO_WORDS


class TestWriting:
    @pytest.mark.parametrize(
        ("opens", "clicks", "text"),
        [
            (YES, YES, "yes"),
            (NO, NO, "no"),
            (UNKNOWN, UNKNOWN, ""),
            (YES, NO, "opens"),
            (YES, UNKNOWN, "opens"),
            (NO, YES, "clicks"),
            (UNKNOWN, YES, "clicks"),
            (NO, UNKNOWN, ""),
            (UNKNOWN, NO, ""),
        ],
    )
    def test_the_combined_column_names_the_kinds_with_a_yes(self, opens, clicks, text):
        assert combined_text(opens, clicks) == text

    def test_each_kind_has_a_column_of_its_own(self):
        assert write_choices(YES, UNKNOWN) == {
            "consent_email_tracking": "opens",
            "consent_email_opens": "yes",
            "consent_email_clicks": "",
        }

    @pytest.mark.parametrize(("opens", "clicks"), list(product([YES, NO, UNKNOWN], repeat=2)))
    def test_what_was_written_is_read_back_as_it_was(self, opens, clicks):
        row = write_choices(opens, clicks)
        read = read_choices(
            tracking=row["consent_email_tracking"],
            opens=row["consent_email_opens"],
            clicks=row["consent_email_clicks"],
        )
        assert read == {Kind.OPENS: opens, Kind.CLICKS: clicks}

    def test_c10_informed_people_have_given_no_answer(self):
        informed = ChoiceValue.INFORMED
        assert set(write_choices(informed, informed).values()) == set(write_choices(informed, UNKNOWN).values()) == {""}
        assert write_choices(informed, YES)["consent_email_tracking"] == "clicks"


class TestReading:
    @pytest.mark.parametrize(
        ("tracking", "opens", "clicks"),
        [
            ("Oui", YES, YES),
            ("nein", NO, NO),
            ("", UNKNOWN, UNKNOWN),
            ("OPENS", YES, UNKNOWN),
            (" clicks ", UNKNOWN, YES),
        ],
    )
    def test_the_combined_column_alone_never_invents_a_no(self, tracking, opens, clicks):
        assert read_choices(tracking=tracking) == {Kind.OPENS: opens, Kind.CLICKS: clicks}

    def test_s3_the_columns_of_each_kind_work_without_the_combined_one(self):
        assert read_choices(opens="yes", clicks="no") == {Kind.OPENS: YES, Kind.CLICKS: NO}
        assert read_choices(clicks="1") == {Kind.OPENS: UNKNOWN, Kind.CLICKS: YES}

    def test_an_empty_column_takes_what_the_combined_one_says(self):
        assert read_choices(tracking="yes", opens="yes") == {Kind.OPENS: YES, Kind.CLICKS: YES}

    @pytest.mark.parametrize(
        ("tracking", "opens", "clicks"),
        [("yes", "no", ""), ("no", "", "yes"), ("opens", "no", ""), ("opens", "", "yes"), ("clicks", "yes", "yes")],
    )
    def test_columns_that_contradict_each_other_are_refused(self, tracking, opens, clicks):
        with pytest.raises(ConsentColumnError) as refusal:
            read_choices(tracking=tracking, opens=opens, clicks=clicks)
        assert refusal.value.contradicts
        assert "contradicts" in str(refusal.value)

    @pytest.mark.parametrize("column", ["tracking", "opens", "clicks"])
    def test_an_unknown_word_names_its_column(self, column):
        with pytest.raises(ConsentColumnError) as refusal:
            read_choices(**{column: "perhaps"})
        assert refusal.value.column == f"consent_email_{column}"
        assert refusal.value.text == "perhaps"
        assert not refusal.value.contradicts
