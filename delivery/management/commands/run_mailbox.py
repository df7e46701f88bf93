"""manage.py run_mailbox"""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from delivery.mailbox import run_mailbox
from delivery.transports import MAILBOX_HOST


class Command(BaseCommand):
    help = "Run the built-in mailbox: an SMTP server on this machine whose messages are read in the console."
    # `manage.py prepare` has run them; the mailbox should be there at once.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        port = settings.MAILBOX_PORT
        if not port:
            raise CommandError("Set PLI_MAILBOX_PORT to the port that the mailbox shall listen on.")
        try:
            asyncio.run(self._serve(port))
        except OSError as error:
            raise CommandError(f"The mailbox cannot listen on {MAILBOX_HOST}:{port}: {error.strerror}") from error

    async def _serve(self, port: int) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        ready = asyncio.Event()
        server = asyncio.create_task(run_mailbox(port, stop=stop, ready=ready))
        announce = asyncio.create_task(ready.wait())
        await asyncio.wait((server, announce), return_when=asyncio.FIRST_COMPLETED)
        if ready.is_set():
            self.stdout.write(f"The mailbox listens on {MAILBOX_HOST}:{port}.")
            # Whoever waits for it through a pipe is not to wait until the mailbox ends.
            self.stdout.flush()
        announce.cancel()
        await server
