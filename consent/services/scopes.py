"""Consent scopes: the websites that one yes covers (rules C8). Moving a website takes two people, see proposals."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Organization, Role, User
from consent.services.policy import PolicyRefused
from consent.services.two_people import role_in
from websites.models import ConsentScope
from websites.services import ensure_default_scope


def create_scope(organization: Organization, *, name: str, author: User, now: datetime) -> ConsentScope:
    """A new scope, without websites yet: nobody's answer changes."""
    with transaction.atomic():
        ensure_default_scope(organization, now=now)
        _require(organization, author, name, besides=None)
        return ConsentScope.objects.create(organization=organization, name=name.strip(), created_at=now)


def rename_scope(organization: Organization, scope: ConsentScope, *, name: str, author: User) -> ConsentScope:
    """Another name for the same scope; what was answered in it stays."""
    with transaction.atomic():
        current = ConsentScope.objects.select_for_update().get(organization=organization, pk=scope.pk)
        _require(organization, author, name, besides=current)
        current.name = name.strip()
        current.save(update_fields=["name"])
    return current


def _require(organization: Organization, author: User, name: str, *, besides: ConsentScope | None) -> None:
    if role_in(organization, author) != Role.OWNER:
        raise PolicyRefused(_("Only an owner makes and names consent scopes."))
    if not name.strip():
        raise PolicyRefused(_("A consent scope needs a name."))
    same = ConsentScope.objects.filter(organization=organization, name=name.strip())
    if besides is not None:
        same = same.exclude(pk=besides.pk)
    if same.exists():
        raise PolicyRefused(_("There is a consent scope with this name already."))
