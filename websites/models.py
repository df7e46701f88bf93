"""Websites, what each of them allows to be measured, and since when."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

from accounts.models import TenantModel, User


class EmailTrackingChoice(models.TextChoices):
    """The labels of ``websites.rules.EmailTracking``."""

    NEVER = "never", _("Never track")
    ALWAYS = "always", _("Always track")
    BY_CONSENT = "by_consent", _("By consent")


class Website(TenantModel):
    """A publication of the organization; campaigns are published on it and its setting decides what they measure."""

    name = models.CharField(_("name"), max_length=120)
    domain = models.CharField(_("domain"), max_length=253, help_text=_("For example www.example.org"))
    country = CountryField(_("country"))
    declared_country = CountryField(
        _("country of people whose country is unknown"),
        blank=True,
        help_text=_("Left empty, the strictest rule is used for them."),
    )
    tracking_domain = models.CharField(
        _("tracking domain"), max_length=253, blank=True, help_text=_("Host of the tracked links. Empty: Pli's own.")
    )
    sender_name = models.CharField(_("sender name"), max_length=120)
    sender_email = models.EmailField(_("sender address"))
    email_tracking = models.CharField(
        _("email tracking"), max_length=12, choices=EmailTrackingChoice, default=EmailTrackingChoice.NEVER
    )
    # Empty only for websites from before the French rule; see websites.services.enforce_country_rules.
    country_rule_applied_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("website")
        verbose_name_plural = _("websites")
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["organization", "name"], name="website_name_once"),)

    def __str__(self) -> str:
        return self.name


class VersionSource(models.TextChoices):
    CREATED = "created", _("website created")
    MEMBER = "member", _("changed by a member")
    COUNTRY_RULE = "country_rule", _("country rule")


class EmailTrackingVersion(TenantModel):
    """One change of a website's email tracking: what, who, when, why. Never updated."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="tracking_versions")
    number = models.PositiveIntegerField(_("version"))
    previous = models.CharField(_("before"), max_length=12, choices=EmailTrackingChoice, blank=True)
    email_tracking = models.CharField(_("after"), max_length=12, choices=EmailTrackingChoice)
    country = CountryField(_("country at that time"), blank=True)
    declared_country = CountryField(_("country of people whose country is unknown, at that time"), blank=True)
    source = models.CharField(_("how"), max_length=12, choices=VersionSource)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("when"), default=timezone.now)

    class Meta:
        verbose_name = _("email tracking change")
        verbose_name_plural = _("email tracking changes")
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=["website", "number"], name="tracking_version_number_once"),)

    def __str__(self) -> str:
        return f"{self.get_email_tracking_display()} (v{self.number})"


class MeasurementPermission(TenantModel):
    """The resolved policy of a website for the people of one country: since when it permits without a break.

    ``*_with_yes_since``: since when people who said yes may be measured; ``*_unless_no_since``: since when everybody
    who did not say no may be. Empty: not permitted. A tightening empties the moment, and only copies decided after a
    later one count again (rules H1). Written by consent.services; the hit statement joins it.
    """

    # Its index is the front of the constraint below.
    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="permissions", db_index=False)
    # Two letters; "ZZ" for people whose country is unknown.
    country = models.CharField(max_length=2)
    opens_basis = models.CharField(max_length=20)
    opens_with_yes_since = models.DateTimeField(null=True)
    opens_unless_no_since = models.DateTimeField(null=True)
    clicks_basis = models.CharField(max_length=20)
    clicks_with_yes_since = models.DateTimeField(null=True)
    clicks_unless_no_since = models.DateTimeField(null=True)

    class Meta:
        # Serves the hit statement and the decision at send.
        constraints = (models.UniqueConstraint(fields=["website", "country"], name="permission_per_country"),)
