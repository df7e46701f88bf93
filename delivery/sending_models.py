"""What an organization wants to happen when sending goes wrong, what was decided, and what its people were told."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, Organization, TenantModel


class AutomaticResend(models.TextChoices):
    NEVER = "never", _("Never: a person decides")
    NOT_MARKETING = "not_marketing", _("Mail that is no marketing (transactional, authentication, legal notices)")
    ALL = "all", _("All mail")


class AlertsTo(models.TextChoices):
    OWNERS = "owners", _("Owners")
    OWNERS_AND_MARKETERS = "marketers", _("Owners and marketers")
    NOBODY = "nobody", _("Nobody: alerts are shown here only")


def _percent() -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(0.01), MaxValueValidator(100)]


class SendingRules(TenantModel):
    """An organization without a row has the defaults."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    resend = models.CharField(
        _("send again by itself"), max_length=13, choices=AutomaticResend, default=AutomaticResend.NEVER
    )
    resend_hours = models.PositiveSmallIntegerField(
        _("after so many hours"), default=24, validators=[MinValueValidator(1), MaxValueValidator(720)]
    )
    pauses = models.BooleanField(_("pause a launch by itself"), default=True)
    bounce_percent = models.FloatField(_("undeliverable, percent"), default=5.0, validators=_percent())
    bounce_least = models.PositiveIntegerField(
        _("of at least so many copies"), default=200, validators=[MinValueValidator(1)]
    )
    complaint_percent = models.FloatField(_("reported as unwanted, percent"), default=0.3, validators=_percent())
    complaint_least = models.PositiveIntegerField(
        _("of at least so many copies"), default=500, validators=[MinValueValidator(1)]
    )
    alerts_to = models.CharField(_("alerts by email to"), max_length=9, choices=AlertsTo, default=AlertsTo.OWNERS)

    class Meta:
        verbose_name = _("rules for sending")
        verbose_name_plural = _("sending and alerts")


class UnknownDecision(BulkTenantModel):
    """What became of a message that may have been sent: counted as sent, or sent again; by whom."""

    message = models.ForeignKey("delivery.Message", on_delete=models.CASCADE, related_name="decisions")
    resend = models.BooleanField()
    # Empty: the organization's setting decided, or the person is no longer there.
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    by_setting = models.BooleanField(default=False)
    decided_at = models.DateTimeField()


class ReplyKey(BulkTenantModel):
    """Opens the page on which one sent copy's question is answered, and nothing else (rule H3).

    Made only where the template has answer buttons, and kept when the copy is written anew: its reader may have both.
    """

    message = models.OneToOneField("delivery.Message", on_delete=models.CASCADE, related_name="reply_key")
    key = models.UUIDField(unique=True)

    class Meta:
        verbose_name = _("key of answer buttons")
        verbose_name_plural = _("keys of answer buttons")


class Alert(TenantModel):
    """Something that the owners should know now. The row is the queue of the mails about it."""

    # One of delivery.alerts.AlertKind, with what it is about.
    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=300)
    text = models.TextField()
    raised_at = models.DateTimeField(default=timezone.now)
    # The members who have it already, and when nothing was left to do.
    mailed_to = models.JSONField(default=list)
    mailed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = (
            # Whether it was said lately.
            models.Index(fields=["organization", "kind", "-raised_at"], name="alert_newest_first"),
            # What is still to be mailed.
            models.Index(fields=["raised_at"], name="alert_to_mail", condition=models.Q(mailed_at=None)),
        )
