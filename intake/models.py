"""Imports: files of people on their way in."""

from __future__ import annotations

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, TenantModel, User
from campaigns.models import Campaign, Email, Launch
from common.keys import encode_key, new_key
from consent.models import Basis, Notice, Topic
from participants.models import Participant
from websites.models import ConsentScope, Website


class ImportKind(models.TextChoices):
    PARTICIPANTS = "participants", _("Participants")
    SUPPRESSIONS = "suppressions", _("Unsubscribes and bounces of another tool")


class ImportState(models.TextChoices):
    UPLOADED = "uploaded", _("Waiting for your choices")
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


def import_path(instance: Import, filename: str) -> str:
    """Where a file is kept: its own name may say something about people, and two may have the same."""
    return f"imports/{instance.organization_id}/{encode_key(new_key())}.csv"


class Import(TenantModel):
    """One file: what it is, how its columns are read, how far it got.

    ``rows_done`` is written in the transaction of each chunk, so that a run that was cut short goes on where it stood.
    """

    kind = models.CharField(_("what"), max_length=12, choices=ImportKind, default=ImportKind.PARTICIPANTS)
    state = models.CharField(_("state"), max_length=10, choices=ImportState, default=ImportState.UPLOADED)
    filename = models.CharField(_("file"), max_length=255)
    file = models.FileField(upload_to=import_path)
    # {"encoding": …, "delimiter": …, "header": […], "header_row": 1, "sample": [[…], …]}, found when it was uploaded.
    layout = models.JSONField(default=dict)
    # {"Column in the file": "email" | "country" | … | "attribute:name" | ""}
    mapping = models.JSONField(default=dict)
    # Subscriptions: topic with its basis and where the permission was collected.
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    basis = models.CharField(_("basis"), max_length=24, choices=Basis, blank=True)
    subscription_source = models.CharField(max_length=120, blank=True)
    subscription_wording = models.TextField(blank=True)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    # Provenance of the consent columns (rule C7); empty: a yes stays unknown.
    # {"where": …, "collected_at": ISO date, "wording": …, "evidence": …, "vouched_by": …}
    provenance = models.JSONField(default=dict, blank=True)
    # Where the tracking consent of the file belongs (rule C8); empty: the organization's default scope.
    scope = models.ForeignKey(ConsentScope, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    # People of whom the file brings no answer were informed and did not refuse (rule C10); empty: they stay unknown.
    # {"ground": …, "collected_at": ISO date, "informed_at": ISO date, "evidence": …, "vouched_by": …}
    informed = models.JSONField(default=dict, blank=True)
    informed_notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    rows_total = models.PositiveIntegerField(default=0)
    rows_done = models.PositiveIntegerField(default=0)
    # {"created": 1, "updated": 2, "rejected": 3, "yes_without_provenance": 4, …}
    counts = models.JSONField(default=dict)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("uploaded by")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.filename


class ImportIssue(BulkTenantModel):
    """What is listed about one row of a file, and handed out as the error file. Written with the chunk of the row."""

    # Only so many of an import; its counts are complete.
    LIMIT = 100_000

    source = models.ForeignKey(Import, on_delete=models.CASCADE, related_name="issues", db_index=False)
    row = models.PositiveIntegerField()
    column = models.CharField(max_length=120)
    value = models.CharField(max_length=300)
    # intake.rules.Issue
    issue = models.CharField(max_length=30)

    class Meta:
        indexes = (
            # The error file, in the order of the rows.
            models.Index(fields=["source", "row", "id"], name="import_issues_by_row"),
        )


# --- Participation pages ----------------------------------------------------------------------------------------------


class EntryForm(TenantModel):
    """The public participation page of a campaign at /f/<key>, and its exit screen."""

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="entry_form")
    key = models.UUIDField(db_default=RandomUUID(), unique=True)
    # The first one is shown to people whose language the form does not speak.
    languages = models.JSONField(_("languages"), default=list)
    # {"en": {"title": …, "intro": …, "button": …, "exit_title": …, "exit_text": …}}
    texts = models.JSONField(default=dict)
    # A subscription, and a yes, count once the person opened a link that was sent to the address.
    double_opt_in = models.BooleanField(_("double opt-in"), default=True)
    exit_email = models.ForeignKey(Email, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    # That email as it was frozen for the people who take part; see campaigns.standing.
    exit_launch = models.ForeignKey(Launch, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    # Hosts beside the website's own that may show the form in a frame.
    frame_hosts = models.JSONField(default=list)
    published_at = models.DateTimeField(_("published"), null=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("form")
        verbose_name_plural = _("forms")

    def __str__(self) -> str:
        return self.campaign.name


class FieldKind(models.TextChoices):
    EMAIL = "email", _("Email address")
    TEXT = "text", _("Text")
    LONG_TEXT = "long_text", _("Long text")
    CHOICE = "choice", _("One of several")
    MULTIPLE_CHOICE = "multiple", _("Some of several")
    COUNTRY = "country", _("Country")
    DATE = "date", _("Date")
    CHECKBOX = "checkbox", _("Checkbox")
    HIDDEN = "hidden", _("Hidden source")
    TRACKING_CONSENT = "tracking", _("Tracking consent")
    TOPIC = "topic", _("Newsletter topic")


class ConsentVariant(models.TextChoices):
    """How a form asks for tracking consent. Nothing is ticked but for professionals (rule C2)."""

    ONE_BOX = "one_box", _("One box for opens and clicks")
    TWO_BOXES = "two_boxes", _("A box for opens, a box for clicks")
    YES_NO = "yes_no", _("Yes or no")
    PROFESSIONAL = "professional", _("Ticked box for professionals")


class FormField(TenantModel):
    """One question of a form, in its place."""

    form = models.ForeignKey(EntryForm, on_delete=models.CASCADE, related_name="fields")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(_("type"), max_length=10, choices=FieldKind)
    # What the answer is called in exports, and as an attribute of the person; "first_name" and the like are columns.
    name = models.CharField(_("name"), max_length=60)
    # Where the answer goes: a column of the person, "attribute", or empty for the entry alone.
    target = models.CharField(_("kept as"), max_length=12, blank=True)
    required = models.BooleanField(_("required"), default=False)
    # {"en": {"label": …, "help": …, "options": […]}}; an option counts as its text in the form's first language.
    texts = models.JSONField(default=dict)
    variant = models.CharField(max_length=12, choices=ConsentVariant, blank=True)
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    # What people read beside a box that asks for something: {"en": {"both": id of a ConsentText, …}}.
    wordings = models.JSONField(default=dict)

    class Meta:
        ordering = ("position", "pk")
        constraints = (
            models.UniqueConstraint(fields=["form", "name"], name="form_field_name_once"),
            models.UniqueConstraint(
                fields=["form"], name="one_tracking_field_per_form", condition=models.Q(kind="tracking")
            ),
        )


class Submission(TenantModel):
    """What somebody sent with a form, as they typed it."""

    form = models.ForeignKey(EntryForm, on_delete=models.CASCADE, related_name="submissions")
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="submissions")
    # Of the page that was sent: the same page sent twice is one entry.
    token = models.UUIDField()
    language = models.CharField(_("language"), max_length=10)
    # {"name of the field": answer}; what people said about being measured is in the consent history alone.
    answers = models.JSONField(default=dict)
    source = models.CharField(_("source"), max_length=120, blank=True)
    submitted_at = models.DateTimeField(_("sent"), default=timezone.now)

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ("-submitted_at", "-pk")
        constraints = (models.UniqueConstraint(fields=["form", "token"], name="one_entry_per_page"),)
        # The list of a form's entries, newest first.
        indexes = (models.Index(fields=["form", "-submitted_at", "-id"], name="entries_newest_first"),)


class Confirmation(TenantModel):
    """What counts only once somebody shows that an address is theirs, by the link /d/<key> that was sent to it."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+")
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="confirmations")
    submission = models.ForeignKey(Submission, on_delete=models.SET_NULL, null=True, related_name="+")
    key = models.UUIDField(db_default=RandomUUID(), unique=True)
    language = models.CharField(max_length=10)
    # What waits, see intake.confirmations.Waiting; emptied once it is over.
    waiting = models.JSONField(default=dict)
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    reminded_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            # What is to be reminded of, or has run out.
            models.Index(
                fields=["expires_at"],
                name="confirmation_open",
                condition=models.Q(confirmed_at__isnull=True) & ~models.Q(waiting={}),
            ),
        )


# --- Tracking consent that was kept as an attribute, or came without provenance ---------------------------------------


class MoveOrigin(models.TextChoices):
    ATTRIBUTE = "attribute", _("Attribute of participants")
    UNPROVEN = "unproven", _("Yeses that waited for their evidence")


class ConsentMove(TenantModel):
    """Answers on their way into the native tracking consent: from an attribute, or from the list of unproven yeses.

    ``last_id`` is written with each chunk, so that a run that was cut short goes on where it stood.
    """

    origin = models.CharField(_("from"), max_length=10, choices=MoveOrigin)
    attribute = models.CharField(_("attribute"), max_length=120, blank=True)
    scope = models.ForeignKey(ConsentScope, on_delete=models.PROTECT, related_name="+", verbose_name=_("consent scope"))
    opens = models.BooleanField(_("opens"), default=True)
    clicks = models.BooleanField(_("clicks"), default=True)
    # {"value of the attribute": "yes" | "no"}; what is not in it says nothing.
    mapping = models.JSONField(default=dict)
    # As of an import (rule C7); empty: a yes stays unknown and is listed.
    provenance = models.JSONField(default=dict, blank=True)
    # Whose unproven yeses these are.
    source_import = models.ForeignKey(Import, on_delete=models.CASCADE, null=True, related_name="+")
    source_move = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="+")
    state = models.CharField(_("state"), max_length=10, choices=ImportState, default=ImportState.QUEUED)
    last_id = models.BigIntegerField(default=0)
    # {"people": 1, "applied": 2, "no_provenance": 3, …}
    counts = models.JSONField(default=dict)
    # Why it stopped, for the person who started it.
    message = models.CharField(max_length=500, blank=True, default="", db_default="")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("move of tracking consent")
        verbose_name_plural = _("moves of tracking consent")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.attribute or str(self.get_origin_display())


class UnprovenYes(BulkTenantModel):
    """A yes that came without where, when and with which words it was given (rule C7). It counts as unknown."""

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="unproven_yeses")
    scope = models.ForeignKey(ConsentScope, on_delete=models.CASCADE, related_name="+", db_index=False)
    source_import = models.ForeignKey(Import, on_delete=models.CASCADE, null=True, related_name="unproven_yeses")
    source_move = models.ForeignKey(ConsentMove, on_delete=models.CASCADE, null=True, related_name="unproven_yeses")
    opens = models.BooleanField(default=False)
    clicks = models.BooleanField(default=False)
    listed_at = models.DateTimeField(default=timezone.now)


def export_path(instance: PeopleExport, filename: str) -> str:
    return f"exports/{instance.organization_id}/{encode_key(new_key())}.csv"


class PeopleExport(TenantModel):
    """All participants as a file, with their tracking consent in one scope."""

    scope = models.ForeignKey(ConsentScope, on_delete=models.PROTECT, related_name="+", verbose_name=_("consent scope"))
    state = models.CharField(_("state"), max_length=10, choices=ImportState, default=ImportState.QUEUED)
    file = models.FileField(upload_to=export_path, blank=True)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    heartbeat_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("export of participants")
        verbose_name_plural = _("exports of participants")
        ordering = ("-created_at",)
