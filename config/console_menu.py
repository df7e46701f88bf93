"""The navigation and the sheets of the console. Functions, since Unfold asks for them per request."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def console_stylesheet(request: HttpRequest) -> str:
    return static("console/console.css")


def console_script(request: HttpRequest) -> str:
    return static("console/console.js")


def console_icon(request: HttpRequest) -> str:
    return static("pli.svg")


def _item(title: Any, icon: str, url_name: str) -> dict[str, Any]:
    item = {"title": title, "icon": icon, "link": reverse_lazy(url_name)}
    listed = re.fullmatch(r"admin:([a-z]+)_([a-z]+)_changelist", url_name)
    return item | {"permission": partial(_may_see, listed[1], listed[2])} if listed else item


def _may_see(app_label: str, model_name: str, request: HttpRequest) -> bool:
    """Nobody is led to a list that is closed to their role."""
    # The settings name this module, and the admin cannot be imported before they are read.
    from django.contrib import admin

    return admin.site.get_model_admin(apps.get_model(app_label, model_name)).has_view_or_change_permission(request)


def _answers_for_rights(request: HttpRequest) -> bool:
    """Owners and the data protection officer."""
    membership = getattr(request, "membership", None)
    return membership is not None and membership.role in ("owner", "dpo")


def _duty(title: Any, icon: str, page: str) -> dict[str, Any]:
    item = _item(title, icon, f"admin:privacy_personrequest_{page}")
    # All of them are below the address of the register, which would be lit beside each.
    return item | {"permission": _answers_for_rights, "active": lambda request: request.path == str(item["link"])}


# Titles as in product.md; each group is a heading of the sidebar.
CONSOLE_MENU: list[dict[str, Any]] = [
    {"items": [_item(_("Overview"), "dashboard", "admin:index")]},
    {
        "title": _("Publishing"),
        "separator": True,
        "items": [
            _item(_("Websites"), "language", "admin:websites_website_changelist"),
            _item(_("Website advisor"), "fact_check", "admin:reporting_advisor"),
            _item(_("Campaigns"), "campaign", "admin:campaigns_campaign_changelist"),
            _item(_("Emails"), "mail", "admin:campaigns_email_changelist"),
            _item(_("Test groups"), "science", "admin:campaigns_trialgroup_changelist"),
            _item(_("Forms"), "dynamic_form", "admin:intake_entryform_changelist"),
        ],
    },
    {
        "title": _("People"),
        "separator": True,
        "items": [
            _item(_("Participants"), "group", "admin:participants_participant_changelist"),
            _item(_("Segments"), "filter_alt", "admin:campaigns_segment_changelist"),
            _item(_("Imports"), "upload_file", "admin:intake_import_changelist"),
            _item(_("Moved consents"), "move_down", "admin:intake_consentmove_changelist"),
            _item(_("Yeses without evidence"), "help", "admin:intake_consentmove_unproven")
            | {"permission": partial(_may_see, "participants", "participant")},
            _item(_("Exports"), "download", "admin:intake_peopleexport_changelist"),
            _item(_("Suppressed addresses"), "block", "admin:delivery_suppression_changelist"),
        ],
    },
    {
        "title": _("Privacy"),
        "separator": True,
        "items": [
            _duty(_("Requests of persons"), "contact_mail", "changelist"),
            _duty(_("Retention"), "auto_delete", "retention"),
            _duty(_("Inactivity"), "bedtime", "inactivity"),
            _duty(_("Sealed proofs"), "lock", "proofs"),
        ],
    },
    {
        "title": _("Results"),
        "separator": True,
        "items": [
            _item(_("Reports"), "bar_chart", "admin:campaigns_launch_changelist"),
            _item(_("All emails together"), "monitoring", "admin:reporting_organization"),
            _item(_("Reports by email"), "schedule_send", "admin:reporting_scheduled"),
            _item(_("May have been sent"), "contact_support", "admin:delivery_uncertainmessage_changelist"),
            _item(_("Mailbox"), "inbox", "admin:delivery_caughtmessage_changelist"),
        ],
    },
    {
        "title": _("Settings"),
        "separator": True,
        "items": [
            _item(_("Organization"), "settings", "admin:accounts_organization_changelist"),
            _item(_("Members"), "badge", "admin:accounts_membership_changelist"),
            _item(_("Audit trail"), "history", "admin:accounts_auditentry_changelist")
            | {"permission": _answers_for_rights},
            _item(_("Signing in"), "lock_person", "admin:accounts_sign_in"),
            _item(_("Connections"), "cable", "admin:delivery_connection_changelist"),
            _item(_("Websites' connections"), "route", "admin:delivery_websiteconnection_changelist"),
            _item(_("Signing keys"), "key", "admin:delivery_dkimkey_changelist"),
            _item(_("Sending and alerts"), "notifications", "admin:delivery_sendingrules_changelist"),
            _item(_("Consent scopes"), "join_inner", "admin:websites_consentscope_changelist"),
            _item(_("Rule table"), "gavel", "admin:consent_rule_table"),
            _item(_("Consent history"), "verified", "admin:consent_seals") | {"permission": _answers_for_rights},
            _item(_("Record of processing"), "assignment", "admin:reporting_processing"),
            _duty(_("Take everything, and leave"), "logout", "leave"),
        ],
    },
]
