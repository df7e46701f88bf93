"""Parts of console pages that several places show. The console checks the member and gives the organization."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import Organization, Role, User
from consent.forms import NoteForm
from consent.models import PolicyProposal
from consent.selectors import open_proposals
from consent.services import role_in, sentence_of, why_it_no_longer_fits, why_not_confirm_proposal
from websites.models import Website


def proposal_rows(
    organization: Organization, member: User, *, now: datetime, website: Website | None = None
) -> list[dict[str, Any]]:
    """Every proposal that waits, of one website or of all, with what this member can do about it."""
    role = role_in(organization, member)
    return [_row(organization, one, member, role, now=now) for one in open_proposals(organization, website)]


def _row(
    organization: Organization, proposal: PolicyProposal, member: User, role: str, *, now: datetime
) -> dict[str, Any]:
    misfit = why_it_no_longer_fits(organization, proposal, now=now)
    # Asked as if something were typed, since that can still be done.
    refusal = why_not_confirm_proposal(organization, proposal, member, now=now, note="…")
    return {
        "it": proposal,
        "website": proposal.website,
        "sentence": sentence_of(proposal),
        "misfit": misfit,
        "why_not": "" if misfit else refusal or "",
        "may_confirm": refusal is None,
        "may_decline": role in (Role.OWNER, Role.DPO) and proposal.proposed_by_id != member.pk,
        "may_withdraw": proposal.proposed_by_id == member.pk,
        "may_give_opinion": role == Role.DPO,
        "form": NoteForm(prefix=f"proposal-{proposal.pk}"),
    }
