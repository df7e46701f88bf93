"""Writes of consent. One file per subject; everybody imports from here."""

from consent.services.changes import (
    BulkChange,
    PolicyOutcome,
    WebsitePolicy,
    change_email_tracking,
    change_email_tracking_of_many,
    change_website_country,
    change_website_policy,
    problems_of_policy,
)
from consent.services.choices import apply_move, record_choice, record_informed
from consent.services.justifications import (
    JustificationRefused,
    confirm_justification,
    give_justification_opinion,
    propose_justification,
    why_not_confirm,
    withdraw_justification,
)
from consent.services.policy import PolicyRefused, open_website, publish_notice, refresh_permissions
from consent.services.proposals import (
    ProposalRefused,
    confirm_proposal,
    decline_proposal,
    give_opinion,
    propose_change,
    sentence_of,
    why_it_no_longer_fits,
    why_not_confirm_proposal,
    withdraw_proposal,
)
from consent.services.scopes import create_scope, rename_scope
from consent.services.stops import stop_measuring
from consent.services.subscriptions import (
    confirm_subscription,
    end_pauses,
    ensure_preference_keys,
    pause_subscription,
    resume_subscription,
    subscribe,
    unsubscribe,
)
from consent.services.texts import publish_consent_text
from consent.services.two_people import (
    ceased_to_be,
    has_officer,
    role_in,
    why_not_second_person,
    why_not_tighten,
)

__all__ = [
    "BulkChange",
    "JustificationRefused",
    "PolicyOutcome",
    "PolicyRefused",
    "ProposalRefused",
    "WebsitePolicy",
    "apply_move",
    "ceased_to_be",
    "change_email_tracking",
    "change_email_tracking_of_many",
    "change_website_country",
    "change_website_policy",
    "confirm_justification",
    "confirm_proposal",
    "confirm_subscription",
    "create_scope",
    "decline_proposal",
    "end_pauses",
    "ensure_preference_keys",
    "give_justification_opinion",
    "give_opinion",
    "has_officer",
    "open_website",
    "pause_subscription",
    "problems_of_policy",
    "propose_change",
    "propose_justification",
    "publish_consent_text",
    "publish_notice",
    "record_choice",
    "record_informed",
    "refresh_permissions",
    "rename_scope",
    "resume_subscription",
    "role_in",
    "sentence_of",
    "stop_measuring",
    "subscribe",
    "unsubscribe",
    "why_it_no_longer_fits",
    "why_not_confirm",
    "why_not_confirm_proposal",
    "why_not_second_person",
    "why_not_tighten",
    "withdraw_justification",
    "withdraw_proposal",
]
