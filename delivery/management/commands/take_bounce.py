"""Take a bounce from standard input, for a mail server that hands mail to a program."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from delivery.returns import take_bounce


class Command(BaseCommand):
    help = "Read one delivery report (RFC 3464) or complaint (RFC 5965) from standard input."

    def handle(self, *args: Any, **options: Any) -> None:
        known = take_bounce(sys.stdin.buffer.read(), now=timezone.now())
        # Never an error: a mail server would send a bounce about the bounce.
        self.stdout.write("taken" if known else "not about a message of ours")
