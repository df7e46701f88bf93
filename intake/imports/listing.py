"""What is listed about the rows of a file, for its error file."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from accounts.models import Organization
from intake.models import Import, ImportIssue
from intake.readers.rows import Listed, shorten

_LIST = """
INSERT INTO intake_importissue (organization_id, source_id, row, "column", value, issue)
SELECT %s, %s, * FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[])"""


def list_rows(organization: Organization, source: Import, listed: Sequence[Listed]) -> None:
    """Keep what is listed about rows, up to a limit; ``counts["listed"]`` says how many there were."""
    room = ImportIssue.LIMIT - source.counts.get("listed", 0)
    source.counts["listed"] = source.counts.get("listed", 0) + len(listed)
    kept = listed[: max(room, 0)]
    if kept:
        rows, columns, values, issues = zip(*kept, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                _LIST,
                [
                    organization.pk,
                    source.pk,
                    list(rows),
                    list(columns),
                    [shorten(value) for value in values],
                    list(issues),
                ],
            )
