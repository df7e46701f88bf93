"""What the console calls the actions of the audit trail."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ACTIONS: dict[str, str | Promise] = {
    "audit:trail:export": _("Audit trail exported"),
    "impersonation:begin": _("Operator came in"),
    "impersonation:end": _("Operator left"),
    "member:add": _("Member added by an operator"),
    "member:invite": _("Member invited"),
    "member:invite:resend": _("Invitation sent again"),
    "member:invite:withdraw": _("Invitation withdrawn"),
    "member:join": _("Invitation accepted"),
    "member:leave": _("Member left"),
    "member:remove": _("Member removed"),
    "member:role:change": _("Role changed"),
    "organization:change": _("Organization changed"),
    "organization:create": _("Organization created"),
    "session:factor:add": _("Second factor added"),
    "session:factor:remove": _("Second factor removed"),
    "session:password:change": _("Password changed"),
    "session:sign_in": _("Signed in"),
    "session:sign_in:fail": _("Sign-in failed"),
}


def action_words(action: str) -> str:
    """An action as a member reads it; one without words of its own as it is written."""
    return str(ACTIONS.get(action, action))
