"""Settings > Consent history: what is sealed, and the anchors to keep elsewhere. For owners and the officer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.utils.translation import gettext as _

from accounts.models import Organization, Role, User
from consent.models import ChoiceEvent, LedgerAnchor, LedgerKey
from consent.services import role_in
from consent.services.sealing import anchor_lines

# Who may take proofs and anchors out of the console.
PROVERS = frozenset({Role.OWNER, Role.DPO})
SEALS_SHOWN = 50


def _require_prover(organization: Organization, member: User) -> None:
    if role_in(organization, member) not in PROVERS:
        raise PermissionDenied


def seals_context(organization: Organization, member: User) -> dict[str, Any]:
    """What the page shows; PermissionDenied for everybody else."""
    _require_prover(organization, member)
    seals = LedgerAnchor.objects.filter(organization=organization).order_by("-number")
    latest = seals.first()
    events = ChoiceEvent.objects.filter(organization=organization)
    key = LedgerKey.objects.filter(organization=organization).order_by("-id").first()
    return {
        "title": _("Consent history"),
        "seals": [{"row": seal, "hash": bytes(seal.hash).hex()} for seal in seals[:SEALS_SHOWN]],
        "sealed": latest.number if latest else 0,
        "waiting": events.filter(id__gt=latest.up_to_id if latest else 0).count(),
        "key": bytes(key.public_key).hex() if key else "",
    }


def anchors_file(organization: Organization, member: User, *, now: datetime) -> HttpResponse:
    """All anchors as JSON lines; PermissionDenied for everybody else."""
    _require_prover(organization, member)
    response = HttpResponse("".join(anchor_lines(organization)), content_type="application/jsonl")
    response["Content-Disposition"] = f'attachment; filename="anchors-{now:%Y-%m-%d}.jsonl"'
    response["Cache-Control"] = "no-store"
    return response
