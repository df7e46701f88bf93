"""Carries out how long an organization keeps what is about people, and says what was done (rule U4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from accounts import audit
from accounts.models import Organization, User
from campaigns.models import DeclaredReply, Participation
from common.tenancy import tenant
from consent.selectors import local_day
from delivery.models import CaughtMessage, ServiceMessage
from intake.forgetting import forget_samples, old_exports, old_imports, remove_exports, remove_files
from intake.models import Confirmation, ImportIssue, Submission
from participants.services import keep_activity
from privacy.models import (
    FreshLink,
    Keeping,
    KeepingRun,
    OrganizationExport,
    PersonRequest,
    RequestState,
    SealedProof,
)
from privacy.registers import keeping_of
from privacy.rules import add_months
from privacy.services.activity import without_activity
from privacy.services.erasure import let_go
from privacy.services.organization_export import remove_organization_exports
from tracking.forgetting import delete_orphaned_hits, forget_old_hits, hit_keeping
from tracking.models import HitKeeping

# Rows of one transaction: other writers never wait long for one.
BATCH = 1000
PEOPLE_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class _Limits:
    """The first day that is kept of each kind; None: everything is."""

    keeping: Keeping
    today: date
    zone: ZoneInfo

    def months(self, count: int | None) -> datetime | None:
        return None if count is None else self._begin(add_months(self.today, -count))

    def days(self, count: int) -> datetime:
        return self._begin(self.today - timedelta(days=count))

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.zone)


@dataclass(frozen=True, slots=True)
class _Work:
    organization: Organization
    limits: _Limits
    now: datetime
    only_count: bool


def apply_retention(
    organization: Organization, *, now: datetime, only_count: bool = False, actor: User | None = None
) -> KeepingRun:
    """Remove what is kept too long, in small transactions, and note what and how much. ``only_count`` removes nothing.

    Not inside a transaction of the caller's, unless it only counts: what is done stands even if something stops it.
    """
    with tenant(organization.pk):
        keeping, hits = keeping_of(organization), hit_keeping(organization)
        zone = ZoneInfo(organization.timezone)
        limits = _Limits(keeping, local_day(organization, now), zone)
        run = KeepingRun.objects.create(
            organization=organization,
            started_at=now,
            only_counted=only_count,
            started_by=actor,
            limits=_limits_in_force(keeping) | {"hits_months": hits.months},
        )
    work = _Work(organization, limits, now, only_count)
    for name, carry_out in STEPS.items():
        run.counts[name] = carry_out(work)
        with tenant(organization.pk):
            KeepingRun.objects.filter(organization=organization, pk=run.pk).update(counts=run.counts)
    with tenant(organization.pk):
        run.finished_at = now
        run.save(update_fields=["finished_at"])
    return run


def _limits_in_force(keeping: Keeping) -> dict[str, int | None]:
    fields = (field.name for field in Keeping._meta.fields if field.name.endswith(("_months", "_days")))
    return {name: getattr(keeping, name) for name in fields}


def save_keeping(
    organization: Organization, keeping: Keeping, *, hits_months: int, on_withdrawal: str, actor: User, now: datetime
) -> None:
    """Keep new limits. They count from the next night on."""
    with transaction.atomic():
        before = _all_limits(organization)
        keeping.organization, keeping.changed_at, keeping.changed_by = organization, now, actor
        keeping.save()
        HitKeeping.objects.update_or_create(
            organization=organization, defaults={"months": hits_months, "on_withdrawal": on_withdrawal}
        )
        after = _all_limits(organization)
        changed = {name: [before[name], value] for name, value in after.items() if before[name] != value}
        audit.record(organization, actor=actor, action="settings:retention:change", details=changed, now=now)


def _all_limits(organization: Organization) -> dict[str, int | str | None]:
    hits = hit_keeping(organization)
    own: dict[str, int | str | None] = {"hits_months": hits.months, "on_withdrawal": str(hits.on_withdrawal)}
    return {**_limits_in_force(keeping_of(organization)), **own}


# --- Each kind ------------------------------------------------------------------------------------------------------


def _hits(work: _Work) -> int:
    with tenant(work.organization.pk):
        months = hit_keeping(work.organization).months
    before = add_months(work.limits.today, -months)
    return forget_old_hits(work.organization.pk, before=before, only_count=work.only_count)


def _orphans(work: _Work) -> int:
    return 0 if work.only_count else delete_orphaned_hits(work.organization.pk, before=work.now - timedelta(days=1))


def _participants(work: _Work) -> int:
    before = work.limits.months(work.limits.keeping.participants_months)
    if before is None:
        return 0
    with tenant(work.organization.pk):
        inactive = without_activity(work.organization, since=before)
        if work.only_count:
            return inactive.count()
    gone = 0
    while True:
        with tenant(work.organization.pk):
            people = list(inactive.order_by("pk")[:PEOPLE_AT_ONCE])
            for person in people:
                let_go(work.organization, person, now=work.now)
        gone += len(people)
        if len(people) < PEOPLE_AT_ONCE:
            return gone


def _participations(work: _Work) -> int:
    before = work.limits.months(work.limits.keeping.participations_months)
    if before is None:
        return 0
    rows = Participation.objects.filter(organization=work.organization, participated_at__lt=before)
    return _delete(work, rows, acted="participated_at")


def _entries(work: _Work) -> int:
    """What people typed into the forms of a contest, with the tie to who they are."""
    before = work.limits.months(work.limits.keeping.participations_months)
    if before is None:
        return 0
    rows = Submission.objects.filter(organization=work.organization, submitted_at__lt=before)
    return _delete(work, rows, acted="submitted_at")


def _answers(work: _Work) -> int:
    """What people answered to emails is of the same kind as what they entered in a contest."""
    before = work.limits.months(work.limits.keeping.participations_months)
    if before is None:
        return 0
    rows = DeclaredReply.objects.filter(organization=work.organization, answered_at__lt=before)
    return _delete(work, rows, acted="answered_at")


def _requests(work: _Work) -> int:
    before = work.limits.months(work.limits.keeping.requests_months)
    closed = PersonRequest.objects.filter(organization=work.organization, answered_at__lt=before)
    return _delete(work, closed.exclude(state=RequestState.OPEN), acted="created_at")


def _proofs(work: _Work) -> int:
    return _delete(work, SealedProof.objects.filter(organization=work.organization, destroy_on__lt=work.limits.today))


def _service_messages(work: _Work) -> int:
    before = work.limits.days(work.limits.keeping.service_messages_days)
    mine = ServiceMessage.objects.filter(organization=work.organization)
    # To an address that belongs to nobody here, as after an erasure: there is no reason to keep it for long.
    strangers = Q(participant=None, queued_at__lt=work.limits.days(7))
    return _delete(work, mine.filter(Q(queued_at__lt=before) | strangers))


def _links(work: _Work) -> int:
    """Links to one's own data and confirmations of addresses are over soon, and kept as long as their mails."""
    before = work.limits.days(work.limits.keeping.service_messages_days)
    links = FreshLink.objects.filter(organization=work.organization, expires_at__lt=before)
    over = Q(confirmed_at__isnull=False) | Q(waiting={})
    asked = Confirmation.objects.filter(over, organization=work.organization, expires_at__lt=before)
    return _delete(work, links) + _delete(work, asked)


def _imports(work: _Work) -> int:
    before = work.limits.days(work.limits.keeping.imports_days)
    with tenant(work.organization.pk):
        old = old_imports(work.organization, before=before)
        with_files = old.exclude(file="")
        exports = old_exports(work.organization, before=before)
        if work.only_count:
            return with_files.count() + exports.count()
        removed = remove_files(with_files) + remove_exports(exports)
        forget_samples(old)
    _delete(work, ImportIssue.objects.filter(organization=work.organization, source__in=old))
    return removed


def _mailbox(work: _Work) -> int:
    before = work.limits.days(work.limits.keeping.mailbox_days)
    return _delete(work, CaughtMessage.objects.filter(organization=work.organization, received_at__lt=before))


def _exports(work: _Work) -> int:
    """Files of the whole organization, once nobody needs to fetch them any more."""
    with tenant(work.organization.pk):
        over = OrganizationExport.objects.filter(organization=work.organization, expires_at__lt=work.now)
        return over.exclude(file="").count() if work.only_count else remove_organization_exports(over)


def _delete(work: _Work, rows: QuerySet[Any], *, acted: str = "") -> int:
    """Rows of one table, so many at a time. ``acted``: when somebody did by themselves what each tells of.

    Of that the day is kept with the person: what they did goes on to say how long they stay.
    """
    with tenant(work.organization.pk):
        if work.only_count:
            return rows.count()
    gone = 0
    while True:
        with tenant(work.organization.pk):
            numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
            if acted and numbers:
                _keep_activity(work, rows.model._default_manager.filter(pk__in=numbers), acted)
            rows.model._default_manager.filter(organization=work.organization, pk__in=numbers).delete()
        gone += len(numbers)
        if len(numbers) < BATCH:
            return gone


def _keep_activity(work: _Work, rows: QuerySet[Any], acted: str) -> None:
    mine = rows.filter(organization=work.organization, participant__isnull=False)
    latest = mine.order_by().values_list("participant").annotate(at=Max(acted))
    keep_activity(work.organization, {person: local_day(work.organization, at) for person, at in latest})


STEPS: dict[str, Callable[[_Work], int]] = {
    "hits": _hits,
    "orphaned_hits": _orphans,
    "participants": _participants,
    "participations": _participations,
    "entries": _entries,
    "answers": _answers,
    "requests": _requests,
    "proofs": _proofs,
    "service_messages": _service_messages,
    "links": _links,
    "imports": _imports,
    "mailbox": _mailbox,
    "exports": _exports,
}
