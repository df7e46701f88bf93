"""Count the opens and clicks of emails anew from their rows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.models import Launch
from reporting.rollups import HitsGoneError, rebuild


class Command(BaseCommand):
    help = (
        "Count opens and clicks of launched emails anew from their rows. An email of which rows were deleted since "
        "keeps the figures that were reported (rule C11), and the command ends with 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--launch", type=int, action="append", metavar="N", help="the number in a report's address")
        which.add_argument("--all", action="store_true", help="every email of every organization")

    def handle(self, *args: Any, **options: Any) -> None:
        launches = Launch.objects.using("owner").order_by("pk")
        if not options["all"]:
            launches = launches.filter(pk__in=options["launch"])
        found = list(launches.values_list("pk", "mailing__snapshot__tracked_content"))
        missing = set(options["launch"] or ()) - {pk for pk, _content in found}
        if missing:
            raise CommandError(f"There is no launch {', '.join(map(str, sorted(missing)))}. Nothing was counted.")
        kept = sum(not self._rebuild(pk, content) for pk, content in found)
        if kept:
            raise CommandError(f"Reports that stay as they are: {kept}", returncode=1)

    def _rebuild(self, launch: int, content: int) -> bool:
        try:
            hits = rebuild(content)
        except HitsGoneError:
            self.stderr.write(f"Launch {launch}: rows were deleted since, so what was reported stays.")
            return False
        self.stdout.write(f"Launch {launch}: {hits} hits counted")
        return True
