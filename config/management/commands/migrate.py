from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

from config.grants import apply_grants


class Command(MigrateCommand):
    """Django's migrate, as the owner role, followed by the grants of the other roles."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] == "default":
            options["database"] = "owner"
        super().handle(*args, **options)
        if not options.get("plan") and not options.get("check_unapplied"):
            apply_grants(connections["owner"])
