"""What the web process asks before an organization is entered. No models: this is imported before Django is set up."""

from __future__ import annotations

from django.db import connection

from common.tenancy import call_door


def tracking_domains() -> frozenset[str]:
    """The hosts of all websites' tracked links. Called from a thread of its own, so it leaves no connection behind."""
    try:
        return frozenset(domain for _, domain in call_door("door_tracking_domains"))
    finally:
        connection.close()
