"""Figures of reports, kept so that a page reads a few rows: no page counts hits, and none counts a million messages."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, Membership, TenantModel
from campaigns.models import Campaign
from delivery.models import Mailing, MessageStatus
from tracking.models import Actor, HitKind, TrackedContent
from websites.models import Website

# Sent copies whose bits stand in one row of ``SeenCopies``.
COPIES_IN_A_CHUNK = 512


class Bits(models.Field):
    """One bit for each sent copy of a chunk."""

    def db_type(self, connection: Any) -> str:
        return f"bit({COPIES_IN_A_CHUNK})"


class RollupCursor(models.Model):
    """How far hits have been counted; one row for the installation.

    A hit gets its number before it is committed, so that a number that was seen says nothing about smaller ones.
    ``horizon`` is believed once everybody who was writing hits when it was noted has ended (``waiting_for``).
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    # Every hit up to this number is in the figures, and none after it.
    counted_to = models.BigIntegerField(default=0, db_default=0)
    counted_at = models.DateTimeField(null=True)
    horizon = models.BigIntegerField(default=0, db_default=0)
    horizon_at = models.DateTimeField(null=True)
    waiting_for = ArrayField(models.CharField(max_length=40), default=list)


class _Figures(BulkTenantModel):
    """Of one email as launched. ``link_number`` 0 stands for the whole email."""

    content = models.ForeignKey(
        TrackedContent, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    kind = models.SmallIntegerField(choices=HitKind)
    link_number = models.SmallIntegerField()

    class Meta:
        abstract = True


class HitHour(_Figures):
    """Hits of an hour (of UTC) by who caused them, and the people whose first of them fell into it."""

    actor = models.SmallIntegerField(choices=Actor)
    hour = models.DateTimeField()
    hits = models.BigIntegerField()
    people = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["content", "kind", "link_number", "actor", "hour"], name="hit_hour_once"),
        )


class HitPeople(_Figures):
    """All hits, and all people, each of them once under the surest of their hits."""

    human_people = models.BigIntegerField(default=0)
    unsure_people = models.BigIntegerField(default=0)
    machine_people = models.BigIntegerField(default=0)
    human_hits = models.BigIntegerField(default=0)
    unsure_hits = models.BigIntegerField(default=0)
    machine_hits = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["content", "kind", "link_number"], name="hit_people_once"),)


class SeenCopies(_Figures):
    """Which sent copies have been counted, so that each of their people counts once.

    The bit of a copy says something of a person for as long as the copy's own row names one. It is taken back when
    the hits are (rule C11), and goes after the time that hits are kept (rule U4); what it added to the figures stays.
    """

    # TrackedMessage.id divided by the size of a chunk; the rest is the place of the bit.
    chunk = models.BigIntegerField()
    human = Bits()
    unsure = Bits()
    machine = Bits()
    # Human, and counted among the people of their country, language and mail domain too.
    placed = Bits()
    first_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["content", "kind", "link_number", "chunk"], name="seen_copies_once"),
        )
        indexes = (
            # What is older than hits are kept.
            models.Index(fields=["organization", "first_at"], name="seen_copies_by_age"),
        )


class CountedMailing(BulkTenantModel):
    """When the sent copies of a mailing were last counted, and when they will be again."""

    mailing = models.OneToOneField(
        Mailing, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="counted"
    )
    total = models.BigIntegerField(default=0)
    # People who unsubscribed from its topic within a week after their copy; never less than once counted.
    unsubscribed = models.BigIntegerField(default=0)
    # What mail servers said, and why copies wait, with the number of copies: [["…", 3], …].
    words = models.JSONField(default=list)
    held = models.JSONField(default=list)
    counted_at = models.DateTimeField()
    # Empty once nothing is expected to change any more.
    due_at = models.DateTimeField(null=True, db_index=True)


class MailingCount(BulkTenantModel):
    """Sent copies of a mailing that fared alike."""

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, db_constraint=False, related_name="counts")
    status = models.CharField(max_length=10, choices=MessageStatus)
    news = models.CharField(max_length=12, blank=True)
    opens = models.CharField(max_length=14, blank=True)
    opens_reason = models.CharField(max_length=40, blank=True)
    clicks = models.CharField(max_length=14, blank=True)
    clicks_reason = models.CharField(max_length=40, blank=True)
    copies = models.BigIntegerField()


class Dimension(models.IntegerChoices):
    """What people of an email are grouped by."""

    COUNTRY = 1
    LANGUAGE = 2
    DOMAIN = 3


class MailingGroup(BulkTenantModel):
    """The copies of one country, language or mail domain.

    Only groups of people that are large enough have a row; everybody else is in the row without a name (rule U3). Which
    these are is settled when the audience is written, so that no later report tells groups apart that an earlier one
    did not.
    """

    mailing = models.ForeignKey(
        Mailing, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    dimension = models.SmallIntegerField(choices=Dimension)
    value = models.CharField(max_length=255, blank=True)
    copies = models.BigIntegerField(default=0)
    sent = models.BigIntegerField(default=0)
    delivered = models.BigIntegerField(default=0)
    bounced = models.BigIntegerField(default=0)
    complained = models.BigIntegerField(default=0)
    opens_base = models.BigIntegerField(default=0)
    clicks_base = models.BigIntegerField(default=0)
    # People counted as humans.
    opened = models.BigIntegerField(default=0)
    clicked = models.BigIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["mailing", "dimension", "value"], name="mailing_group_once"),)


class Rhythm(models.TextChoices):
    DAILY = "daily", _("Every day")
    WEEKLY = "weekly", _("Every Monday")
    MONTHLY = "monthly", _("On the first of each month")


class FileKind(models.TextChoices):
    PDF = "pdf", _("PDF to print")
    XLSX = "xlsx", _("Every table for Excel (XLSX)")
    ZIP = "zip", _("Every table as CSV (ZIP)")


class ScheduledReport(TenantModel):
    """A report that a member gets by email. It goes with the membership.

    Of a website, of a campaign, or of all emails where neither is named.
    """

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    website = models.ForeignKey(Website, on_delete=models.CASCADE, null=True, related_name="+")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, null=True, related_name="+")
    # How far back it looks.
    days = models.PositiveSmallIntegerField()
    rhythm = models.CharField(max_length=8, choices=Rhythm)
    file_kind = models.CharField(max_length=4, choices=FileKind)
    next_at = models.DateTimeField(db_index=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(website=None) | models.Q(campaign=None), name="scheduled_report_of_one_thing"
            ),
            models.UniqueConstraint(
                fields=["membership", "website", "campaign", "rhythm"],
                name="scheduled_report_once",
                nulls_distinct=False,
            ),
        )
