"""When each message of a launch leaves: the time on the person's own clock, quiet hours, the cap of a week.

Everything that depends on a zone is worked out here, zone by zone; the statement that writes the audience looks it up.
Mail that is not marketing knows neither quiet hours nor a cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from accounts.models import Organization, OverCap
from accounts.zones import zone_names
from campaigns.slowing import SlowDown
from campaigns.zones import QuietHours, moment_of, next_moment, read_local, zone_of_countries
from delivery.models import Mailing, Message, Purpose

# The attribute that says a person's zone, such as "America/Denver".
ATTRIBUTE = "timezone"
WEEK = timedelta(days=7)
# How far ahead quiet hours are looked up at launch. What is put off for longer is held when its time comes.
AHEAD, AHEAD_WITH_CAP = timedelta(days=3), timedelta(days=10)

# The person's own word, else their country, else the one that their language names ("fr-CA"), else the organization's.
_ZONE_OF = """coalesce(own.zone, known.zone, spoken.zone, %(home)s)"""
_ZONES = """
      LEFT JOIN unnest(%(zones)s::text[]) AS own (zone) ON own.zone = p.attributes ->> %(attribute)s
      LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS known (code, zone)
        ON known.code = p.country
      LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS spoken (code, zone)
        ON p.country = '' AND spoken.code = upper(substring(p.locale from '[-_]([A-Za-z]{2})$'))"""

_ZONES_OF_AUDIENCE = f"""
SELECT DISTINCT {_ZONE_OF}
  FROM (%(audience)s) AS audience JOIN participants_participant p ON p.id = audience.id {_ZONES}
"""  # noqa: S608 - made of constants

# Marketing that a person got, may have got, or is about to get, newest first.
_RECENT = """
    SELECT m.participant_id, array_agg(s.at ORDER BY s.at DESC) AS moments
      FROM delivery_message m JOIN delivery_mailing g ON g.id = m.mailing_id
     CROSS JOIN LATERAL (SELECT coalesce(m.sent_at, CASE WHEN m.status = 'unknown' THEN m.decided_at END,
                                         greatest(m.due_at, %(now)s)) AS at) s
     WHERE m.organization_id = %(organization)s AND g.organization_id = %(organization)s
       AND g.purpose = 'marketing' AND m.mailing_id <> %(mailing)s AND m.participant_id IS NOT NULL
       AND m.status IN ('queued', 'claimed', 'sending', 'sent', 'unknown')
       AND (g.finished_at IS NULL OR g.finished_at > %(now)s - %(week)s) AND s.at > %(now)s - %(week)s
     GROUP BY m.participant_id"""

# Of an audience, those who get fewer emails for having done nothing by themselves for long.
_SLOW = """slow AS MATERIALIZED (
    SELECT audience.id FROM audience JOIN (%(slow)s) AS silent (id) ON silent.id = audience.id
),
"""
_RECENT_OF_THE_SLOW = """recent.participant_id = timed.id
      LEFT JOIN slow ON slow.id = timed.id"""
# What would be one too many is left out: put off, it would pile up for as long as they do nothing.
_IS_SLOWED = "coalesce(slow.id IS NOT NULL AND recent.moments[%(slow_cap)s::int] + %(week)s > timed.due, false)"


def _expand(*, slow: str, recent_of: str, is_slowed: str) -> str:
    """One statement: who, in which zone, at which moment, not too many a week, not in the quiet hours."""
    return f"""
WITH audience AS MATERIALIZED (%(audience)s),
{slow}placed AS (
    SELECT p.id, {_ZONE_OF} AS zone
      FROM audience JOIN participants_participant p ON p.id = audience.id {_ZONES}
), timed AS (
    SELECT placed.id, placed.zone, coalesce(own.due, %(now)s) AS due
      FROM placed LEFT JOIN unnest(%(zones)s::text[], %(dues)s::timestamptz[]) AS own (zone, due)
        ON own.zone = placed.zone
), recent AS ({_RECENT}
), capped AS (
    SELECT timed.id, timed.zone, timed.due, recent.moments[%(cap)s::int] + %(week)s AS free_at,
           {is_slowed} AS is_slowed
      FROM timed LEFT JOIN recent ON {recent_of}
), spaced AS (
    SELECT id, zone, due, is_slowed, free_at > due AS is_over, greatest(due, free_at) AS at FROM capped
)
INSERT INTO delivery_message (organization_id, mailing_id, participant_id, status, due_at, held_for, opens, clicks,
                              opens_reason, clicks_reason, attempts, error, provider_id, news, news_words, queued_at)
SELECT %(organization)s, %(mailing)s, spaced.id,
       CASE WHEN spaced.is_slowed THEN 'slowed' WHEN left_out.is_so THEN 'capped' ELSE 'queued' END,
       CASE WHEN NOT left_out.is_so AND leaves.at > %(now)s THEN leaves.at END,
       CASE WHEN left_out.is_so OR leaves.at <= %(now)s THEN ''
            WHEN spaced.is_over THEN 'cap' WHEN quiet.ends IS NOT NULL THEN 'quiet' ELSE 'zone' END,
       '', '', '', '', 0, '', '', '', '', %(now)s
  FROM spaced
  LEFT JOIN unnest(%(quiet_zones)s::text[], %(quiet_begins)s::timestamptz[], %(quiet_ends)s::timestamptz[])
       AS quiet (zone, begins, ends)
    ON quiet.zone = spaced.zone AND spaced.at >= quiet.begins AND spaced.at < quiet.ends
 CROSS JOIN LATERAL (SELECT spaced.is_slowed OR coalesce(spaced.is_over, false) AND %(leave_out)s AS is_so) AS left_out
 CROSS JOIN LATERAL (SELECT coalesce(quiet.ends, spaced.at) AS at) AS leaves
"""  # noqa: S608 - made of constants


_EXPAND = _expand(slow="", recent_of="%(cap)s::int IS NOT NULL AND recent.participant_id = timed.id", is_slowed="false")
_EXPAND_SLOWER = _expand(slow=_SLOW, recent_of=_RECENT_OF_THE_SLOW, is_slowed=_IS_SLOWED)

# What became due in the meantime while its person's clock says quiet: a large launch, a resumed one, a second try.
_HOLD = f"""
UPDATE delivery_message AS m SET due_at = quiet.ends, held_for = 'quiet'
  FROM participants_participant p {_ZONES}
  JOIN unnest(%(quiet_zones)s::text[], %(quiet_ends)s::timestamptz[]) AS quiet (zone, ends)
    ON quiet.zone = {_ZONE_OF}
 WHERE m.organization_id = %(organization)s AND m.mailing_id = %(mailing)s AND m.status = 'queued'
   AND (m.due_at IS NULL OR m.due_at <= %(now)s) AND p.id = m.participant_id
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Schedule:
    """What decides when the messages of a launch leave."""

    # Naive, as ``zones.write_local`` writes it; empty: at the same moment for all.
    local_at: str = ""
    quiet: QuietHours | None = None
    cap: int | None = None
    leaves_out: bool = False
    slow: SlowDown | None = None

    @property
    def is_plain(self) -> bool:
        """Whether everybody's message may leave at once."""
        return not self.local_at and self.quiet is None and self.cap is None and self.slow is None


def schedule_of(
    organization: Organization, purpose: Purpose | str, local_at: str = "", *, slow: SlowDown | None = None
) -> Schedule:
    """What the organization set, and a website's rule for people who are not active, count for marketing only."""
    if purpose != Purpose.MARKETING:
        return Schedule(local_at)
    return Schedule(
        local_at,
        quiet_hours_of(organization),
        organization.weekly_cap,
        leaves_out=organization.over_cap == OverCap.LEFT_OUT,
        slow=slow,
    )


def quiet_hours_of(organization: Organization) -> QuietHours | None:
    """When nobody gets marketing, if the organization has such hours."""
    if organization.quiet_from is None or organization.quiet_until is None:
        return None
    return QuietHours(organization.quiet_from, organization.quiet_until)


def write_messages(
    organization: Organization,
    mailing: Mailing,
    schedule: Schedule,
    audience: tuple[str, Sequence[Any]],
    *,
    now: datetime,
) -> int:
    """Write one message for each person of an audience (a query for their ids), due when it may leave."""
    if schedule.cap is not None or schedule.slow is not None:
        # Two launches at once would not see each other's messages.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    zones = zone_names()
    parameters = _parameters(organization) | {
        "mailing": mailing.pk,
        "now": now,
        "week": WEEK,
        "dues": _dues(schedule, zones, now=now),
        "cap": schedule.cap,
        "leave_out": schedule.leaves_out,
        **_quiet(schedule, zones, now=now),
    }
    statement, queries = _EXPAND, {"audience": audience}
    if schedule.slow is not None:
        statement = _EXPAND_SLOWER
        queries["slow"] = schedule.slow.people.order_by().values("id").query.sql_with_params()
        parameters["slow_cap"] = schedule.slow.cap
    return _execute(statement + one_each(mailing), queries, parameters)


def one_each(mailing: Mailing) -> str:
    """What ends a statement that writes the messages of a mailing, so that nobody gets two of it.

    The first time there is nobody to be found, and looking for them would be a tenth of the work. Whoever gets theirs
    while the statement runs makes it fail; it is repeated then.
    """
    if not Message.objects.filter(mailing=mailing, by_call=False).exists():
        return ""
    return " ON CONFLICT (participant_id, mailing_id, nullif(by_call, true)) DO NOTHING"


def earliest_start(
    organization: Organization, local: datetime, audience: tuple[str, Sequence[Any]], *, now: datetime
) -> datetime:
    """When a launch by people's own clocks begins: in the zone of its audience where it is that time first."""
    query, values = _with_queries(_ZONES_OF_AUDIENCE, {"audience": audience}, _parameters(organization))
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        zones = {zone for (zone,) in cursor.fetchall()} | {organization.timezone}
    return min(next_moment(local, zone, now=now) for zone in zones)


def hold_in_quiet_hours(organization: Organization, mailing: Mailing, *, now: datetime) -> int:
    """Put off what is due now of a marketing mailing and whose person's clock says quiet. Returns how much."""
    schedule = schedule_of(organization, mailing.purpose)
    if schedule.quiet is None:
        return 0
    quiet = [
        (zone, ends)
        for zone in zone_names()
        for begins, ends in schedule.quiet.stretches(zone, since=now, until=now + timedelta(seconds=1))
        if begins <= now < ends
    ]
    if not quiet:
        return 0
    zones, ends = zip(*quiet, strict=True)
    parameters = _parameters(organization) | {
        "mailing": mailing.pk,
        "now": now,
        "quiet_zones": list(zones),
        "quiet_ends": list(ends),
    }
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, parameters)
        return int(cursor.rowcount)


def _parameters(organization: Organization) -> dict[str, Any]:
    countries = zone_of_countries()
    return {
        "organization": organization.pk,
        "home": organization.timezone,
        "attribute": ATTRIBUTE,
        "zones": list(zone_names()),
        "countries": list(countries),
        "country_zones": list(countries.values()),
    }


def _dues(schedule: Schedule, zones: Sequence[str], *, now: datetime) -> list[datetime]:
    if not schedule.local_at:
        return [now for _zone in zones]
    local = read_local(schedule.local_at)
    return [next_moment(local, zone, now=now) for zone in zones]


def _quiet(schedule: Schedule, zones: Sequence[str], *, now: datetime) -> dict[str, list[Any]]:
    found: list[tuple[str, datetime, datetime]] = []
    if schedule.quiet is not None:
        until = now + (AHEAD if schedule.cap is None else AHEAD_WITH_CAP)
        found = [
            (zone, begins, ends)
            for zone in zones
            for begins, ends in schedule.quiet.stretches(zone, since=now, until=until)
        ]
    return {
        "quiet_zones": [zone for zone, _begins, _ends in found],
        "quiet_begins": [begins for _zone, begins, _ends in found],
        "quiet_ends": [ends for _zone, _begins, ends in found],
    }


def _with_queries(
    statement: str, queries: Mapping[str, tuple[str, Sequence[Any]]], parameters: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    """A statement with named placeholders around Django's queries, which count their own."""
    values: list[Any] = []

    class Names(dict[str, Any]):
        def __missing__(self, name: str) -> str:
            if name in queries:
                query, counted = queries[name]
                values.extend(counted)
                return query
            values.append(parameters[name])
            return "%s"

    return statement % Names(), values


def _execute(statement: str, queries: Mapping[str, tuple[str, Sequence[Any]]], parameters: Mapping[str, Any]) -> int:
    query, values = _with_queries(statement, queries, parameters)
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return int(cursor.rowcount)


def due_at_home(organization: Organization, local: datetime) -> datetime:
    """The moment of a local time where the organization is."""
    return moment_of(local, organization.timezone)
