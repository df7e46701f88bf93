"""Writes of intake: uploading, starting and stopping imports, and changing one participant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import PurePath
from typing import Any, cast

from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.models import Campaign
from common.jobs import after_commit
from consent.models import Basis, InformedGround, Notice, Topic
from consent.rules import InformedRule
from consent.rules import Kind as ConsentKind
from consent.selectors import country_name, local_day
from consent.services import apply_move
from delivery.models import Suppression, SuppressionReason
from delivery.outside import mark_moved
from delivery.services import is_suppressed_hash, suppress
from intake.imports import open_import
from intake.models import Import, ImportKind, ImportState
from intake.proven import informed_rules
from intake.readers import examine_file
from intake.reasons import ERASED, INFORMED_PARTS, PROVENANCE_PARTS, file_problem_sentence
from intake.rules import (
    INFORMED,
    PROVENANCE,
    FileProblem,
    Kind,
    check_mapping,
    guess_mapping,
    has_consent,
    has_provenance,
    missing_informed,
    missing_provenance,
)
from participants.models import Participant
from participants.reasons import EMAIL_FAULTS
from participants.rules import Address, AddressError, parse_email
from tracking.services import change_participant_country
from websites.models import ConsentScope, Website
from websites.services import ensure_default_scope


class ImportRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """Something that cannot be done with a file or an import; the message is for the person who asked."""

    def __init__(self, message: str, *, field_name: str = "") -> None:
        super().__init__(message)
        # Where the wizard asks for it; empty where it is about the whole.
        self.field_name = field_name


class ParticipantRefused(Exception):  # noqa: N818 - as above
    """A change of a participant that cannot be made; the message is for the person who asked."""

    def __init__(self, message: str, *, field_name: str) -> None:
        super().__init__(message)
        self.field_name = field_name


# --- Imports --------------------------------------------------------------------------------------------------------


def upload_import(
    organization: Organization, *, file: File[bytes], filename: str, kind: str, author: User | None, now: datetime
) -> Import:
    """Keep a file and find out what it is. A file that cannot be read to its end is refused and not kept."""
    source = Import(
        organization=organization,
        kind=ImportKind(kind),
        filename=PurePath(filename).name[:255],
        created_by=author,
        created_at=now,
    )
    source.file.save(filename, file, save=False)
    try:
        layout = examine_file(lambda: open_import(source))
    except FileProblem as problem:
        source.file.delete(save=False)
        raise ImportRefused(file_problem_sentence(problem)) from problem
    source.layout, source.rows_total = asdict(layout), layout.rows
    source.mapping = guess_mapping(layout.header, kind=Kind(kind))
    source.save()
    audit.record(organization, actor=author, action="people:import:upload", target=f"import {source.pk}", now=now)
    return source


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What a member decides about an uploaded file."""

    mapping: Mapping[str, str]
    topic: Topic | None = None
    basis: str = ""
    subscription_source: str = ""
    subscription_wording: str = ""
    campaign: Campaign | None = None
    # intake.rules.PROVENANCE
    provenance: Mapping[str, str] = field(default_factory=dict)
    # Where the tracking consent belongs; None: the organization's default scope.
    scope: ConsentScope | None = None
    # intake.rules.INFORMED, when people without an answer were informed and did not refuse, and the notice they got.
    informed: Mapping[str, str] = field(default_factory=dict)
    informed_notice: Notice | None = None


def prepare_import(organization: Organization, source: Import, plan: ImportPlan, *, now: datetime) -> Import:
    """Check the plan and let the import wait for its run."""
    with transaction.atomic():
        current = _lock(organization, source)
        if current.state != ImportState.UPLOADED:
            raise ImportRefused(_("This import was started already."))
        _check_plan(organization, current, plan, now=now)
        current.mapping = dict(plan.mapping)
        current.topic, current.campaign = plan.topic, plan.campaign
        current.basis = Basis(plan.basis).value if plan.topic else ""
        current.subscription_source = plan.subscription_source[:120] or current.filename[:120]
        current.subscription_wording = plan.subscription_wording
        current.provenance = _whole_provenance(plan)
        current.scope = plan.scope
        current.informed = _said_of_informed(plan)
        current.informed_notice = plan.informed_notice if plan.informed else None
        current.state = ImportState.QUEUED
        current.save()
        audit.record(organization, actor=None, action="people:import", target=f"import {current.pk}", now=now)
    return current


def start_import(organization: Organization, source: Import, plan: ImportPlan, *, now: datetime) -> Import:
    """Have a worker run an uploaded import as planned."""
    current = prepare_import(organization, source, plan, now=now)
    _ask_to_run(current)
    return current


def cancel_import(organization: Organization, source: Import, *, now: datetime) -> Import:
    """Stop an import after the chunk that it is at. What landed stays."""
    with transaction.atomic():
        current = _lock(organization, source)
        if current.state in (ImportState.UPLOADED, ImportState.QUEUED, ImportState.RUNNING):
            current.state, current.finished_at = ImportState.CANCELLED, now
            current.save(update_fields=["state", "finished_at"])
            named = f"import {current.pk}"
            audit.record(organization, actor=None, action="people:import:cancel", target=named, now=now)
    return current


def continue_import(organization: Organization, source: Import, *, now: datetime) -> Import:
    """Go on with an import that was cancelled or stopped by an error, after the rows that are done."""
    with transaction.atomic():
        current = _lock(organization, source)
        if not may_continue(current):
            raise ImportRefused(_("This import cannot go on."))
        current.state, current.finished_at, current.message = ImportState.QUEUED, None, ""
        current.heartbeat_at = now
        current.save(update_fields=["state", "finished_at", "message", "heartbeat_at"])
        audit.record(organization, actor=None, action="people:import:continue", target=f"import {current.pk}", now=now)
    _ask_to_run(current)
    return current


def may_continue(source: Import) -> bool:
    """Whether rows are left of an import that was started and stopped."""
    stopped = source.state in (ImportState.CANCELLED, ImportState.FAILED)
    return stopped and 0 < source.rows_done < source.rows_total


def _ask_to_run(source: Import) -> None:
    after_commit("intake.run_import", organization_id=source.organization_id, import_id=source.pk)


def _lock(organization: Organization, source: Import) -> Import:
    return Import.objects.select_for_update().get(organization=organization, pk=source.pk)


def _check_plan(organization: Organization, source: Import, plan: ImportPlan, *, now: datetime) -> None:
    try:
        check_mapping(source.layout["header"], plan.mapping, kind=Kind(source.kind))
    except FileProblem as problem:
        raise ImportRefused(file_problem_sentence(problem)) from problem
    if plan.topic is not None:
        _check_owned(organization, plan.topic)
        if plan.basis not in Basis.values:
            raise ImportRefused(_("Say on what basis these people get the mail of the topic."))
    if plan.campaign is not None:
        _check_owned(organization, plan.campaign)
    if plan.scope is not None:
        _check_owned(organization, plan.scope)
    if has_consent(plan.mapping):
        _check_provenance(plan.provenance, today=local_day(organization, now))
    if plan.informed:
        _check_informed(organization, plan, now=now)


def _check_owned(organization: Organization, owned: Topic | Campaign | ConsentScope | Website) -> None:
    if owned.organization_id != organization.pk:
        raise ImportRefused(_("This is not one of yours."))


def _check_provenance(provenance: Mapping[str, str], *, today: date) -> None:
    """All of it, or nothing: then each yes of the file stays unknown, and is listed."""
    missing = missing_provenance(provenance)
    given = [part for part in provenance if part not in missing and part != "vouched_by"]
    if not given:
        return
    if missing:
        parts = ", ".join(str(PROVENANCE_PARTS[part]) for part in missing)
        raise ImportRefused(_("For a yes of this file to count, its provenance lacks: %(parts)s.") % {"parts": parts})
    try:
        collected_on = date.fromisoformat(str(provenance["collected_at"]).strip())
    except ValueError as error:
        raise ImportRefused(_("Write the day of collection as 2026-05-31.")) from error
    if collected_on > today:
        raise ImportRefused(_("The answers cannot have been collected in the future."))


def _check_informed(organization: Organization, plan: ImportPlan, *, now: datetime) -> None:
    """Informed, did not refuse: by which notice and when, and that the rule table counts it there (rules C2, C10)."""
    _check_notice(organization, plan, now=now)
    missing = missing_informed(plan.informed)
    if missing:
        parts = ", ".join(str(INFORMED_PARTS[part]) for part in missing)
        message = _("For people to count as informed, this lacks: %(parts)s.") % {"parts": parts}
        raise ImportRefused(message, field_name=f"informed_{missing[0]}")
    collected_on, informed_on = (_day_said(plan.informed, part) for part in ("collected_at", "informed_at"))
    if informed_on < collected_on:
        raise ImportRefused(
            _("People cannot have been informed before their addresses came in."), field_name="informed_informed_at"
        )
    if informed_on > local_day(organization, now):
        raise ImportRefused(_("This day is yet to come."), field_name="informed_informed_at")
    _check_informed_rule(organization, plan, collected_on=collected_on, informed_on=informed_on, now=now)


def _check_notice(organization: Organization, plan: ImportPlan, *, now: datetime) -> None:
    scope = plan.scope or ensure_default_scope(organization, now=now)
    notice = plan.informed_notice
    if notice is None:
        known = Notice.objects.filter(organization=organization, website__consent_scope=scope).exists()
        message = (
            _("Say by which notice these people were informed.")
            if known
            else _("No website of the consent scope “%(scope)s” has a notice. Publish the one that people got first.")
        )
        raise ImportRefused(message % {"scope": scope.name}, field_name="informed_notice")
    website = notice.website
    _check_owned(organization, website)
    if website.consent_scope_id != scope.pk:
        message = _("This notice is of “%(website)s”, which is not in the consent scope “%(scope)s”.")
        raise ImportRefused(message % {"website": website.name, "scope": scope.name}, field_name="informed_notice")
    if not {kind.value for kind in ConsentKind} <= set(notice.covers):
        message = _("This notice does not tell people of opens and clicks, so nobody was informed of them by it.")
        raise ImportRefused(message, field_name="informed_notice")


def _day_said(informed: Mapping[str, str], part: str) -> date:
    try:
        return date.fromisoformat(str(informed[part]).strip())
    except ValueError as error:
        raise ImportRefused(_("Write the day as 2026-05-31."), field_name=f"informed_{part}") from error


def _check_informed_rule(
    organization: Organization, plan: ImportPlan, *, collected_on: date, informed_on: date, now: datetime
) -> None:
    """Where the website is, since that counts for everybody (rule S5). Whoever is elsewhere is judged one by one."""
    website, ground = cast("Notice", plan.informed_notice).website, plan.informed["ground"]
    if ground not in InformedGround.values:
        raise ImportRefused(_("Say why these people count as informed."), field_name="informed_ground")
    if ground == InformedGround.PROFESSIONAL and not website.for_professionals:
        message = _("“%(website)s” is not a website for professionals.") % {"website": website.name}
        raise ImportRefused(message, field_name="informed_ground")
    country = str(website.country)
    rule = informed_rules(organization, website, ground=ground, countries=[country], now=now)[country]
    if not rule.allowed:
        message = _("In %(country)s, where “%(website)s” is, being informed does not stand in for a yes.")
        raise ImportRefused(
            message % {"country": country_name(country), "website": website.name}, field_name="informed_ground"
        )
    if not rule.in_time(collected_on=collected_on, informed_on=informed_on):
        raise ImportRefused(_too_late(rule, country), field_name="informed_collected_at")


def _too_late(rule: InformedRule, country: str) -> str:
    shown = {"country": country_name(country)}
    if rule.collected_before:
        shown["collected"] = date_format(rule.collected_before)
    if rule.informed_by:
        shown["informed"] = date_format(rule.informed_by)
    if rule.collected_before and rule.informed_by:
        sentence = _(
            "In %(country)s people count as informed only when their addresses came in before %(collected)s and they "
            "were informed by %(informed)s."
        )
    elif rule.collected_before:
        sentence = _("In %(country)s people count as informed only when their addresses came in before %(collected)s.")
    else:
        sentence = _("In %(country)s people count as informed only when they were informed by %(informed)s.")
    return sentence % shown


def _whole_provenance(plan: ImportPlan) -> dict[str, str]:
    """What goes with each answer of the file; nothing when a part is missing, since then none counts."""
    if not has_consent(plan.mapping) or not has_provenance(plan.provenance):
        return {}
    return {part: str(plan.provenance[part]).strip() for part in PROVENANCE}


def _said_of_informed(plan: ImportPlan) -> dict[str, str]:
    return {part: str(plan.informed[part]).strip() for part in INFORMED} if plan.informed else {}


# --- Participants ---------------------------------------------------------------------------------------------------


def save_participant(
    organization: Organization, participant: Participant, *, now: datetime, **changes: Any
) -> Participant:
    """Make a participant, or change only what is named; sent copies follow to another country (rules S5, H1).

    This is for others than the person: an address that was erased is refused (rule D2).
    """
    changes["updated_at"] = now
    if participant.pk is None or "email" in changes:
        address = _parse_address(str(changes.get("email", "")))
        changes |= {"email": address.email, "email_norm": address.norm}
        if is_suppressed_hash(organization, address.norm):
            raise ParticipantRefused(str(ERASED), field_name="email")
    try:
        with transaction.atomic():
            if participant.pk is None:
                return Participant.objects.create(organization=organization, created_at=now, **changes)
            return _change_participant(organization, participant.pk, changes, now=now)
    except IntegrityError as error:
        message = _("Another participant has this email address.")
        raise ParticipantRefused(message, field_name="email") from error


def _change_participant(
    organization: Organization, participant_id: int, changes: Mapping[str, Any], *, now: datetime
) -> Participant:
    current = Participant.objects.select_for_update().get(organization=organization, pk=participant_id)
    country_before, address_before, email_before = str(current.country), current.email_norm, current.email
    for name, value in changes.items():
        setattr(current, name, value)
    current.save(update_fields=list(changes))
    if str(current.country) != country_before:
        change_participant_country(organization, current.pk, str(current.country), now=now)
        apply_move(organization, [current.pk], now=now)
    if current.email_norm != address_before:
        mark_moved(organization, current, before=email_before, now=now)
        _keep_refusals(organization, before=address_before, after=current.email_norm, now=now)
    return current


def _keep_refusals(organization: Organization, *, before: str, after: str, now: datetime) -> None:
    """Who wanted no marketing at one address wants none at the next. Whether that takes mail, it shows itself."""
    refusals = Suppression.objects.filter(organization=organization, email_norm=before).exclude(
        reason=SuppressionReason.BOUNCED
    )
    for refusal in refusals:
        suppress(organization, after, reason=refusal.reason, source=refusal.source, now=now)


def _parse_address(text: str) -> Address:
    try:
        return parse_email(text)
    except AddressError as error:
        raise ParticipantRefused(str(EMAIL_FAULTS[error.fault]), field_name="email") from error
