"""Replay the journal of withdrawals after a restore."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from privacy.services.replay import replay_journal


class Command(BaseCommand):
    help = "Withdraw and erase again what people withdrew and erased since the backup that was restored."

    def handle(self, *args: Any, **options: Any) -> None:
        done = +replay_journal(now=timezone.now())
        if done:
            self.stdout.write("Replayed: " + ", ".join(f"{act} {count}" for act, count in sorted(done.items())))
