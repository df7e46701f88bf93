"""manage.py rotate_secrets: after a new secret was put first in PLI_SECRET_KEY, seal everything under it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.sealed import rotate


class Command(BaseCommand):
    help = "Seal every stored secret under the first of PLI_SECRET_KEY. Can be broken off and run again."

    def handle(self, *args: Any, **options: Any) -> None:
        done = rotate()
        self.stdout.write(f"Sealed again: {done.sealed}. Were so already: {done.current}.")
        if done.unreadable:
            raise CommandError(
                f"No secret in PLI_SECRET_KEY opens {done.unreadable} values. Put the older one back behind the first."
            )
