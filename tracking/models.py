"""Keys that stand for a sent copy, the links of its content, and the hits."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantModel
from participants.models import Participant
from websites.models import Website


class TrackedContent(TenantModel):
    """The numbered links of one frozen email; hits are counted per content."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+")
    # [{"number": 1, "url": "https://…", "label": "Read more"}, …]
    links = models.JSONField(default=list)


class TrackedMessage(TenantModel):
    """One sent copy that may be measured. This row alone ties its key to a person: deleting it forgets (rule H3)."""

    key = models.UUIDField(unique=True)
    content = models.ForeignKey(TrackedContent, on_delete=models.CASCADE, related_name="+")
    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+", db_index=False)
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="tracked_messages")
    # The country whose permission counts at the hit; follows the participant (consent rule S5).
    country = models.CharField(max_length=2)
    opens = models.CharField(max_length=12)
    clicks = models.CharField(max_length=12)
    decided_at = models.DateTimeField()


class HitKind(models.IntegerChoices):
    OPEN = 1, _("Open")
    CLICK = 2, _("Click")


class Actor(models.IntegerChoices):
    """Who caused a hit, as far as it can be told (rule H5)."""

    HUMAN = 1, _("human")
    MACHINE = 2, _("automatic")
    UNSURE = 3, _("possibly automatic")


class Hit(models.Model):
    """One recorded open or click. Partitioned by month of ``received_at``; written by the recorder only."""

    id = models.BigIntegerField(primary_key=True)
    organization_id = models.BigIntegerField()
    content = models.ForeignKey(TrackedContent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    tracked_message = models.ForeignKey(
        TrackedMessage, on_delete=models.DO_NOTHING, db_constraint=False, related_name="hits"
    )
    kind = models.SmallIntegerField(choices=HitKind)
    link_number = models.SmallIntegerField(null=True)
    actor = models.SmallIntegerField(choices=Actor)
    received_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "tracking_hit"


class HitBatch(models.Model):
    """The batches that the recorder has stored: a batch repeated after a lost answer adds nothing. Kept for a day."""

    id = models.UUIDField(primary_key=True)
    stored_at = models.DateTimeField(db_index=True)
