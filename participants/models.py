"""People: one row per email address and organization."""

from __future__ import annotations

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

from accounts.models import BulkTenantModel


class Participant(BulkTenantModel):
    email = models.CharField(_("email address"), max_length=320)
    # Compared with "=", which keeps its index behind row-level security; written by participants.rules.normalise_email.
    email_norm = models.CharField(max_length=320, editable=False)
    country = CountryField(_("country"), blank=True)
    locale = models.CharField(_("language"), max_length=10, blank=True)
    first_name = models.CharField(_("first name"), max_length=120, blank=True)
    last_name = models.CharField(_("last name"), max_length=120, blank=True)
    external_id = models.CharField(_("external contact id"), max_length=120, blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)
    # The last day on which they took part or answered, of what retention has removed since; empty: nothing was.
    active_on = models.DateField(_("last known activity"), null=True, editable=False)
    # Names the person in the consent history. Says nothing about them; without this row it means nobody.
    ledger_id = models.UUIDField(unique=True, db_default=RandomUUID(), editable=False)

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        constraints = (
            # The upsert of imports, and one person per address.
            models.UniqueConstraint(fields=["organization", "email_norm"], name="participant_email_once"),
        )
        indexes = (
            # Lookups by the customer's own id; most rows have none. What differs comes first: an import compares a new
            # row with a dozen others to find its place, and their organization is the same.
            models.Index(
                fields=["external_id", "organization"],
                name="participant_external_id",
                condition=~models.Q(external_id=""),
            ),
        )

    def __str__(self) -> str:
        return self.email
