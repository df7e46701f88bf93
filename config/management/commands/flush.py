from typing import Any

from django.core.management.commands.flush import Command as FlushCommand
from django.db import connections


class Command(FlushCommand):
    """Django's flush, as the owner role: the app role may not empty tables."""

    def handle(self, **options: Any) -> None:
        if options["database"] == "default":
            options["database"] = "owner"
        super().handle(**options)
        # Hits are no managed model, so Django does not know their table.
        with connections["owner"].cursor() as cursor:
            cursor.execute("TRUNCATE tracking_hit")
