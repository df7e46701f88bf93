"""The navigation of the console. A function, since Unfold asks for it per request."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def _item(title: Any, icon: str, url_name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(url_name)}


def console_menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups and entries of the sidebar."""
    return [
        {"items": [_item(_("Overview"), "dashboard", "admin:index")]},
        {
            "title": _("Publishing"),
            "separator": True,
            "items": [
                _item(_("Websites"), "language", "admin:websites_website_changelist"),
                _item(_("Campaigns"), "campaign", "admin:campaigns_campaign_changelist"),
                _item(_("Emails"), "mail", "admin:campaigns_email_changelist"),
            ],
        },
        {
            "title": _("People"),
            "separator": True,
            "items": [
                _item(_("Participants"), "group", "admin:participants_participant_changelist"),
                _item(_("Imports"), "upload_file", "admin:intake_import_changelist"),
                _item(_("Suppressed addresses"), "block", "admin:delivery_suppression_changelist"),
            ],
        },
        {
            "title": _("Results"),
            "separator": True,
            "items": [
                _item(_("Reports"), "bar_chart", "admin:campaigns_launch_changelist"),
                _item(_("Mailbox"), "inbox", "admin:delivery_caughtmessage_changelist"),
            ],
        },
        {
            "title": _("Settings"),
            "separator": True,
            "items": [
                _item(_("Organization"), "settings", "admin:accounts_organization_changelist"),
                _item(_("Members"), "badge", "admin:accounts_membership_changelist"),
            ],
        },
    ]
