"""The audit trail: who did what in an organization, written in the transaction of what was done.

Entries name what was acted upon by its kind and number, or by a name that members gave it. They never hold an address,
a name or an answer of a participant, nor a secret: they stay longer than those may (docs/members.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import AuditEntry, Organization, User
from common.tenancy import tenant


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts: a member, or an operator in the place of a member."""

    member: User
    impersonator: User | None = None


_acting: ContextVar[Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(member: User, impersonator: User | None = None) -> Iterator[None]:
    """What is recorded within was done by them, unless the caller of ``record`` knows better."""
    token = _acting.set(Acting(member, impersonator))
    try:
        yield
    finally:
        _acting.reset(token)


def record(
    organization: Organization,
    *,
    actor: User | None,
    action: str,
    target: str = "",
    details: Mapping[str, Any] | None = None,
    now: datetime,
) -> None:
    """Add an entry, in the caller's transaction: what is rolled back leaves none.

    Without an ``actor`` it is whoever is signed in to the console, and Pli itself where nobody is. ``action`` is
    written ``subject:thing:action``; ``accounts/words.py`` has the words that the console shows for it.
    """
    member, impersonator = _who(actor)
    with tenant(organization.pk):
        AuditEntry.objects.create(
            organization=organization,
            at=now,
            action=action,
            target=target[:200],
            details=dict(details or {}),
            actor=member,
            actor_name=member.email if member else "",
            impersonator=impersonator,
            impersonator_name=impersonator.email if impersonator else "",
        )


def _who(actor: User | None) -> tuple[User | None, User | None]:
    acting = _acting.get()
    if acting is None:
        return actor, None
    # Services are told who is signed in. Under impersonation that is the operator, who stands in for a member.
    if actor is None or actor == acting.impersonator:
        return acting.member, acting.impersonator
    return actor, acting.impersonator
