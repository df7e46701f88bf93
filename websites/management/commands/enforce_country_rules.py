from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from websites.models import EmailTrackingVersion, MeasurementPermission, Website
from websites.services import enforce_country_rules


class Command(BaseCommand):
    help = "Put French websites that the country rule has not met yet on Never track, in all organizations."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done and change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        enforce_country_rules(
            websites=Website,
            versions=EmailTrackingVersion,
            permissions=MeasurementPermission,
            now=timezone.now(),
            log=self.stdout.write,
            dry_run=options["dry_run"],
        )
