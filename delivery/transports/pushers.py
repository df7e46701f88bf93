"""Which kind of endpoint an outside sender is."""

from __future__ import annotations

from delivery.transports.actito import ActitoPusher
from delivery.transports.push import JsonPusher, PushAccount, Pusher

ACTITO = "actito"


def pusher_for(account: PushAccount) -> Pusher:
    """What speaks to an endpoint."""
    return ActitoPusher(account) if account.adapter == ACTITO else JsonPusher(account)
