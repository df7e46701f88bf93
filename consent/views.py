"""Parts of console pages that several places show. The console checks the member and gives the organization."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Organization, Role, User
from consent.forms import NoteForm
from consent.models import LegalJustification, PolicyProposal, ProposalState
from consent.reasons import COLUMNS, MEASUREMENTS, RULE_KEYS, RULE_VALUES, SURENESSES
from consent.selectors import (
    country_name,
    local_day,
    measurements_in_use,
    notice_covers,
    open_proposals,
    proposals_of,
    running,
)
from consent.services import role_in, sentence_of, why_it_no_longer_fits, why_not_confirm_proposal
from websites.models import EmailTrackingVersion, VersionSource, Website
from websites.rules import Column, EmailTracking, RuleCell, RuleKey, column, in_force, rule_table
from websites.selectors import tracking_history


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


# --- History ----------------------------------------------------------------------------------------------------------


def history_rows(organization: Organization, website: Website) -> list[dict[str, Any]]:
    """Everything that happened to what a website measures, latest first: versions, stops, and proposals that were not
    confirmed (a confirmed one is a version with both names)."""
    versions = list(tracking_history(organization, website).select_related("author", "proposed_by")[:100])
    rows = [
        _version_row(version, versions[place + 1] if place + 1 < len(versions) else None)
        for place, version in enumerate(versions)
    ]
    decided = proposals_of(organization, website).filter(state__in=[ProposalState.DECLINED, ProposalState.WITHDRAWN])
    rows += [
        {
            "when": one.decided_at,
            "number": "",
            "who": one.decided_by,
            "proposed_by": one.proposed_by,
            "changes": [sentence_of(one)],
            "how": one.get_state_display(),
            "reason": one.decision_note or one.reason,
        }
        for one in decided[:100]
    ]
    return sorted(rows, key=lambda row: row["when"], reverse=True)


_SHOWN = ("email_tracking", "country", "declared_country", "opens_fallback", "clicks_fallback", "for_professionals")


def _version_row(version: EmailTrackingVersion, before: EmailTrackingVersion | None) -> dict[str, Any]:
    changes = [
        _change_line(version, before, name)
        for name in _SHOWN
        if before is not None and getattr(version, name) != getattr(before, name)
    ]
    if before is not None and version.consent_scope_name != before.consent_scope_name:
        changes.append(_("Consent scope") + f": {before.consent_scope_name or '–'} → {version.consent_scope_name}")
    if before is None:
        changes.append(f"{version.get_email_tracking_display()} · {country_name(str(version.country))}")
    reason = version.reason
    if version.source == VersionSource.COUNTRY_RULE and not reason:
        reason = _("French websites start on Never track.")
    return {
        "when": version.created_at,
        "number": version.number,
        "who": version.author,
        "proposed_by": version.proposed_by,
        "changes": changes,
        "how": version.get_source_display(),
        "reason": reason,
    }


def _change_line(version: EmailTrackingVersion, before: EmailTrackingVersion, name: str) -> str:
    label = str(getattr(Website._meta.get_field(name), "verbose_name", name))
    return f"{label[:1].upper()}{label[1:]}: {_shown(before, name)} → {_shown(version, name)}"


def _shown(version: EmailTrackingVersion, name: str) -> str:
    if name == "for_professionals":
        return _("Yes") if version.for_professionals else _("No")
    if name in ("country", "declared_country"):
        return getattr(version, name).name or "–"
    display: Callable[[], str] = getattr(version, f"get_{name}_display")
    return str(display())


# --- What is missing --------------------------------------------------------------------------------------------------


def missing_notices(organization: Organization, website: Website, *, now: datetime) -> list[str]:
    """Each kind of measurement that the website is set to and that some notice does not tell of (rules S13)."""
    if website.email_tracking == EmailTracking.NEVER:
        return []
    told = notice_covers(organization, website, now=now)
    return [str(MEASUREMENTS[one]) for one in measurements_in_use(website) if one not in told]


# --- The rule table ---------------------------------------------------------------------------------------------------


def rule_table_rows(organization: Organization, *, now: datetime) -> list[dict[str, Any]]:
    """Every cell with what it says, on what it rests, how sure we are, and what the organization justified."""
    day = local_day(organization, now)
    justified = list(
        running(LegalJustification.objects.filter(organization=organization), day).select_related("website")
    )
    return [
        {
            "key": RULE_KEYS[key],
            "cells": [_cell_row(in_force(rule_table()[key, place], day), justified) for place in Column],
        }
        for key in RuleKey
    ]


def _cell_row(found: RuleCell, justified: list[LegalJustification]) -> dict[str, Any]:
    return {
        "column": COLUMNS[found.column],
        "value": RULE_VALUES[found.value],
        "asks": found.asks_for_consent,
        "source": found.source,
        "sureness": SURENESSES[found.sureness],
        "since": found.valid_from,
        "version": found.version,
        "collected_before": found.collected_before,
        "informed_by": found.informed_by,
        "loosened": [
            {
                "it": one,
                "countries": ", ".join(country_name(code) for code in one.countries if column(code) == found.column),
            }
            for one in justified
            if found.key in one.rule_keys and any(column(code) == found.column for code in one.countries)
        ],
    }
