"""Segments: what their conditions mean, and that nothing else can be said in them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.models import Campaign, Email
from campaigns.segments import Narrowing, SegmentError, people_in, read_definition
from campaigns.segments.grammar import MOST_ROWS
from campaigns.selectors import audience_of, many_people
from common.tenancy import tenant
from consent.models import Topic
from consent.rules import ChoiceValue
from participants.models import Participant
from tests.campaigns.world import MakePerson, make_campaign, take_part
from tests.support.cast import Cast
from tests.support.planner import forget_statistics
from tests.support.world import choose, make_participant, make_topic, make_website, subscribe_to

YES, NO = ChoiceValue.YES, ChoiceValue.NO


def person(cast: Cast, name: str, now: datetime, **fields: Any) -> Participant:
    return make_participant(cast.bakery, f"{name}@mail.example.org", now=now, **fields)


def found(cast: Cast, *rows: dict[str, Any], now: datetime, match: str = "all") -> set[str]:
    definition = read_definition({"match": match, "rows": list(rows)})
    with tenant(cast.bakery.pk), many_people():
        return {one.email.split("@")[0] for one in people_in(cast.bakery, definition, now=now)}


def test_country_and_language(cast: Cast, now: datetime) -> None:
    person(cast, "bea", now, country="BE", locale="fr-BE")
    person(cast, "fred", now, country="FR", locale="fr")
    person(cast, "lux", now, country="LU", locale="fr_LU")
    person(cast, "nobody", now)
    assert found(cast, {"about": "country", "op": "in", "countries": ["BE", "LU"]}, now=now) == {"bea", "lux"}
    assert found(cast, {"about": "country", "op": "in", "countries": ["ZZ", "FR"]}, now=now) == {"nobody", "fred"}
    assert found(cast, {"about": "country", "op": "not_in", "countries": ["BE", "ZZ"]}, now=now) == {"fred", "lux"}
    assert found(cast, {"about": "locale", "op": "in", "locales": "fr"}, now=now) == {"bea", "fred", "lux"}
    assert found(cast, {"about": "locale", "op": "in", "locales": "fr-be, fr-LU"}, now=now) == {"bea", "lux"}
    assert found(cast, {"about": "locale", "op": "not_in", "locales": "fr"}, now=now) == {"nobody"}


@pytest.mark.parametrize(
    ("op", "value", "names"),
    [
        ("equals", "gold", {"gina"}),
        ("differs", "gold", {"seven", "comma", "ten", "percent"}),
        ("contains", "OL", {"gina"}),
        # Signs of SQL are letters like others.
        ("contains", "%", {"percent"}),
        ("is_set", "", {"gina", "seven", "comma", "ten", "percent"}),
        ("is_not_set", "", {"empty", "none"}),
        ("less", "10", {"seven", "comma"}),
        ("at_most", "7,5", {"seven", "comma"}),
        ("at_least", "7.5", {"comma", "ten"}),
        ("more", "7.5", {"ten"}),
    ],
)
def test_attributes(cast: Cast, op: str, value: str, names: set[str], now: datetime) -> None:
    for name, kept in [
        ("gina", "Gold"), ("seven", 7), ("comma", "7,5"), ("ten", " 10 "), ("percent", "5%"), ("empty", ""),
    ]:  # fmt: skip
        person(cast, name, now, attributes={"12": kept})
    person(cast, "none", now)
    assert found(cast, {"about": "attribute", "op": op, "name": "12", "value": value}, now=now) == names


def test_taking_part_by_campaign_and_date(cast: Cast, campaign: Campaign, now: datetime) -> None:
    other = make_campaign(cast.bakery, campaign.website, now=now, name="Easter")
    old, new, both = person(cast, "old", now), person(cast, "new", now), person(cast, "both", now)
    person(cast, "never", now)
    # The last minute of the 1st and the first of the 2nd, in Brussels.
    take_part(cast.bakery, campaign, old, now=datetime.fromisoformat("2026-10-01T23:59+02:00"))
    take_part(cast.bakery, other, new, now=datetime.fromisoformat("2026-10-02T00:01+02:00"))
    take_part(cast.bakery, campaign, both, now=now - timedelta(days=3))
    take_part(cast.bakery, other, both, now=now - timedelta(days=400))
    row = {"about": "participation", "op": "took_part"}
    assert found(cast, row, now=now) == {"old", "new", "both"}
    assert found(cast, {**row, "op": "did_not"}, now=now) == {"never"}
    assert found(cast, {**row, "campaign": campaign.pk}, now=now) == {"old", "both"}
    assert found(cast, {**row, "op": "did_not", "campaign": campaign.pk}, now=now) == {"new", "never"}
    assert found(cast, {**row, "since": "2026-10-02"}, now=now) == {"new", "both"}
    assert found(cast, {**row, "since": "2026-10-01", "until": "2026-10-01"}, now=now) == {"old"}
    assert found(cast, {**row, "days": 3}, now=now) == {"both"}


def test_choices_are_those_that_somebody_made(cast: Cast, campaign: Campaign, now: datetime) -> None:
    yes, no, half = person(cast, "yes", now), person(cast, "no", now), person(cast, "half", now)
    person(cast, "silent", now)
    choose(cast.bakery, yes, now=now, opens=YES, clicks=YES)
    choose(cast.bakery, no, now=now, opens=NO, clicks=NO)
    choose(cast.bakery, half, now=now, clicks=YES)
    row = {"about": "choice", "kind": "opens"}
    assert found(cast, {**row, "op": "yes"}, now=now) == {"yes"}
    assert found(cast, {**row, "op": "no"}, now=now) == {"no"}
    assert found(cast, {**row, "op": "unknown"}, now=now) == {"half", "silent"}
    assert found(cast, {**row, "op": "yes", "kind": "clicks"}, now=now) == {"yes", "half"}


def test_all_or_any_of_several_conditions(
    cast: Cast, topic: Topic, subscriber: MakePerson, player: MakePerson, now: datetime
) -> None:
    subscriber("sue")
    player("paul")
    subscribe_to(cast.bakery, player("both"), topic, now=now)
    person(cast, "none", now)
    rows = [
        {"about": "subscription", "op": "is", "topic": topic.pk},
        {"about": "participation", "op": "took_part"},
    ]
    assert found(cast, *rows, now=now) == {"both"}
    assert found(cast, *rows, match="any", now=now) == {"sue", "paul", "both"}
    assert found(cast, {**rows[0], "op": "is_not"}, now=now) == {"paul", "none"}


def test_a_stranger_is_in_no_segment_and_strangers_rows_match_nobody(
    cast: Cast, campaign: Campaign, now: datetime
) -> None:
    website = make_website(cast.cinema, cast.cleo, now=now)
    make_participant(cast.cinema, "cleo@mail.example.org", now=now, country="BE")
    theirs = make_campaign(cast.cinema, website, now=now)
    topic = make_topic(cast.cinema, website)
    person(cast, "bea", now, country="BE")
    assert found(cast, {"about": "country", "op": "in", "countries": ["BE"]}, now=now) == {"bea"}
    row = {"about": "participation", "op": "took_part", "campaign": theirs.pk}
    assert found(cast, row, now=now) == set()
    assert found(cast, {"about": "subscription", "op": "is", "topic": topic.pk}, now=now) == set()
    engagement = {"about": "engagement", "op": "opened", "launch": 1, "with_non_trackable": True}
    assert found(cast, engagement, now=now) == set()


@pytest.mark.parametrize(
    "row",
    [
        {"about": "password", "op": "is"},
        {"about": "country", "op": "= 'BE' OR 1=1 --", "countries": ["BE"]},
        {"about": "country", "op": "in", "countries": []},
        {"about": "country", "op": "in", "countries": ["BE'"]},
        {"about": "country", "op": "in", "countries": ["BE"], "sql": "1=1"},
        {"about": "locale", "op": "in", "locales": "fr%"},
        {"about": "attribute", "op": "less", "name": "age", "value": "many"},
        {"about": "attribute", "op": "less", "name": "age", "value": "nan"},
        {"about": "attribute", "op": "equals", "name": "", "value": "x"},
        {"about": "attribute", "op": "equals", "name": "age", "value": ""},
        {"about": "attribute", "op": "equals", "name": ["a"], "value": "x"},
        {"about": "participation", "op": "took_part", "campaign": "1; DROP TABLE"},
        {"about": "participation", "op": "took_part", "campaign": "99999999999999999999"},
        {"about": "participation", "op": "took_part", "since": "2026-02-30"},
        {"about": "participation", "op": "took_part", "since": "2026-02-02", "until": "2026-02-01"},
        {"about": "participation", "op": "took_part", "days": 0},
        {"about": "choice", "op": "yes", "kind": "pixels"},
        {"about": "subscription", "op": "is"},
        {"about": "engagement", "op": "opened"},
        {"about": "engagement", "op": "opened", "launch": 1, "days": 3},
        "country",
    ],
)  # fmt: skip
def test_whatever_the_grammar_does_not_name_is_refused(row: Any) -> None:
    with pytest.raises(SegmentError):
        read_definition({"match": "all", "rows": [row]})


def test_a_definition_has_conditions_but_not_too_many() -> None:
    row = {"about": "country", "op": "in", "countries": ["BE"]}
    assert read_definition({"match": "any", "rows": [row] * MOST_ROWS}).as_json()["rows"][0] == row
    for raw in (
        {},
        {"match": "all", "rows": []},
        {"match": "none", "rows": [row]},
        {"match": "all", "rows": [row] * (MOST_ROWS + 1)},
        {"match": "all", "rows": [row], "limit": 5},
        [row],
    ):
        with pytest.raises(SegmentError):
            read_definition(raw)


def test_what_was_read_reads_the_same_again() -> None:
    rows = [
        {"about": "participation", "op": "took_part", "campaign": 3, "since": "2026-01-02", "until": "", "days": None},
        {"about": "engagement", "op": "did_not_open", "launch": None, "days": 30, "with_non_trackable": True},
        {"about": "attribute", "op": "is_set", "name": "size", "value": ""},
    ]
    stored = {"match": "any", "rows": rows}
    assert read_definition(stored).as_json() == stored


def test_a_segment_only_narrows_who_may_be_written_to(
    cast: Cast, email: Email, campaign: Campaign, topic: Topic, subscriber: MakePerson, now: datetime
) -> None:
    for name in ("sue", "sam"):
        subscriber(name)
    player = subscriber("both")
    take_part(cast.bakery, campaign, player, now=now)
    stranger = person(cast, "paul", now)
    take_part(cast.bakery, campaign, stranger, now=now)
    rows = [{"about": "country", "op": op, "countries": ["ZZ"]} for op in ("in", "not_in")]
    everybody = read_definition({"match": "any", "rows": rows})
    with tenant(cast.bakery.pk), many_people():
        for narrowing, names in [
            (Narrowing(definition=everybody), {"Sue", "Sam", "Both"}),
            (Narrowing(campaign_id=campaign.pk), {"Both"}),
            (Narrowing(definition=everybody, campaign_id=campaign.pk), {"Both"}),
        ]:
            people = audience_of(cast.bakery, email, now=now, narrowing=narrowing)
            assert {one.first_name for one in people} == names


def test_no_condition_is_asked_for_each_person(cast: Cast, email: Email, now: datetime) -> None:
    """A million people and a table read once for each of them would take days."""
    forget_statistics()
    rows: list[dict[str, Any]] = [
        {"about": "choice", "op": "unknown", "kind": "opens"},
        {"about": "participation", "op": "took_part", "days": 30},
        {"about": "engagement", "op": "did_not_open", "days": 30},
        {"about": "attribute", "op": "less", "name": "age", "value": "30"},
        {"about": "reply", "op": "did_not", "question": 1},
        {"about": "reply", "op": "gave", "question": 1, "answer": "1:1"},
    ]
    for match in ("all", "any"):
        definition = read_definition({"match": match, "rows": rows})
        with tenant(cast.bakery.pk), many_people():
            plan = audience_of(cast.bakery, email, now=now, narrowing=Narrowing(definition=definition)).explain()
        assert "Nested Loop" not in plan, plan
        # One that is hashed is read once.
        assert set(re.findall(r"SubPlan \d+", plan)) == set(re.findall(r"hashed (SubPlan \d+)", plan)), plan
