"""What the console calls the actions of the audit trail."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ACTIONS: dict[str, str | Promise] = {
    "audit:trail:export": _("Audit trail exported"),
    "consent:move": _("Tracking consent moved"),
    "exemption:approved": _("Exemption approved"),
    "exemption:declined": _("Exemption declined"),
    "exemption:make": _("Exemption asked for"),
    "exemption:withdraw": _("Exemption withdrawn"),
    "impersonation:begin": _("Operator came in"),
    "impersonation:end": _("Operator left"),
    "justification:confirm": _("Justification confirmed"),
    "justification:make": _("Justification proposed"),
    "justification:opinion": _("Opinion given"),
    "justification:withdraw": _("Justification withdrawn"),
    "launch:begin": _("Launched"),
    "member:add": _("Member added by an operator"),
    "member:invite": _("Member invited"),
    "member:invite:fail": _("Invitation not delivered"),
    "member:invite:resend": _("Invitation sent again"),
    "member:invite:withdraw": _("Invitation withdrawn"),
    "member:join": _("Invitation accepted"),
    "member:leave": _("Member left"),
    "member:remove": _("Member removed"),
    "member:role:change": _("Role changed"),
    "notice:publish": _("Notice published"),
    "organization:create": _("Organization created"),
    "organization:departure:ask": _("Departure asked for"),
    "organization:export": _("Everything exported"),
    "people:export": _("Participants exported"),
    "people:import": _("Participants imported"),
    "person:erase": _("Person erased"),
    "person:export": _("Person exported"),
    "proof:agree": _("Opening of a proof agreed to"),
    "proof:ask": _("Opening of a proof asked for"),
    "proposal:confirmed": _("Proposal confirmed"),
    "proposal:declined": _("Proposal declined"),
    "proposal:make": _("More measuring proposed"),
    "proposal:opinion": _("Opinion given"),
    "proposal:withdrawn": _("Proposal withdrawn"),
    "row:add": _("Added"),
    "row:change": _("Changed"),
    "row:delete": _("Deleted"),
    "sending:cancel": _("Sending cancelled"),
    "sending:doubt:again": _("Sent again after a doubt"),
    "sending:doubt:count": _("Counted as sent after a doubt"),
    "sending:pause": _("Sending paused"),
    "sending:resume": _("Sending resumed"),
    "session:factor:add": _("Second factor added"),
    "session:factor:remove": _("Second factor removed"),
    "session:password:change": _("Password changed"),
    "session:sign_in": _("Signed in"),
    "session:sign_in:fail": _("Sign-in failed"),
    "settings:sign_in:changed": _("Rules of signing in changed"),
    "website:policy:change": _("What a website measures changed"),
}


def action_words(action: str) -> str:
    """An action as a member reads it; one without words of its own as it is written."""
    return str(ACTIONS.get(action, action))
