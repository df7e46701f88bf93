"""Carry out retention now, or count what it would remove."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts.models import Organization
from common.tenancy import call_door, tenant
from privacy.services.retention import apply_retention


class Command(BaseCommand):
    help = "Remove what every organization keeps too long, as it set; --dry-run counts and removes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and remove nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        for (number,) in sorted(call_door("door_organizations")):
            with tenant(number):
                organization = Organization.objects.get(pk=number)
            run = apply_retention(organization, now=timezone.now(), only_count=options["dry_run"])
            counts = ", ".join(f"{name} {count}" for name, count in run.counts.items() if count)
            self.stdout.write(f"{organization.name}: {counts or 'nothing'}")
