"""Outside senders: whom they were told about, and how far changes have been read for them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantModel
from delivery.connection_models import Connection
from participants.models import Participant
from websites.models import Website


class OutsidePerson(TenantModel):
    """One person whom an outside sender knows from us, and what is still to be said about them.

    The row is the outbox: whoever tells something holds it, so an outside sender hears of a person in order. What is to
    be said is not kept: it is the difference between ``told`` and what is true when it is said.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="outside_people")
    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Empty once the person was erased, until the outside sender knows.
    participant = models.ForeignKey(Participant, on_delete=models.SET_NULL, null=True, related_name="+")
    # Of an erased person, under the installation's secrets; the row goes when it has been said.
    sealed_address = models.TextField(blank=True)
    # What the outside sender confirmed last; empty when that is not sure (delivery/outside.py).
    told = models.JSONField(default=dict)
    # What is on its way, under which key: said again after a crash in the same words, it is the same.
    wanted = models.JSONField(null=True)
    key = models.UUIDField(null=True)
    # Grows with everything that is said about the person, so that what comes late can be told from what is new.
    number = models.PositiveIntegerField(default=0)
    # When there may be something to say, or when the lease of whoever says it runs out.
    due_at = models.DateTimeField(null=True)
    held_since = models.DateTimeField(null=True)
    # Something happened while it was held.
    marked = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    # Refused for good, until somebody says that it is to be tried again.
    failed_at = models.DateTimeField(null=True)
    words = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("person known to an outside sender")
        verbose_name_plural = _("people known to an outside sender")
        constraints = (
            models.UniqueConstraint(fields=["participant", "connection", "website"], name="outside_person_once"),
        )
        indexes = (
            models.Index(
                fields=["connection", "due_at"], name="outside_person_due", condition=models.Q(due_at__isnull=False)
            ),
            models.Index(
                fields=["connection"], name="outside_person_failed", condition=models.Q(failed_at__isnull=False)
            ),
        )


class OutsideReading(TenantModel):
    """How far the registers of choices and subscriptions have been read for one connection.

    Numbers up to ``*_until`` were read when every transaction that could still add one had ended. A mark becomes such a
    number once all transactions below ``mark_transaction`` are over; until then what follows is read again.
    """

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="reading")
    choices_until = models.BigIntegerField(default=0)
    subscriptions_until = models.BigIntegerField(default=0)
    choices_mark = models.BigIntegerField(default=0)
    subscriptions_mark = models.BigIntegerField(default=0)
    mark_transaction = models.BigIntegerField(default=0)
    # When everybody was compared, which also finds what no register tells: a setting, a country, a date that passed.
    compared_at = models.DateTimeField(default=timezone.now)
    # The settings of the websites then.
    compared_versions = models.BigIntegerField(default=0)
