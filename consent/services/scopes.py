"""Consent scopes: the websites that one yes covers (rules C8). Moving a website takes two people, see proposals."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import Organization, Role, User
from consent.imports import Answers, record_choices
from consent.models import Choice
from consent.rules import ChoiceValue, Source
from consent.services.choices import record_choice
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


# Whoever refused where the website was, by the kind that they refused.
_REFUSERS = """
CREATE TEMP TABLE consent_refuser ON COMMIT DROP AS
SELECT c.participant_id, p.ledger_id,
       CASE WHEN c.opens = 'no' THEN 'no' END AS opens, CASE WHEN c.clicks = 'no' THEN 'no' END AS clicks
  FROM consent_choice c JOIN participants_participant p ON p.id = c.participant_id
 WHERE c.organization_id = %s AND c.scope_id = %s AND 'no' IN (c.opens, c.clicks)"""


def carry_refusals(
    organization: Organization, before: ConsentScope, after: ConsentScope, *, author: User, now: datetime
) -> None:
    """Take along who refused, when a website moves to another scope: a person's own no wins (rules S4, C8).

    It holds for all of the new scope then, over a yes there too: who said no to a website is not measured on it.
    """
    if before.pk == after.pk:
        return
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.consent_refuser")
        cursor.execute(_REFUSERS, [organization.pk, before.pk])
    evidence = {"consent_scope": before.pk}
    answers = Answers(
        source=Source.MEMBER, method="scope_change", happened_at=now, evidence=evidence, actor=author, scope=after
    )
    record_choices(organization, table="consent_refuser", answers=answers, now=now)
    objections = Choice.objects.filter(organization=organization, scope=before, anonymous_objected_at__isnull=False)
    for choice in objections.select_related("participant").iterator():
        record_choice(
            organization, choice.participant, opens=None, clicks=None, anonymous=ChoiceValue.NO, scope=after,
            source=Source.MEMBER, method="scope_change", happened_at=now, now=now, evidence=evidence, actor=author,
        )  # fmt: skip
