"""Local times around changes of the clock, quiet hours, and whose country is in which zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import available_timezones

import pytest
from django_countries.data import COUNTRIES

from campaigns.zones import QuietHours, moment_of, next_moment, round_at, zone_of_countries

PARIS, NEW_YORK, TOKYO = "Europe/Paris", "America/New_York", "Asia/Tokyo"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "zone", "moment"),
    [
        ("2027-03-28T01:59", PARIS, "2027-03-28T00:59"),
        # Skipped: as much later as the clock jumps, 03:30 that day.
        ("2027-03-28T02:30", PARIS, "2027-03-28T01:30"),
        ("2027-03-28T03:00", PARIS, "2027-03-28T01:00"),
        # Twice: the first.
        ("2026-10-25T02:30", PARIS, "2026-10-25T00:30"),
        ("2026-10-25T03:00", PARIS, "2026-10-25T02:00"),
        ("2027-03-14T02:30", NEW_YORK, "2027-03-14T07:30"),
        ("2026-11-01T01:30", NEW_YORK, "2026-11-01T05:30"),
        ("2026-11-22T09:00", TOKYO, "2026-11-22T00:00"),
    ],
)
def test_a_local_time_has_one_moment_in_each_zone(local: str, zone: str, moment: str) -> None:
    assert moment_of(datetime.fromisoformat(local), zone) == utc(moment)


def test_where_the_time_has_passed_it_leaves_the_next_day_and_a_late_worker_does_not_put_it_off() -> None:
    local = datetime.fromisoformat("2026-11-22T09:00")
    assert next_moment(local, TOKYO, now=utc("2026-11-21T20:00")) == utc("2026-11-22T00:00")
    assert next_moment(local, TOKYO, now=utc("2026-11-22T00:20")) == utc("2026-11-22T00:20")
    assert next_moment(local, TOKYO, now=utc("2026-11-22T05:00")) == utc("2026-11-23T00:00")


def test_rounds_keep_their_time_of_day_over_a_change_of_the_clock() -> None:
    first = datetime.fromisoformat("2026-10-20T10:00")
    moments = [moment_of(round_at(first, 7, number), PARIS) for number in (1, 2)]
    assert moments == [utc("2026-10-20T08:00"), utc("2026-10-27T09:00")]


def stretches(begins: str, ends: str, zone: str, since: str, hours: int = 24) -> list[tuple[datetime, datetime]]:
    quiet = QuietHours(time.fromisoformat(begins), time.fromisoformat(ends))
    return list(quiet.stretches(zone, since=utc(since), until=utc(since) + timedelta(hours=hours)))


def test_quiet_hours_reach_over_midnight() -> None:
    assert stretches("21:00", "08:00", PARIS, "2026-11-22T12:00") == [
        (utc("2026-11-22T20:00"), utc("2026-11-23T07:00"))
    ]
    assert stretches("21:00", "08:00", PARIS, "2026-11-22T03:00", hours=1) == [
        (utc("2026-11-21T20:00"), utc("2026-11-22T07:00"))
    ]
    assert stretches("12:00", "14:00", PARIS, "2026-11-22T00:00") == [
        (utc("2026-11-22T11:00"), utc("2026-11-22T13:00"))
    ]


def test_quiet_hours_err_towards_quiet_when_clocks_change() -> None:
    # 02:30 does not exist: they end when clocks show 03:30. 02:30 comes twice: they end with the second.
    assert stretches("23:00", "02:30", PARIS, "2027-03-28T00:00", hours=1)[0][1] == utc("2027-03-28T01:30")
    assert stretches("23:00", "02:30", PARIS, "2026-10-25T00:00", hours=1)[0][1] == utc("2026-10-25T01:30")
    assert stretches("02:30", "05:00", PARIS, "2026-10-25T00:00", hours=3)[0][0] == utc("2026-10-25T00:30")


def test_every_country_with_people_has_a_zone() -> None:
    zones = zone_of_countries()
    assert set(zones.values()) <= available_timezones()
    # Bouvet Island, Heard and McDonald Islands: nobody lives there.
    assert {code for code in COUNTRIES if code not in zones} == {"BV", "HM"}
    assert (zones["FR"], zones["RE"], zones["US"], zones["DE"]) == (PARIS, "Indian/Reunion", NEW_YORK, "Europe/Berlin")
