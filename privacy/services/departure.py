"""An organization that leaves takes its data with it, and nothing of it stays (rule D4)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext as _
from psycopg import sql

from accounts import audit
from accounts.models import Membership, Organization, Role, User
from common.jobs import after_commit
from common.journal import Act, write_acts
from common.tenancy import tenant
from consent.services import ceased_to_be
from intake.models import Import, PeopleExport
from participants.services import wait_for_keepers
from privacy.models import Departure, OrganizationExport

DELETE_TASK = "privacy.delete_organization"
HOURS_ALONE = 24


class DepartureRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """The organization stays; the message is for the member who asked."""


def ask_departure(organization: Organization, *, typed_name: str, reason: str, actor: User, now: datetime) -> Departure:
    """An owner asks for everything to be deleted, typing the organization's name."""
    if _role(organization, actor) != Role.OWNER:
        raise DepartureRefused(_("Only an owner can ask for this."))
    if typed_name.strip() != organization.name:
        raise DepartureRefused(_("Type the name of the organization exactly as it stands above."))
    if not reason.strip():
        raise DepartureRefused(_("Say why the organization leaves."))
    if Departure.objects.filter(organization=organization).exists():
        raise DepartureRefused(_("This was asked for already."))
    audit.record(organization, actor=actor, action="organization:departure:ask", now=now)
    return Departure.objects.create(
        organization=organization, reason=reason.strip()[:500], asked_by=actor, asked_at=now
    )


def withdraw_departure(organization: Organization, *, actor: User, now: datetime) -> None:
    """The organization stays after all."""
    with transaction.atomic():
        waiting = Departure.objects.filter(organization=organization, confirmed_at__isnull=True)
        gone, _by_model = waiting.delete()
        if gone:
            audit.record(organization, actor=actor, action="organization:departure:withdraw", now=now)


def why_not_confirm_departure(organization: Organization, departure: Departure, *, actor: User, now: datetime) -> str:
    """Why this member cannot confirm it now; empty when they can."""
    if _role(organization, actor) not in (Role.OWNER, Role.DPO):
        return _("Another owner or the data protection officer confirms it.")
    if actor.pk != departure.asked_by_id:
        return ""
    others = Membership.objects.filter(organization=organization, role__in=[Role.OWNER, Role.DPO]).exclude(user=actor)
    if others.exists():
        return _("Another owner or the data protection officer confirms it.")
    if now < departure.asked_at + timedelta(hours=HOURS_ALONE):
        return _("There is nobody else to confirm it, so it can be confirmed 24 hours after it was asked for.")
    # Whoever takes the other out does not decide alone yet: that would be the way around them.
    if ceased_to_be(organization, Role.OWNER, Role.DPO, since=now - timedelta(hours=HOURS_ALONE)):
        return _("There has been nobody else to confirm it for less than 24 hours: it can be confirmed after that.")
    return ""


def confirm_departure(organization: Organization, *, actor: User, now: datetime) -> Departure:
    """The second person confirms, and everything goes. There is no way back."""
    with transaction.atomic():
        departure = Departure.objects.select_for_update(of=("self",)).get(organization=organization)
        if refusal := why_not_confirm_departure(organization, departure, actor=actor, now=now):
            raise DepartureRefused(refusal)
        departure.confirmed_by, departure.confirmed_at = actor, now
        departure.save(update_fields=["confirmed_by", "confirmed_at"])
        audit.record(organization, actor=actor, action="organization:departure:confirm", now=now)
        after_commit(DELETE_TASK, organization_id=organization.pk)
    return departure


def delete_organization(organization_id: int, *, now: datetime) -> bool:
    """Delete an organization whose departure was confirmed, as the owner role. False when there is nothing to do."""
    with tenant(organization_id):
        departure = Departure.objects.filter(organization=organization_id, confirmed_at__isnull=False).first()
        if departure is None:
            return False
        public_id = Organization.objects.get(pk=organization_id).public_id
        files = _files_of(organization_id)
    write_acts(Act.DEPARTED, organization_id, [public_id], at=now)
    remove_rows(organization_id)
    for name in files:
        default_storage.delete(name)
    return True


def _files_of(organization_id: int) -> list[str]:
    imports = Import.objects.filter(organization=organization_id).exclude(file="").values_list("file", flat=True)
    exports = OrganizationExport.objects.filter(organization=organization_id).exclude(file="")
    people = PeopleExport.objects.filter(organization=organization_id).exclude(file="").values_list("file", flat=True)
    return [*imports, *people, *exports.values_list("file", flat=True)]


_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE a.attname = 'organization_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relnamespace = 'public'::regnamespace"""


def remove_rows(organization_id: int) -> None:
    """Every row of an organization, in one transaction of the owner role; then accounts that belong to no other.

    Foreign keys are asked at its end, so that the order of the tables does not matter.
    """
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        _wait_for_senders(cursor, organization_id)
        wait_for_keepers(organization_id, using="owner")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        # The histories go too: here, it is meant.
        cursor.execute("SET LOCAL app.ledger_maintenance = 'on'")
        cursor.execute(_TABLES)
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT user_id FROM accounts_membership WHERE organization_id = %s", [organization_id])
        members = [user for (user,) in cursor.fetchall()]
        for table in tables:
            name = sql.Identifier(table)
            cursor.execute(sql.SQL("DELETE FROM {} WHERE organization_id = %s").format(name), [organization_id])
        cursor.execute("DELETE FROM accounts_organization WHERE id = %s", [organization_id])
    lonely = User.objects.using("owner").filter(pk__in=members, memberships__isnull=True)
    lonely.delete()


def _wait_for_senders(cursor: CursorWrapper, organization_id: int) -> None:
    """Let whoever launches, or adds a message, come to their end: they hold one of these first and people last.

    In their order, and as lightly as keeps them away: the plan of a next round refers to the email meanwhile.
    """
    for table in ("campaigns_email", "campaigns_launch", "delivery_mailing"):
        cursor.execute(
            sql.SQL("SELECT FROM {} WHERE organization_id = %s ORDER BY id FOR NO KEY UPDATE").format(
                sql.Identifier(table)
            ),
            [organization_id],
        )


def _role(organization: Organization, user: User) -> str:
    membership = Membership.objects.filter(organization=organization, user=user).first()
    return membership.role if membership else ""
