"""Look for changes of the consent history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Organization
from accounts.selectors import find_organizations
from common.tenancy import tenant
from consent.models import ChoiceEvent, LedgerAnchor
from consent.verification import verify_ledger

PROBLEMS_SHOWN = 100


class Command(BaseCommand):
    help = (
        "Look for changed, removed or reordered events of the consent history, for seals that do not fit, and for "
        "choices that the events do not say. Ends with 1 when something is wrong."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", help="its name or public id; without it, all of them")
        parser.add_argument(
            "--anchors", type=Path, metavar="FILE", help="anchors that were exported earlier and kept elsewhere"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["organization"]
        organizations = (
            find_organizations(wanted) if wanted else list(Organization.objects.using("owner").order_by("pk"))
        )
        if wanted and len(organizations) != 1:
            raise CommandError(f"{len(organizations)} organizations are called {wanted!r}")
        wrong = sum(self._verify(organization, options["anchors"]) for organization in organizations)
        if wrong:
            raise CommandError(f"{wrong} problems", returncode=1)

    def _verify(self, organization: Organization, anchors: Path | None) -> int:
        wrong = 0
        with tenant(organization.pk):
            kept = anchors.read_text(encoding="utf-8").splitlines() if anchors else None
            for problem in verify_ledger(organization, kept_anchors=kept):
                wrong += 1
                if wrong <= PROBLEMS_SHOWN:
                    self.stdout.write(self.style.ERROR(f"{organization.name}: {problem}"))
            events = ChoiceEvent.objects.filter(organization=organization)
            seals = LedgerAnchor.objects.filter(organization=organization)
            sealed = seals.order_by("-number").values_list("up_to_id", flat=True).first() or 0
            if not wrong:
                self.stdout.write(
                    f"{organization.name}: whole. {events.count()} events, {seals.count()} anchors,"
                    f" {events.filter(id__gt=sealed).count()} events not sealed yet."
                )
        return wrong
