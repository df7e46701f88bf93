"""Sent copies and hits, written without the services, for tests of what the hit statement makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

from accounts.models import Organization
from common.keys import new_key
from common.tenancy import tenant
from consent.models import Choice
from participants.models import Participant
from tracking.batch import Batch
from tracking.models import AnonymousContent, AnonymousTotal, Hit, LastOpenDay, TrackedContent, TrackedMessage
from tracking.recorder import CONNECTION, OPEN, RECORD_HITS
from websites.models import MeasurementPermission, Website
from websites.services import ensure_default_scope

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DECIDED_AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Copies:
    """A website with its content, on which measurable copies can be made."""

    organization: Organization
    website: Website
    content: TrackedContent

    def permit(self, country: str = "BE", **moments: datetime | None) -> None:
        with tenant(self.organization.pk):
            MeasurementPermission.objects.update_or_create(
                organization=self.organization,
                website=self.website,
                country=country,
                defaults={"scope_id": self.website.consent_scope_id} | moments,
            )

    def person(self, **choice: Any) -> Participant:
        """A participant; with a choice only when its moments are given."""
        name = f"{new_key().hex}@example.org"
        with tenant(self.organization.pk):
            person = Participant.objects.create(organization=self.organization, email=name, email_norm=name)
            if choice:
                own_choice(self.website, person.pk, **choice).save(force_insert=True)
        return person

    def copy(self, person: Participant | None = None, *, country: str = "BE", **fields: Any) -> TrackedMessage:
        """A sent copy on which everything may be measured, unless ``fields`` say otherwise."""
        person = person or self.person()
        values = {"opens": "individual", "clicks": "individual", "decided_at": DECIDED_AT, "key": new_key()} | fields
        with tenant(self.organization.pk):
            return TrackedMessage.objects.create(
                organization=self.organization,
                content=self.content,
                website=self.website,
                participant=person,
                country=country,
                **values,
            )

    def shared(self, *countries: str, **fields: Any) -> AnonymousContent:
        """The address under which copies of these countries are counted."""
        values = {"opens_countries": countries, "clicks_countries": countries, "decided_at": DECIDED_AT} | fields
        with tenant(self.organization.pk):
            return AnonymousContent.objects.create(
                organization=self.organization, key=new_key(), content=self.content, website=self.website, **values
            )

    def totals(self) -> dict[tuple[int, int, int], int]:
        """How often each kind of hit was counted without anybody behind it: by kind, link and actor."""
        with tenant(self.organization.pk):
            rows = AnonymousTotal.objects.filter(content=self.content)
            return {(row.kind, row.link_number, row.actor): row.hits for row in rows}

    def last_open_days(self) -> dict[int, date]:
        """By participant."""
        with tenant(self.organization.pk):
            return dict(LastOpenDay.objects.values_list("participant_id", "day"))

    def hits(self) -> list[Hit]:
        with tenant(self.organization.pk):
            return list(Hit.objects.filter(content=self.content).order_by("id"))


def own_choice(website: Website, participant_id: int, **columns: Any) -> Choice:
    """What somebody chose for the website, not saved."""
    return Choice(
        organization_id=website.organization_id,
        participant_id=participant_id,
        scope_id=website.consent_scope_id,
        **columns,
    )


def make_copies(organization: Organization) -> Copies:
    """Belgians who did not say no may be measured on it, and have been for long."""
    with tenant(organization.pk):
        scope = ensure_default_scope(organization, now=LONG_AGO)
        website = Website.objects.create(
            organization=organization, name=new_key().hex, country="BE", consent_scope=scope
        )
        content = TrackedContent.objects.create(organization=organization, website=website)
    copies = Copies(organization, website, content)
    copies.permit(
        opens_with_yes_since=LONG_AGO,
        opens_unless_no_since=LONG_AGO,
        clicks_with_yes_since=LONG_AGO,
        clicks_unless_no_since=LONG_AGO,
    )
    return copies


def batch_of(*keys: str, kind: int = OPEN, link_number: int = 0, actor: int = 1) -> Batch:
    batch = Batch()
    for key in keys:
        batch.add(key, kind, link_number, actor)
    return batch


@contextmanager
def recorder_connection() -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.RECORDER_DATABASE_URL, **CONNECTION) as connection:
        yield connection


def store(batch: Batch) -> int:
    """Run the hit statement once, as the recorder role. How many hits were added."""
    with recorder_connection() as connection:
        return connection.execute(RECORD_HITS, batch.parameters()).rowcount


_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"


def fingerprint() -> Mapping[str, Sequence[Any]]:
    """What every table holds, as (rows, newest writing transaction), and where every sequence stands."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        found: dict[str, Sequence[Any]] = {}
        for table in tables:
            cursor.execute(f'SELECT count(*), max(xmin::text::bigint), max(xmax::text::bigint) FROM "{table}"')  # noqa: S608
            found[table] = cursor.fetchone()
        cursor.execute("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
        found["sequences"] = cursor.fetchall()
    return found


def row_versions() -> Mapping[str, frozenset[Any]]:
    """Every version of every row there is, by table, and where each sequence stands. For small databases."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(_TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f'SELECT tableoid, ctid::text, xmin::text, xmax::text FROM ONLY "{table}"')  # noqa: S608
            found[table] = frozenset(cursor.fetchall())
        cursor.execute("SELECT sequencename, last_value FROM pg_sequences")
        return found | {"sequences": frozenset(cursor.fetchall())}


def changed_rows(before: Mapping[str, frozenset[Any]], after: Mapping[str, frozenset[Any]]) -> dict[str, int]:
    """How many rows of which table are new, changed or gone; a changed row counts once."""
    counts = {
        name: max(len(after[name] - before.get(name, frozenset())), len(before.get(name, frozenset()) - after[name]))
        for name in after
    }
    return {name: count for name, count in counts.items() if count}


def forget_hits() -> None:
    """Hits belong to no test case's tables, since their model is not managed."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("TRUNCATE tracking_hit")
