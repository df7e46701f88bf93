"""Short ways to an import through the services of the product."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile

from accounts.models import Organization, User
from common.tenancy import tenant
from intake.imports import run_import
from intake.models import Import, ImportIssue
from intake.services import ImportPlan, prepare_import, upload_import

PROVENANCE = {
    "where": "shop.example",
    "collected_at": "2024-05-01",
    "wording": "May we measure opens and clicks?",
    "evidence": "crm",
    "vouched_by": "Ana",
}


def prepare(
    organization: Organization,
    text: str | bytes,
    *,
    now: datetime,
    kind: str = "participants",
    author: User | None = None,
    mapping: dict[str, str] | None = None,
    **plan: Any,
) -> Import:
    """An import that waits for its run."""
    content = text.encode() if isinstance(text, str) else text
    with tenant(organization.pk):
        source = upload_import(
            organization, file=ContentFile(content), filename="people.csv", kind=kind, author=author, now=now
        )
        planned = ImportPlan(mapping={**source.mapping, **(mapping or {})}, **plan)
        return prepare_import(organization, source, planned, now=now)


def import_text(organization: Organization, text: str | bytes, *, now: datetime, **options: Any) -> Import:
    """An import run to its end."""
    source = prepare(organization, text, now=now, **options)
    return run_import(organization.pk, source.pk, clock=lambda: now)


def counted(source: Import) -> dict[str, int]:
    """What was counted, without zeros."""
    return {name: count for name, count in source.counts.items() if count}


def issues_of(source: Import) -> list[tuple[int, str, str]]:
    with tenant(source.organization_id):
        issues = ImportIssue.objects.filter(source=source).order_by("row", "id")
        return list(issues.values_list("row", "column", "issue"))
