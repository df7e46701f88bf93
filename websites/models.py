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


class OpensFallback(models.TextChoices):
    """What is left of opens for people who are not measured one by one (rules S8, S9)."""

    NOTHING = "none", _("Nothing")
    ANONYMOUS = "anonymous", _("Anonymous totals")
    LAST_OPEN_DAY = "last_open_day", _("Last open day, to keep lists clean")


class ClicksFallback(models.TextChoices):
    """What is left of clicks for people who are not measured one by one (rule S9)."""

    NOTHING = "none", _("Nothing")
    ANONYMOUS = "anonymous", _("Anonymous totals")


class ConsentScope(TenantModel):
    """The websites that one yes covers, because its wording names them (rule C8). Each website is in one scope."""

    name = models.CharField(_("name"), max_length=120)
    # The scope of every website that is in no other; an organization has exactly one.
    is_default = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("consent scope")
        verbose_name_plural = _("consent scopes")
        ordering = ("-is_default", "name")
        constraints = (
            models.UniqueConstraint(fields=["organization", "name"], name="consent_scope_name_once"),
            models.UniqueConstraint(
                fields=["organization"], name="one_default_consent_scope", condition=models.Q(is_default=True)
            ),
        )

    def __str__(self) -> str:
        return self.name


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
    consent_scope = models.ForeignKey(
        ConsentScope, on_delete=models.PROTECT, related_name="websites", verbose_name=_("consent scope")
    )
    for_professionals = models.BooleanField(
        _("for professionals"),
        default=False,
        help_text=_("People give a professional address here, and read it at work."),
    )
    opens_fallback = models.CharField(
        _("opens of everybody else"), max_length=14, choices=OpensFallback, default=OpensFallback.NOTHING
    )
    clicks_fallback = models.CharField(
        _("clicks of everybody else"), max_length=10, choices=ClicksFallback, default=ClicksFallback.NOTHING
    )
    # The emergency switch (rule H1); who, why and the undo are in WebsiteStop.
    stopped_at = models.DateTimeField(_("measuring stopped"), null=True, editable=False)
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
    STOP = "stop", _("Stop measuring now")
    UNDO_STOP = "undo_stop", _("Stop measuring now, undone")


class EmailTrackingVersion(TenantModel):
    """One change of a website's email tracking: what, who, when, why. Never updated."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="tracking_versions")
    number = models.PositiveIntegerField(_("version"))
    previous = models.CharField(_("before"), max_length=12, choices=EmailTrackingChoice, blank=True)
    email_tracking = models.CharField(_("after"), max_length=12, choices=EmailTrackingChoice)
    country = CountryField(_("country at that time"), blank=True)
    declared_country = CountryField(_("country of people whose country is unknown, at that time"), blank=True)
    for_professionals = models.BooleanField(_("for professionals"), default=False)
    opens_fallback = models.CharField(max_length=14, choices=OpensFallback, default=OpensFallback.NOTHING)
    clicks_fallback = models.CharField(max_length=10, choices=ClicksFallback, default=ClicksFallback.NOTHING)
    consent_scope_name = models.CharField(_("consent scope"), max_length=120, blank=True)
    stopped = models.BooleanField(_("measuring stopped"), default=False)
    source = models.CharField(_("how"), max_length=12, choices=VersionSource)
    # Who proposed a loosening that the author confirmed (rule D5).
    proposed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
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


class WebsiteStop(TenantModel):
    """One use of "Stop measuring now": who, when, why, and the undo for copies decided afterwards (rule H1)."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="stops")
    reason = models.CharField(_("reason"), max_length=500)
    stopped_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    stopped_at = models.DateTimeField(_("stopped"))
    undone_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    undone_at = models.DateTimeField(_("undone"), null=True)
    undo_reason = models.CharField(_("reason of the undo"), max_length=500, blank=True)

    class Meta:
        ordering = ("-stopped_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["website"], name="one_running_stop", condition=models.Q(undone_at__isnull=True)
            ),
        )


class MeasurementPermission(TenantModel):
    """The resolved policy of a website for the people of one country: since when it permits without a break.

    Every ``*_since`` is empty while nothing of the kind is permitted. A tightening empties the moment, and only copies
    decided after a later one count again (rule H1). Written by consent.services; the hit statement joins it.

    ``with_yes``: people who said yes. ``unless_no``: everybody who did not say no. ``if_informed``: people who were
    informed and did not refuse, collected and informed in time (C10). ``professionals``: people who left the ticked box
    of a website for professionals as it was (C2). ``authentication``, ``legal_notice``: emails of an exempt purpose
    that a second person approved (S6), to everybody who did not say no. ``anonymous``: totals without a person (S9).
    """

    # Its index is the front of the constraint below.
    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="permissions", db_index=False)
    # Two letters; "ZZ" for people whose country is unknown.
    country = models.CharField(max_length=2)
    # Whose yes and no count: that of the website, repeated here so that the hit statement need not read the website.
    scope = models.ForeignKey(ConsentScope, on_delete=models.CASCADE, related_name="+", db_index=False)
    opens_basis = models.CharField(max_length=20)
    opens_with_yes_since = models.DateTimeField(null=True)
    opens_unless_no_since = models.DateTimeField(null=True)
    opens_if_informed_since = models.DateTimeField(null=True)
    opens_professionals_since = models.DateTimeField(null=True)
    opens_authentication_since = models.DateTimeField(null=True)
    opens_legal_notice_since = models.DateTimeField(null=True)
    opens_anonymous_since = models.DateTimeField(null=True)
    clicks_basis = models.CharField(max_length=20)
    clicks_with_yes_since = models.DateTimeField(null=True)
    clicks_unless_no_since = models.DateTimeField(null=True)
    clicks_if_informed_since = models.DateTimeField(null=True)
    clicks_professionals_since = models.DateTimeField(null=True)
    clicks_authentication_since = models.DateTimeField(null=True)
    clicks_legal_notice_since = models.DateTimeField(null=True)
    clicks_anonymous_since = models.DateTimeField(null=True)
    last_open_day_since = models.DateTimeField(null=True)
    # With if_informed: collected before the first moment, and informed before the second. Empty: no such limit.
    informed_collected_before = models.DateTimeField(null=True)
    informed_before = models.DateTimeField(null=True)
    # When time alone takes something of this back, such as the end of a legal justification. From then on nothing but
    # a yes counts, until the row has been resolved anew.
    until = models.DateTimeField(null=True)

    class Meta:
        # Serves the hit statement and the decision at send.
        constraints = (models.UniqueConstraint(fields=["website", "country"], name="permission_per_country"),)
