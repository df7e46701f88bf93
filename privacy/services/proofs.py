"""Sealed proofs of an erased person's consent: two people open one, with a reason that stays (rule D2)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet
from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Membership, Organization, User
from common.crypto import decrypt_secret, encrypt_secret
from consent.selectors import local_day
from delivery.refusals import address_digest, ensure_address_key
from participants.models import Participant
from participants.rules import normalise_email
from privacy.models import ProofOpening, SealedProof
from privacy.registers import keeping_of
from privacy.rules import add_months, may_open_proof


class ProofRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """A sealed proof stays shut; the message is for the member who asked."""


def seal_proof(
    organization: Organization, participant: Participant, content: dict[str, Any], *, now: datetime
) -> SealedProof:
    """Lock what proves a person's past choices away, under a key of its own, until its time has come."""
    key = Fernet.generate_key()
    day = local_day(organization, now)
    return SealedProof.objects.create(
        organization=organization,
        digest=address_digest(ensure_address_key(organization, now=now), participant.email_norm),
        sealed=Fernet(key).encrypt(json.dumps(content, ensure_ascii=False, default=str).encode()).decode(),
        wrapped_key=encrypt_secret(key.decode()),
        sealed_at=now,
        destroy_on=add_months(day, keeping_of(organization).proofs_months),
    )


def find_proofs(organization: Organization, address: str, *, now: datetime) -> list[SealedProof]:
    """The sealed proofs of whoever had an address. Nobody can list whose they are."""
    digest = address_digest(ensure_address_key(organization, now=now), normalise_email(address))
    found = SealedProof.objects.filter(organization=organization, digest=digest).order_by("sealed_at")
    return list(found)


def ask_to_open(
    organization: Organization, proof: SealedProof, *, reason: str, actor: User, now: datetime
) -> ProofOpening:
    """Ask for a sealed proof. Nothing is read before the other of the two agrees."""
    if not reason.strip():
        raise ProofRefused(_("Say what the proof is needed for: the reason is kept."))
    if _role(organization, actor) not in ("owner", "dpo"):
        raise ProofRefused(_("An owner and the data protection officer open a proof together."))
    audit.record(organization, actor=actor, action="proof:ask", target=f"proof {proof.pk}", now=now)
    return ProofOpening.objects.create(
        organization=organization, proof=proof, reason=reason.strip()[:500], asked_by=actor, asked_at=now
    )


def agree_to_open(organization: Organization, opening: ProofOpening, *, actor: User, now: datetime) -> ProofOpening:
    """The second of the two agrees."""
    with transaction.atomic():
        current = _lock_undecided(organization, opening)
        allowed = may_open_proof(
            asked_role=_role(organization, current.asked_by),
            agreed_role=_role(organization, actor),
            same_person=current.asked_by_id == actor.pk,
        )
        if not allowed:
            raise ProofRefused(_("An owner and the data protection officer open a proof together."))
        current.agreed_by, current.agreed_at = actor, now
        current.save(update_fields=["agreed_by", "agreed_at"])
        named = f"proof {current.proof_id}"
        audit.record(organization, actor=actor, action="proof:agree", target=named, now=now)
    return current


def acts_on(organization: Organization, opening: ProofOpening, *, actor: User) -> list[str]:
    """What a member can do about somebody's wish to open a proof: ``agree``, ``decline``, ``read``."""
    if opening.declined_at is not None or opening.proof_id is None:
        return []
    if opening.agreed_at is not None:
        return ["read"] if actor.pk in (opening.asked_by_id, opening.agreed_by_id) else []
    agrees = may_open_proof(
        asked_role=_role(organization, opening.asked_by),
        agreed_role=_role(organization, actor),
        same_person=opening.asked_by_id == actor.pk,
    )
    return ["agree", "decline"] if agrees else ["decline"]


def decline_to_open(organization: Organization, opening: ProofOpening, *, actor: User, now: datetime) -> ProofOpening:
    """Leave it shut."""
    with transaction.atomic():
        current = _lock_undecided(organization, opening)
        current.declined_at = now
        current.save(update_fields=["declined_at"])
        named = f"proof {current.proof_id}"
        audit.record(organization, actor=actor, action="proof:decline", target=named, now=now)
    return current


def read_proof(organization: Organization, opening: ProofOpening, *, actor: User, now: datetime) -> dict[str, Any]:
    """What is in it, for the two who opened it; each reading is noted."""
    with transaction.atomic():
        current = ProofOpening.objects.select_for_update(of=("self",)).get(organization=organization, pk=opening.pk)
        if current.agreed_at is None or actor.pk not in (current.asked_by_id, current.agreed_by_id):
            raise ProofRefused(_("Only the two people who opened it read a proof."))
        if current.proof is None:
            raise ProofRefused(_("The proof has been destroyed, as its time was over."))
        current.readings = [*current.readings, {"by": actor.pk, "at": now.isoformat()}]
        current.save(update_fields=["readings"])
        audit.record(organization, actor=actor, action="proof:read", target=f"proof {current.proof_id}", now=now)
        key = decrypt_secret(current.proof.wrapped_key)
        content: dict[str, Any] = json.loads(Fernet(key).decrypt(current.proof.sealed.encode()))
    return content


def _lock_undecided(organization: Organization, opening: ProofOpening) -> ProofOpening:
    current = ProofOpening.objects.select_for_update(of=("self",)).get(organization=organization, pk=opening.pk)
    if current.agreed_at is not None or current.declined_at is not None:
        raise ProofRefused(_("This was decided already."))
    return current


def _role(organization: Organization, user: User) -> str:
    membership = Membership.objects.filter(organization=organization, user=user).first()
    return membership.role if membership else ""
