"""Writes of websites. One file per subject; everybody imports from here."""

from websites.services.french_rule import Enforced, enforce_country_rules
from websites.services.settings import (
    MOMENTS,
    NEVER_PERMITTED,
    LoosenedAloneError,
    change_policy,
    create_website,
    ensure_default_scope,
    lock_website,
    plain,
    save_details,
)
from websites.services.stops import stop_measuring, undo_stop

__all__ = [
    "MOMENTS",
    "NEVER_PERMITTED",
    "Enforced",
    "LoosenedAloneError",
    "change_policy",
    "create_website",
    "enforce_country_rules",
    "ensure_default_scope",
    "lock_website",
    "plain",
    "save_details",
    "stop_measuring",
    "undo_stop",
]
