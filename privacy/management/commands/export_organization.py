"""Write everything of an organization into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.selectors import find_organizations
from privacy.services.organization_export import write_export


class Command(BaseCommand):
    help = "Write all rows of an organization into a zip file of JSON lines."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="its name, or its public id where two share a name")
        parser.add_argument("file", type=Path, help="the zip file to write; must not exist")

    def handle(self, *args: Any, **options: Any) -> None:
        found = find_organizations(options["organization"])
        if len(found) != 1:
            raise CommandError("There is no such organization, or more than one: give its public id.")
        path: Path = options["file"]
        try:
            # For nobody but whoever runs this.
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError as error:
            raise CommandError(f"{path} exists already.") from error
        with path.open("wb") as file:
            write_export(found[0], file, now=timezone.now())
        self.stdout.write(f"{path}: {path.stat().st_size} bytes")
