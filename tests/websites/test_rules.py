"""The rule table and the countries (rules.md: S5, F1, rule table)."""

from __future__ import annotations

from datetime import date
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websites import rules
from websites.rules import (
    FRENCH_COUNTRIES,
    Column,
    RuleCell,
    RuleKey,
    RuleTableError,
    RuleValue,
    Sureness,
    asks_for_consent,
    cell,
    column,
    in_force,
    is_french,
    parse_rule_table,
    rule_table,
    stricter,
    strictest,
)

NOV_2026 = date(2026, 11, 22)
TABLE_TEXT = Path(rules.__file__).with_name("rule_table.toml").read_text(encoding="utf-8")
ALL_CELLS = [version for versions in rule_table().values() for version in versions]


def values_of(key: RuleKey) -> list[RuleValue]:
    return [cell(key, country, NOV_2026).value for country in ("FR", "IT", "DE", "GB", "CH")]


class TestCountries:
    def test_f1_french_law_covers_thirteen_codes_and_not_monaco(self):
        assert len(FRENCH_COUNTRIES) == 13
        assert all(is_french(code) and column(code) is Column.FR for code in FRENCH_COUNTRIES)
        assert not is_french("MC")
        assert column("MC") is Column.EU

    @pytest.mark.parametrize("code", ["IT", "GB", "CH"])
    def test_a_country_with_a_column_gets_it(self, code):
        assert column(code) is Column(code)

    @pytest.mark.parametrize("code", ["", None, "  ", "ZZ", "DE", "BE", "US", "GG", "JE", "IM", "SM", "VA", "EU", "XX"])
    def test_s5_every_other_country_and_an_unknown_one_take_the_strict_default(self, code):
        assert column(code) is Column.EU
        assert not is_french(code)

    def test_codes_may_come_in_small_letters_and_with_spaces(self):
        assert column(" gp ") is Column.FR
        assert is_french("re")


class TestTable:
    def test_every_row_has_every_column_with_a_source_and_a_date(self):
        assert set(rule_table()) == set(product(RuleKey, Column))
        assert all(one.source and one.version and one.valid_from <= NOV_2026 for one in ALL_CELLS)

    @pytest.mark.parametrize("key", RuleKey)
    @pytest.mark.parametrize("column_", Column)
    def test_s5_the_default_is_at_least_as_strict_as_any_column(self, key, column_):
        assert (
            strictest([cell(key, "ZZ", NOV_2026), cell(key, column_, NOV_2026)]).value
            is cell(key, "ZZ", NOV_2026).value
        )

    @pytest.mark.parametrize("key", [RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS])
    def test_individual_measurement_asks_for_a_yes_everywhere_but_in_switzerland(self, key):
        assert values_of(key) == [RuleValue.CONSENT] * 4 + [RuleValue.INFORM_OBJECTION]

    def test_anonymous_totals_need_a_justification_in_france_and_are_a_rate_in_italy(self):
        expected = ["justification", "rate_only", "not_allowed", "not_allowed", "inform_objection"]
        assert values_of(RuleKey.ANONYMOUS_OPENS) == values_of(RuleKey.ANONYMOUS_CLICKS) == expected

    def test_people_collected_before_the_texts_have_the_dates_of_their_country(self):
        france, italy = (cell(RuleKey.INFORMED_DID_NOT_REFUSE, code, NOV_2026) for code in ("FR", "IT"))
        assert (france.collected_before, france.informed_by) == (date(2026, 4, 14), date(2026, 7, 14))
        assert (italy.collected_before, italy.informed_by) == (date(2026, 4, 29), None)

    def test_what_is_our_reading_or_disputed_says_so(self):
        assert cell(RuleKey.INDIVIDUAL_CLICKS, "IT", NOV_2026).sureness is Sureness.OUR_READING
        assert cell(RuleKey.AUTHENTICATION_SECURITY, "DE", NOV_2026).sureness is Sureness.OUR_READING
        assert {one.value for one in ALL_CELLS if one.sureness is Sureness.DISPUTED} == {RuleValue.JUSTIFICATION}


class TestDates:
    def test_a_cell_holds_from_its_day_and_the_first_one_before_it_too(self):
        text = TABLE_TEXT.replace(
            "[individual_opens]\nFR = [",
            '[individual_opens]\nFR = [{ value = "inform_objection", source = "cnil", sureness = "text",'
            ' valid_from = 2027-01-01, version = "2" }, ',
        )
        versions = parse_rule_table(text)[RuleKey.INDIVIDUAL_OPENS, Column.FR]
        assert in_force(versions, date(2026, 12, 31)).value is RuleValue.CONSENT
        assert in_force(versions, date(2027, 1, 1)).value is RuleValue.INFORM_OBJECTION
        assert in_force(versions, date(2020, 1, 1)).value is RuleValue.CONSENT


class TestLoader:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("[legal_notice]", "[legal_notices]", "missing legal_notice"),
            ("[sources]", "[anything]\n[sources]", "the table: unknown anything"),
            ("[sources]", "[sources", "not TOML"),
            ('GB = [{ value = "exempt"', 'US = [{ value = "exempt"', "missing GB"),
            ('IT = [{ value = "rate_only"', 'DE = []\nIT = [{ value = "rate_only"', "unknown DE"),
            ('source = "swiss", ', 'source = "hearsay", ', "unknown source 'hearsay'"),
            ('source = "swiss", ', "", "missing source"),
            ('source = "swiss", ', 'source = "swiss", by = "me", ', "unknown by"),
            ('value = "subscribed_mail"', 'value = "maybe"', "'maybe' is not a valid RuleValue"),
            ('value = "subscribed_mail"', 'value = "rate_only"', "rate_only means nothing here"),
            ('sureness = "disputed"', 'sureness = "sure"', "'sure' is not a valid Sureness"),
            ("valid_from = 2026-07-22", 'valid_from = "soon"', "valid_from is not a date"),
            ("valid_from = 2026-07-22", "valid_from = 2026-07-22T00:00:00", "valid_from is not a date"),
            (", collected_before = 2026-04-29", "", "collected_before belongs to if_informed"),
            ('"disputed", ', '"disputed", collected_before = 2026-04-29, ', "collected_before belongs to if_informed"),
        ],
    )
    def test_a_table_that_no_code_understands_is_refused(self, old, new, message):
        assert old in TABLE_TEXT
        with pytest.raises(RuleTableError, match=message):
            parse_rule_table(TABLE_TEXT.replace(old, new, 1))

    def test_a_cell_without_any_version_is_refused(self):
        start = TABLE_TEXT.index("CH = [")
        text = TABLE_TEXT[:start] + "CH = []" + TABLE_TEXT[TABLE_TEXT.index("]", start) + 1 :]
        with pytest.raises(RuleTableError, match="empty"):
            parse_rule_table(text)

    @pytest.mark.parametrize(("day", "version"), [("2026-07-14", "2"), ("2027-01-01", "1")])
    def test_two_versions_with_one_date_or_one_name_are_refused(self, day, version):
        text = TABLE_TEXT.replace(
            "[individual_opens]\nFR = [",
            '[individual_opens]\nFR = [{ value = "consent", source = "cnil", sureness = "text",'
            f' valid_from = {day}, version = "{version}" }}, ',
        )
        with pytest.raises(RuleTableError, match="share a date or a name"):
            parse_rule_table(text)


class TestConsentAsked:
    def test_s7_a_yes_is_asked_for_everywhere_but_in_switzerland(self):
        assert all(asks_for_consent(code, NOV_2026) for code in ("FR", "NC", "IT", "DE", "GB", "GG", "US", "", None))
        assert not asks_for_consent("CH", NOV_2026)

    @pytest.mark.parametrize("key", [RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS])
    def test_s3_opens_and_clicks_can_be_asked_about_apart(self, key):
        assert asks_for_consent("IT", NOV_2026, key=key)
        assert not asks_for_consent("CH", NOV_2026, key=key)

    def test_what_is_stricter_than_a_yes_asks_for_one_too(self):
        asking = {one.value for one in ALL_CELLS if one.asks_for_consent}
        assert asking == {RuleValue.NOT_ALLOWED, RuleValue.JUSTIFICATION, RuleValue.CONSENT}


CELLS = st.builds(
    RuleCell,
    key=st.just(RuleKey.INFORMED_DID_NOT_REFUSE),
    column=st.sampled_from(Column),
    value=st.sampled_from(RuleValue),
    source=st.just("a text"),
    sureness=st.sampled_from(Sureness),
    valid_from=st.dates(),
    version=st.sampled_from(["1", "2"]),
    collected_before=st.none() | st.dates(),
    informed_by=st.none() | st.dates(),
)


class TestStrictness:
    @given(CELLS, CELLS, CELLS)
    def test_s5_the_order_of_strictness_is_total(self, a, b, c):
        assert stricter(a, b) in (a, b)
        assert stricter(a, b) == stricter(b, a)
        assert stricter(stricter(a, b), c) == stricter(a, stricter(b, c)) == strictest([c, b, a])

    @given(CELLS, CELLS)
    def test_s5_the_stricter_value_wins_over_everything_else(self, a, b):
        order = list(RuleValue)
        assert stricter(a, b).value is order[min(order.index(a.value), order.index(b.value))]

    def test_of_two_dated_cells_the_earlier_dates_are_stricter(self):
        france, italy = (cell(RuleKey.INFORMED_DID_NOT_REFUSE, code, NOV_2026) for code in ("FR", "IT"))
        assert stricter(italy, france) is france

    def test_of_two_equal_cells_the_surer_one_is_cited(self):
        france, italy = (cell(RuleKey.INDIVIDUAL_CLICKS, code, NOV_2026) for code in ("FR", "IT"))
        assert stricter(italy, france) is france

    def test_cells_of_two_rows_cannot_be_compared(self):
        with pytest.raises(ValueError, match="are two rows"):
            stricter(cell(RuleKey.INDIVIDUAL_OPENS, "FR", NOV_2026), cell(RuleKey.INDIVIDUAL_CLICKS, "FR", NOV_2026))
