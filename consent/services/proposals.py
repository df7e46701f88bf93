"""Proposals: a loosening that an owner asks for and a second person decides (rules D5).

Nothing changes before the confirmation. Then the website gets a version with both names, and what it permits begins at
that moment, so copies already sent stay as silent as they were (rules H1).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django_countries import countries

from accounts import audit
from accounts.models import Organization, User
from consent.models import PolicyProposal, ProposalKind, ProposalState
from consent.selectors import country_name, local_day, why_refused
from consent.services.policy import PolicyRefused, refresh_permissions
from consent.services.scopes import carry_refusals
from consent.services.two_people import (
    SECOND_PEOPLE,
    role_in,
    why_not_opinion,
    why_not_propose,
    why_not_second_person,
    why_not_without_opinion,
)
from websites import services as websites
from websites.models import ClicksFallback, ConsentScope, EmailTrackingChoice, OpensFallback, Website
from websites.rules import loosens
from websites.selectors import tracking_history

# Which proposal a field of the website belongs to.
KIND_OF: Mapping[str, ProposalKind] = {
    "email_tracking": ProposalKind.EMAIL_TRACKING,
    "country": ProposalKind.COUNTRY,
    "declared_country": ProposalKind.DECLARED_COUNTRY,
    "opens_fallback": ProposalKind.FALLBACK,
    "clicks_fallback": ProposalKind.FALLBACK,
    "for_professionals": ProposalKind.FOR_PROFESSIONALS,
    "consent_scope": ProposalKind.CONSENT_SCOPE,
}


class ProposalRefused(PolicyRefused):
    """A step of a proposal that this person cannot take now; the message is for them."""


def propose_change(
    organization: Organization,
    website: Website,
    *,
    kind: str,
    wanted: Mapping[str, Any],
    reason: str,
    author: User,
    now: datetime,
) -> PolicyProposal:
    """An owner asks for more to be measured on a website. The same wish again is the same proposal."""
    with transaction.atomic():
        current = websites.lock_website(organization, website.pk)
        refusal = why_not_propose(organization, author) or _why_not_wish(
            organization, current, ProposalKind(kind), wanted, now=now
        )
        if refusal is None and not reason.strip():
            refusal = _("Say why more is to be measured: the second person reads it, and it is kept.")
        if refusal:
            raise ProposalRefused(refusal)
        waiting = PolicyProposal.objects.filter(
            organization=organization, website=current, kind=kind, state=ProposalState.OPEN
        ).first()
        if waiting is not None and waiting.wanted == dict(wanted):
            return waiting
        if waiting is not None:
            raise ProposalRefused(
                _("Another proposal about this waits for a second person: it must be decided or withdrawn first.")
            )
        named = f"website {current.pk}"
        audit.record(organization, actor=author, action="proposal:make", target=named, details=dict(wanted), now=now)
        return PolicyProposal.objects.create(
            organization=organization,
            website=current,
            kind=kind,
            wanted=dict(wanted),
            reason=reason.strip()[:500],
            proposed_by=author,
            proposed_at=now,
        )


def _why_not_wish(
    organization: Organization, current: Website, kind: ProposalKind, wanted: Mapping[str, Any], *, now: datetime
) -> str | None:
    """Why a website cannot be asked to change so; None when it can."""
    if kind == ProposalKind.UNDO_STOP:
        return None if current.stopped_at else _("The measuring of this website is not stopped.")
    if not wanted or any(KIND_OF.get(name) != kind for name in wanted) or not _is_known(organization, wanted):
        return _("This is not something that a website can be set to.")
    day = local_day(organization, now)
    before = {name: websites.plain(getattr(current, name)) for name in wanted}
    if not all(loosens(name, before[name], value, on=day) for name, value in wanted.items()):
        return _("This measures no more than before, so it takes no second person: change it on the website's page.")
    if kind in (ProposalKind.EMAIL_TRACKING, ProposalKind.COUNTRY):
        tracking = str(wanted.get("email_tracking", current.email_tracking))
        country = str(wanted.get("country", current.country))
        return why_refused(organization, current, tracking=tracking, country=country, now=now)
    return None


def sentence_of(proposal: PolicyProposal) -> str:
    """What is asked for, in the words of the interface: "Email tracking: By consent"."""
    if proposal.kind == ProposalKind.UNDO_STOP:
        return _("Measure again after Stop measuring now")
    return ", ".join(_change_in_words(proposal, name, value) for name, value in sorted(proposal.wanted.items()))


def _change_in_words(proposal: PolicyProposal, field: str, value: Any) -> str:
    label = str(getattr(Website._meta.get_field(field), "verbose_name", field))
    return f"{label[:1].upper()}{label[1:]}: {_value_in_words(proposal, field, value)}"


def _value_in_words(proposal: PolicyProposal, field: str, value: Any) -> str:
    labels: dict[str, Any] = {
        "email_tracking": EmailTrackingChoice,
        "opens_fallback": OpensFallback,
        "clicks_fallback": ClicksFallback,
    }
    if field in labels:
        return str(labels[field](value).label)
    if field in ("country", "declared_country"):
        return country_name(value)
    if field == "consent_scope":
        scope = ConsentScope.objects.filter(organization_id=proposal.organization_id, pk=value).first()
        return scope.name if scope else "–"
    return _("Yes") if value else _("No")


def _is_known(organization: Organization, wanted: Mapping[str, Any]) -> bool:
    """Whether every value is one that its field may have."""
    known: dict[str, Any] = {
        "email_tracking": EmailTrackingChoice.values,
        "country": countries.countries,
        "declared_country": countries.countries,
        "opens_fallback": OpensFallback.values,
        "clicks_fallback": ClicksFallback.values,
        "for_professionals": (True,),
    }
    return all(
        ConsentScope.objects.filter(organization=organization, pk=value).exists()
        if name == "consent_scope"
        else value in known[name]
        for name, value in wanted.items()
    )


def confirm_proposal(
    organization: Organization, proposal: PolicyProposal, *, author: User, now: datetime, note: str = ""
) -> PolicyProposal:
    """The second person says yes, and the website changes now. ``note``: the officer's opinion, or what one types."""
    with transaction.atomic():
        website, current = _lock(organization, proposal)
        refusal = why_not_confirm_proposal(organization, current, author, now=now, note=note)
        if refusal:
            raise ProposalRefused(refusal)
        if not why_not_opinion(organization, author, note=note):
            _keep_opinion(current, author, note, now=now)
        _decide(current, ProposalState.CONFIRMED, author, note, now=now)
        _apply(organization, website, current, author=author, now=now)
    return current


def why_not_confirm_proposal(
    organization: Organization, proposal: PolicyProposal, author: User, *, now: datetime, note: str
) -> str | None:
    """Why this person cannot confirm it now; None when they can (rules D5)."""
    if proposal.state != ProposalState.OPEN:
        return _("This proposal is no longer waiting.")
    refusal = why_not_second_person(
        organization,
        author,
        proposed_by_id=proposal.proposed_by_id,
        proposed_at=proposal.proposed_at,
        now=now,
        note=note,
    )
    if refusal:
        return refusal
    misfit = why_it_no_longer_fits(organization, proposal, now=now)
    if misfit:
        return misfit
    return why_not_without_opinion(
        organization,
        author,
        given=proposal.dpo_opinion,
        proposed_at=proposal.proposed_at,
        now=now,
        note=note,
    )


def why_it_no_longer_fits(organization: Organization, proposal: PolicyProposal, *, now: datetime) -> str | None:
    """What has changed about the website since the proposal, so that another thing would be confirmed than was read."""
    website = proposal.website
    if proposal.kind == ProposalKind.UNDO_STOP:
        running = website.stops.filter(undone_at=None).first()
        if running is None:
            return _("This no longer fits: the measuring of this website is not stopped any more.")
        if running.stopped_at > proposal.proposed_at:
            return _("This no longer fits: the measuring of this website was stopped again.")
        return None
    history = tracking_history(organization, website)
    now_stands, then_stood = history.first(), history.filter(created_at__lte=proposal.proposed_at).first()
    if now_stands is not None and then_stood is not None:
        names = {"country", *proposal.wanted}
        if any(_value_in(now_stands, name) != _value_in(then_stood, name) for name in names):
            return _("This no longer fits: the website has been changed since the proposal. Propose it again.")
    return _why_not_wish(organization, website, ProposalKind(proposal.kind), proposal.wanted, now=now)


def _value_in(version: Any, field: str) -> Any:
    return version.consent_scope_name if field == "consent_scope" else getattr(version, field)


def decline_proposal(
    organization: Organization, proposal: PolicyProposal, *, author: User, now: datetime, note: str = ""
) -> PolicyProposal:
    """An owner or the data protection officer says no. Nothing changes."""
    with transaction.atomic():
        _website, current = _lock(organization, proposal)
        if role_in(organization, author) not in SECOND_PEOPLE:
            raise ProposalRefused(_("Only an owner or the data protection officer can decline it."))
        if current.proposed_by_id == author.pk:
            raise ProposalRefused(_("You proposed it yourself: withdraw it."))
        _require_open(current)
        # A no measures nothing, so an officer may leave it without an opinion.
        if not why_not_opinion(organization, author, note=note):
            _keep_opinion(current, author, note, now=now)
        _decide(current, ProposalState.DECLINED, author, note, now=now)
    return current


def withdraw_proposal(
    organization: Organization, proposal: PolicyProposal, *, author: User, now: datetime, note: str = ""
) -> PolicyProposal:
    """Whoever proposed it takes it back."""
    with transaction.atomic():
        _website, current = _lock(organization, proposal)
        if current.proposed_by_id != author.pk:
            raise ProposalRefused(_("Only whoever proposed it can withdraw it."))
        _require_open(current)
        _decide(current, ProposalState.WITHDRAWN, author, note, now=now)
    return current


def give_opinion(
    organization: Organization, proposal: PolicyProposal, *, author: User, now: datetime, note: str
) -> PolicyProposal:
    """The data protection officer's opinion. It binds nobody, and stays with the proposal."""
    with transaction.atomic():
        _website, current = _lock(organization, proposal)
        _require_open(current)
        refusal = why_not_opinion(organization, author, note=note)
        if refusal:
            raise ProposalRefused(refusal)
        _keep_opinion(current, author, note, now=now)
    return current


def _require_open(proposal: PolicyProposal) -> None:
    if proposal.state != ProposalState.OPEN:
        raise ProposalRefused(_("This proposal is no longer waiting."))


def _keep_opinion(proposal: PolicyProposal, author: User, opinion: str, *, now: datetime) -> None:
    proposal.dpo_opinion, proposal.dpo_opinion_by, proposal.dpo_opinion_at = opinion.strip(), author, now
    proposal.save(update_fields=["dpo_opinion", "dpo_opinion_by", "dpo_opinion_at"])
    named = f"proposal {proposal.pk}, website {proposal.website_id}"
    audit.record(proposal.organization, actor=author, action="proposal:opinion", target=named, now=now)


def _decide(proposal: PolicyProposal, state: ProposalState, author: User, note: str, *, now: datetime) -> None:
    proposal.state, proposal.decided_by, proposal.decided_at = state, author, now
    proposal.decision_note = note.strip()
    proposal.save(update_fields=["state", "decided_by", "decided_at", "decision_note"])
    named = f"proposal {proposal.pk}, website {proposal.website_id}"
    audit.record(proposal.organization, actor=author, action=f"proposal:{state.value}", target=named, now=now)


def _lock(organization: Organization, proposal: PolicyProposal) -> tuple[Website, PolicyProposal]:
    """The website first, as every change of what it measures does."""
    website = websites.lock_website(organization, proposal.website_id)
    found = PolicyProposal.objects.select_related("website", "proposed_by")
    return website, found.get(organization=organization, website=website, pk=proposal.pk)


def _apply(
    organization: Organization, website: Website, proposal: PolicyProposal, *, author: User, now: datetime
) -> None:
    wanted, by = proposal.wanted, proposal.proposed_by
    common: dict[str, Any] = {"author": author, "proposed_by": by, "reason": proposal.reason, "now": now}
    match ProposalKind(proposal.kind):
        case ProposalKind.UNDO_STOP:
            websites.undo_stop(organization, website, **common)
        case ProposalKind.CONSENT_SCOPE:
            scope = ConsentScope.objects.get(organization=organization, pk=wanted["consent_scope"])
            carry_refusals(organization, website.consent_scope, scope, author=author, now=now)
            websites.change_policy(organization, website, {"consent_scope": scope}, **common)
        case _:
            websites.change_policy(organization, website, wanted, **common)
    refresh_permissions(organization, website, now=now)
