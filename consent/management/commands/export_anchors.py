"""Write the anchors of the consent history, for whoever is to keep them outside of this database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.selectors import find_organizations
from common.tenancy import tenant
from consent.services.sealing import anchor_lines


class Command(BaseCommand):
    help = "Write an organization's anchors as JSON lines. They name nobody."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", required=True, help="its name or public id")
        parser.add_argument("--output", type=Path, help="a file; without it, standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        organizations = find_organizations(options["organization"])
        if len(organizations) != 1:
            raise CommandError(f"{len(organizations)} organizations are called {options['organization']!r}")
        (organization,) = organizations
        with tenant(organization.pk):
            if options["output"]:
                with options["output"].open("w", encoding="utf-8") as file:
                    file.writelines(anchor_lines(organization))
            else:
                for line in anchor_lines(organization):
                    sys.stdout.write(line)
