"""From the key in an address to the one thing that it opens (rule H3)."""

from __future__ import annotations

from common.keys import decode_key
from common.tenancy import call_door


def _through(door: str, key: str) -> tuple[int, int] | None:
    decoded = decode_key(key)
    if decoded is None:
        return None
    rows = call_door(door, [decoded])
    return (rows[0][0], rows[0][1]) if rows else None


def participant_of_preference_key(key: str) -> tuple[int, int] | None:
    """(organization id, participant id) behind /p/<key>, None for a key that means nothing."""
    return _through("door_preference_key", key)


def message_of_unsubscribe_key(key: str) -> tuple[int, int] | None:
    """(organization id, message id) behind /u/<key>, None for a key that means nothing."""
    return _through("door_unsubscribe_key", key)


def mask_email(email: str) -> str:
    """``a…@e….org``: enough for its owner to know it again, too little for anybody else."""
    local, _at, domain = email.rpartition("@")
    name, _dot, ending = domain.rpartition(".")
    return f"{local[:1]}…@{name[:1]}….{ending}"
