"""Fill in the demonstration organization."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.seed.demo import Demo, SeedRefused
from config.seed.places import OFFICER, OWNER


class Command(BaseCommand):
    help = "Fill in the demonstration organization: websites, people, campaigns, and one newsletter on its way."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--launch",
            action="store_true",
            help="send the newsletter although mail leaves by a mail server of yours (its recipients do not exist)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run again, it adds what is missing. The sign-in is written last: it says that all is there."""
        launch = options["launch"] or not settings.SMTP_URL
        demo = Demo(say=self.stdout.write)
        try:
            demo.fill(launch=launch)
        except SeedRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        if not launch:
            self.stdout.write("PLI_SMTP_URL is set, so nothing was sent to people who do not exist; --launch sends it.")
        path = Path(settings.PLI_HOME) / "demo.json"
        if not path.exists() or not demo.can_sign_in:
            password = secrets.token_urlsafe(12)
            demo.set_password(password)
            write_privately(path, json.dumps({"email": OWNER.email, "password": password}))
        self.stdout.write(f"Sign in as {OWNER.email}; the password is in {path}.")
        self.stdout.write(
            f"What measures more takes two people: {OWNER.email} proposes it, and {OFFICER.email} (the data protection"
            " officer) confirms it. Both have the same password; a private window holds the second sign-in."
        )


def write_privately(path: Path, text: str) -> None:
    """A file that only its owner can read, there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)
