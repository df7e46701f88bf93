from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """What must be done before the services start; quick when there is nothing to do."""

    help = "Migrate the database, replay the journal of withdrawals, and collect the static files."

    def handle(self, *args: Any, **options: Any) -> None:
        # One process for both, since starting Django takes longer than either of them when nothing is new.
        call_command("migrate", interactive=False, stdout=self.stdout)
        # Before anything is sent: the database may have come from a backup (rule D3).
        call_command("replay_journal", stdout=self.stdout)
        call_command("collectstatic", interactive=False, verbosity=0, stdout=self.stdout)
