"""Keys that stand for a sent copy, the links of its content, and the hits."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization, TenantModel
from participants.models import Participant
from websites.models import Website


class HitKind(models.IntegerChoices):
    OPEN = 1, _("Open")
    CLICK = 2, _("Click")


class Actor(models.IntegerChoices):
    """Who caused a hit, as far as it can be told (rule H5)."""

    HUMAN = 1, _("human")
    MACHINE = 2, _("automatic")
    UNSURE = 3, _("possibly automatic")


class TrackedContent(TenantModel):
    """The numbered links of one frozen email; hits are counted per content."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+")
    # [{"number": 1, "url": "https://…", "label": "Read more"}, …]
    links = models.JSONField(default=list)
    # The approval of its exempt purpose was taken back: nothing more is recorded for that purpose, ever (rules S6, H1).
    exempt_ended = models.BooleanField(default=False, db_default=False)


class TrackedMessage(TenantModel):
    """One sent copy that may be measured. This row alone ties its key to a person: deleting it forgets (rule H3)."""

    key = models.UUIDField(unique=True)
    content = models.ForeignKey(TrackedContent, on_delete=models.CASCADE, related_name="+")
    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+", db_index=False)
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="tracked_messages")
    # The country whose permission counts at the hit; follows the participant (consent rule S5).
    country = models.CharField(max_length=2)
    # Levels of consent.rules: individual, last_open_day (opens only) or none.
    opens = models.CharField(max_length=14)
    clicks = models.CharField(max_length=14)
    # Empty, or the exempt purpose that it is measured for: then only that purpose may read what it records (rule S6).
    exempt_purpose = models.CharField(max_length=16, default="", db_default="")
    # Mail of a topic that the person subscribed to: only of such mail may the last open day be kept (rule S8).
    subscribed = models.BooleanField(default=False, db_default=False)
    decided_at = models.DateTimeField()


class AnonymousContent(TenantModel):
    """The one key under which everybody of a launch is counted who is not measured one by one (rule S9)."""

    key = models.UUIDField(unique=True)
    content = models.OneToOneField(TrackedContent, on_delete=models.CASCADE, related_name="anonymous")
    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Whose copies carry the key. It counts only while all of them permit it: who opened, nobody can tell.
    opens_countries = ArrayField(models.CharField(max_length=2), default=list)
    clicks_countries = ArrayField(models.CharField(max_length=2), default=list)
    # When the first copy was decided: a permission that began later says nothing about it (rule H1).
    decided_at = models.DateTimeField()


class AnonymousTotal(models.Model):
    """How often a launch was opened, or one of its links followed, by people whom nobody can tell apart."""

    organization_id = models.BigIntegerField()
    content = models.ForeignKey(TrackedContent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    kind = models.SmallIntegerField(choices=HitKind)
    # 0 for opens.
    link_number = models.SmallIntegerField()
    actor = models.SmallIntegerField(choices=Actor)
    hits = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["content", "kind", "link_number", "actor"], name="anonymous_total_once"),
        )


class LastOpenDay(models.Model):
    """The last day that somebody opened mail they subscribed to, for the inactivity rule and nobody else (rule S8)."""

    participant = models.OneToOneField(
        Participant, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="+"
    )
    organization_id = models.BigIntegerField()
    # In the organization's time zone.
    day = models.DateField()


class Hit(models.Model):
    """One recorded open or click. Partitioned by month of ``received_at``; written by the recorder only."""

    id = models.BigIntegerField(primary_key=True)
    organization_id = models.BigIntegerField()
    content = models.ForeignKey(TrackedContent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    # Empty once the hit was made anonymous: then ``received_at`` is the beginning of its day (rule C11).
    tracked_message = models.ForeignKey(
        TrackedMessage, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="hits"
    )
    kind = models.SmallIntegerField(choices=HitKind)
    link_number = models.SmallIntegerField(null=True)
    actor = models.SmallIntegerField(choices=Actor)
    received_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "tracking_hit"


class PastHits(models.TextChoices):
    """What becomes of the hits of somebody who withdraws (rule C11)."""

    DELETE = "delete", _("Delete them")
    ANONYMISE = "anonymise", _("Make them anonymous")


class HitKeeping(TenantModel):
    """How long an organization keeps hits (rule U4), and what becomes of them on a withdrawal (rule C11).

    An organization without a row keeps them for as long as the rule allows, and deletes on a withdrawal.
    """

    LONGEST_MONTHS = 25

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    months = models.PositiveSmallIntegerField(_("months that opens and clicks are kept"), default=LONGEST_MONTHS)
    on_withdrawal = models.CharField(
        _("opens and clicks of somebody who withdraws"), max_length=9, choices=PastHits, default=PastHits.DELETE
    )

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(months__gte=1, months__lte=25), name="hits_kept_25_months_at_most"
            ),
        )


class ForgottenTotal(models.Model):
    """What hits that are gone had added to the report of their content. Numbers only: they name nobody (rule C11).

    ``link_number`` 0 counts the people of the whole email, another number those of one link.
    """

    organization_id = models.BigIntegerField()
    content = models.ForeignKey(TrackedContent, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    kind = models.SmallIntegerField(choices=HitKind)
    link_number = models.SmallIntegerField()
    # Each person once, under the surest of their hits.
    human_people = models.BigIntegerField()
    unsure_people = models.BigIntegerField()
    machine_people = models.BigIntegerField()
    human_hits = models.BigIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["content", "kind", "link_number"], name="forgotten_total_once"),)


class HitsForgotten(TenantModel):
    """What was done with the hits of a person, so that they can be told (rule C11). Goes with the person."""

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="hits_forgotten")
    kind = models.SmallIntegerField(_("about"), choices=HitKind)
    done = models.CharField(_("what was done"), max_length=9, choices=PastHits)
    hits = models.PositiveIntegerField(_("how many"))
    done_at = models.DateTimeField(_("when"))


class HitBatch(models.Model):
    """The batches that the recorder has stored: a batch repeated after a lost answer adds nothing. Kept for a day."""

    id = models.UUIDField(primary_key=True)
    stored_at = models.DateTimeField(db_index=True)
