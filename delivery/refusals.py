"""Addresses that were erased, kept as keyed hashes so that nobody but the person brings them back (rule D2).

The key is random, one per organization, sealed under the installation's secrets. It never changes: the addresses are
gone, so nobody could hash them anew.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from accounts.models import Organization
from common.crypto import decrypt_secret, encrypt_secret
from common.journal import Act, write_acts
from common.tenancy import tenant
from consent.rules import ChoiceValue, Source
from consent.services import record_choice
from delivery.models import AddressKey, SuppressedHash, Suppression, SuppressionReason
from participants.models import Participant
from websites.models import ConsentScope

DIGEST_BYTES = 32
KINDS = ("opens", "clicks", "anonymous")


def address_digest(key: bytes, email_norm: str) -> bytes:
    """What stands for an address. Without the key it can be compared with nothing."""
    return hashlib.blake2b(email_norm.encode("utf-8", "surrogatepass"), key=key, digest_size=DIGEST_BYTES).digest()


def ensure_address_key(organization: Organization, *, now: datetime) -> bytes:
    """The organization's key, made with the first address that is erased."""
    with tenant(organization.pk):
        fresh = encrypt_secret(b64encode(secrets.token_bytes(32)).decode())
        row, _created = AddressKey.objects.get_or_create(
            organization=organization, defaults={"sealed": fresh, "created_at": now}
        )
        return b64decode(decrypt_secret(row.sealed))


def _known_key(organization: Organization) -> bytes | None:
    row = AddressKey.objects.filter(organization=organization).first()
    return b64decode(decrypt_secret(row.sealed)) if row else None


def suppress_hash(
    organization: Organization,
    email_norm: str,
    *,
    now: datetime,
    reasons: Sequence[str] = (),
    refused: Mapping[str, Sequence[str]] | None = None,
) -> bytes:
    """Keep an address out, with what was forbidden about it, and without the address. Says the digest."""
    with tenant(organization.pk):
        digest = address_digest(ensure_address_key(organization, now=now), email_norm)
        kept = {"reasons": sorted(set(reasons)), "refused": {str(k): list(v) for k, v in (refused or {}).items()}}
        SuppressedHash.objects.update_or_create(
            organization=organization, digest=digest, defaults=kept, create_defaults=kept | {"created_at": now}
        )
        return digest


def keep_digest_out(organization: Organization, digest: bytes, *, now: datetime) -> bool:
    """As ``suppress_hash``, for an address of which only the digest is left. False when it was kept out already."""
    with tenant(organization.pk):
        _row, created = SuppressedHash.objects.get_or_create(
            organization=organization, digest=digest, defaults={"created_at": now}
        )
        return created


def is_suppressed_hash(organization: Organization, email_norm: str) -> bool:
    """Whether an address was erased and its person has not come back. Ask before making a person of it."""
    return email_norm in erased_addresses(organization, [email_norm])


def keeps_addresses_out(organization: Organization) -> bool:
    """Whether anybody was erased at all: if not, nothing needs to be hashed."""
    with tenant(organization.pk):
        return SuppressedHash.objects.filter(organization=organization).exists()


def add_reason(organization: Organization, email_norm: str, reason: SuppressionReason | str) -> bool:
    """Note why no mail goes to an erased address, without the address. False when it was not erased."""
    with tenant(organization.pk):
        key = _known_key(organization)
        if key is None:
            return False
        rows = SuppressedHash.objects.select_for_update().filter(
            organization=organization, digest=address_digest(key, email_norm)
        )
        row = rows.first()
        if row is None:
            return False
        row.reasons = sorted({*row.reasons, SuppressionReason(reason).value})
        row.save(update_fields=["reasons"])
        return True


def erased_addresses(organization: Organization, norms: Iterable[str]) -> set[str]:
    """Of many addresses, those that were erased. Hashes nothing where nobody was."""
    with tenant(organization.pk):
        key = _known_key(organization)
        if key is None or not SuppressedHash.objects.filter(organization=organization).exists():
            return set()
        by_digest = {address_digest(key, norm): norm for norm in norms}
        found = SuppressedHash.objects.filter(organization=organization, digest__in=list(by_digest))
        return {by_digest[bytes(digest)] for digest in found.values_list("digest", flat=True)}


def welcome_back(organization: Organization, participant: Participant, *, now: datetime) -> bool:
    """Let an erased address in again, because its person came back by their own act: call it before noting that act.

    What they had forbidden holds again: marketing mail, and the measuring that they refused. Whatever they say now
    is newer, and counts. False when the address was never erased.
    """
    email_norm = participant.email_norm
    with tenant(organization.pk):
        key = _known_key(organization)
        if key is None:
            return False
        row = (
            SuppressedHash.objects.select_for_update()
            .filter(organization=organization, digest=address_digest(key, email_norm))
            .first()
        )
        if row is None:
            return False
        Suppression.objects.bulk_create(
            [
                Suppression(
                    organization=organization,
                    email_norm=email_norm,
                    reason=SuppressionReason(reason),
                    source="kept after an erasure",
                    created_at=row.created_at,
                )
                for reason in row.reasons
            ],
            ignore_conflicts=True,
        )
        _refuse_again(organization, participant, row, now=now)
        write_acts(Act.RETURNED, organization.pk, [participant.ledger_id], at=now, digest=bytes(row.digest).hex())
        row.delete()
        return True


def _refuse_again(organization: Organization, participant: Participant, row: SuppressedHash, *, now: datetime) -> None:
    scopes = ConsentScope.objects.filter(organization=organization, pk__in=[int(scope) for scope in row.refused])
    for scope in scopes.order_by("pk"):
        kinds = row.refused[str(scope.pk)]
        opens, clicks, anonymous = (ChoiceValue.NO if kind in kinds else None for kind in KINDS)
        record_choice(
            organization,
            participant,
            opens=opens,
            clicks=clicks,
            anonymous=anonymous,
            scope=scope,
            source=Source.PERSON,
            method="kept_refusal",
            happened_at=row.created_at,
            now=now,
        )
