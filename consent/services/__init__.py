"""Writes of consent. One file per subject; everybody imports from here."""

from consent.services.choices import apply_move, record_choice
from consent.services.justifications import (
    JustificationRefused,
    confirm_justification,
    propose_justification,
    why_not_confirm,
    withdraw_justification,
)
from consent.services.policy import (
    BulkChange,
    PolicyRefused,
    WebsitePolicy,
    change_email_tracking,
    change_email_tracking_of_many,
    change_website_country,
    change_website_policy,
    open_website,
    problems_of_policy,
    publish_notice,
    refresh_permissions,
)
from consent.services.subscriptions import (
    confirm_subscription,
    end_pauses,
    ensure_preference_keys,
    pause_subscription,
    resume_subscription,
    subscribe,
    unsubscribe,
)

__all__ = [
    "BulkChange",
    "JustificationRefused",
    "PolicyRefused",
    "WebsitePolicy",
    "apply_move",
    "change_email_tracking",
    "change_email_tracking_of_many",
    "change_website_country",
    "change_website_policy",
    "confirm_justification",
    "confirm_subscription",
    "end_pauses",
    "ensure_preference_keys",
    "open_website",
    "pause_subscription",
    "problems_of_policy",
    "propose_justification",
    "publish_notice",
    "record_choice",
    "refresh_permissions",
    "resume_subscription",
    "subscribe",
    "unsubscribe",
    "why_not_confirm",
    "withdraw_justification",
]
