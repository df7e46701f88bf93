"""Imports: files of people on their way in."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, TenantModel, User
from campaigns.models import Campaign
from common.keys import encode_key, new_key
from consent.models import Basis, Topic


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
