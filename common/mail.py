"""What keeps a mail from leaving, for whoever sends one and does not know by which way."""

from __future__ import annotations


class MailTroubleError(Exception):
    """It did not leave. ``refused``: the server takes none for this address, and trying again changes nothing."""

    refused = False
