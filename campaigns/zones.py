"""Whose clock shows what: time zones of countries, local times that do not exist or come twice, quiet hours.

The rule for changes of the clock: a local time that is skipped counts as much later as the clock jumps (02:30 is 03:30
that day), one that comes twice is the first. Quiet hours err towards quiet: they begin at the earlier and end at the
later of two moments that fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from babel.core import get_global

# Where most people live of countries with several zones; an attribute of the person can say it better.
MOST_PEOPLE: Mapping[str, str] = {
    "AQ": "Antarctica/McMurdo", "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo", "CA": "America/Toronto", "CD": "Africa/Kinshasa", "CL": "America/Santiago",
    "CN": "Asia/Shanghai", "CY": "Asia/Nicosia", "DE": "Europe/Berlin", "EC": "America/Guayaquil",
    "ES": "Europe/Madrid", "FM": "Pacific/Chuuk", "GL": "America/Nuuk", "ID": "Asia/Jakarta", "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty", "MH": "Pacific/Majuro", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PF": "Pacific/Tahiti", "PG": "Pacific/Port_Moresby",
    "PS": "Asia/Gaza", "PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kyiv", "UM": "Pacific/Midway",
    "US": "America/New_York", "UZ": "Asia/Tashkent",
}  # fmt: skip
# How late a launch may begin and still leave today where its time has passed.
GRACE = timedelta(hours=1)
LOCAL_FORMAT = "%Y-%m-%dT%H:%M"


@cache
def zone_of_countries() -> Mapping[str, str]:
    """The time zone of each country; of those with several, the one where most people live."""
    known = available_timezones()
    zones = {}
    for code, names in get_global("territory_zones").items():
        zone = MOST_PEOPLE.get(code) or (names[0] if len(names) == 1 else "")
        if len(code) == 2 and code != "ZZ" and zone in known:
            zones[code] = zone
    return zones


def moment_of(local: datetime, zone: str) -> datetime:
    """The moment at which a clock in the zone shows a naive local time."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)


def next_moment(local: datetime, zone: str, *, now: datetime) -> datetime:
    """When a message for a local time leaves: now if the time has just passed, else the next day at that time."""
    moment = moment_of(local, zone)
    while moment < now - GRACE:
        local += timedelta(days=1)
        moment = moment_of(local, zone)
    return max(moment, now)


def read_local(text: str) -> datetime:
    """The naive local time that ``write_local`` wrote."""
    return datetime.strptime(text, LOCAL_FORMAT)  # noqa: DTZ007 - of no zone: it is another moment in each


def write_local(local: datetime) -> str:
    """A naive local time, to the minute."""
    return local.strftime(LOCAL_FORMAT)


# --- Quiet hours ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From when until when on a person's own clock nothing is sent; they may reach over midnight."""

    begins: time
    ends: time

    def stretches(self, zone: str, *, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Every stretch of quiet in a zone that touches the time between two moments."""
        day = since.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
        while True:
            begins, ends = self._on(day, zone)
            if begins >= until:
                return
            if ends > since:
                yield begins, ends
            day += timedelta(days=1)

    def _on(self, day: date, zone: str) -> tuple[datetime, datetime]:
        last_day = day if self.begins < self.ends else day + timedelta(days=1)
        return min(_both(day, self.begins, zone)), max(_both(last_day, self.ends, zone))


def _both(day: date, at: time, zone: str) -> tuple[datetime, datetime]:
    """The two moments that a local time may mean when clocks change, equal on other days."""
    local = datetime.combine(day, at)
    first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


# --- Rounds -----------------------------------------------------------------------------------------------------------


def round_at(first: datetime, every_days: int, number: int) -> datetime:
    """The local time of a round, the first of which is number 1: the same time of day, whatever clocks did between."""
    return first + timedelta(days=every_days * (number - 1))
