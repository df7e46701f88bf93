"""Connections: how mail leaves, which website uses which, and what was heard of it afterwards."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantModel
from websites.models import Website


class ConnectionKind(models.TextChoices):
    BUILTIN = "builtin", _("Mail server of this installation")
    SMTP = "smtp", _("Mail server (SMTP)")
    ESP = "esp", _("Sending service (API)")
    # Sends and measures by itself what it is handed; for exit-screen emails only.
    PUSH = "push", _("Outside sender")


class ConnectionSecurity(models.TextChoices):
    STARTTLS = "smtp+starttls", _("STARTTLS")
    IMPLICIT_TLS = "smtps", _("TLS from the start")
    NONE = "smtp", _("None (servers on this machine only)")


class Connection(TenantModel):
    """One way out for mail. Credentials are sealed; the console never shows them again."""

    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=8, choices=ConnectionKind)
    # Of delivery/providers.toml, for sending services; "actito" for that outside sender.
    provider = models.CharField(_("sending service"), max_length=20, blank=True)
    host = models.CharField(_("mail server"), max_length=253, blank=True)
    port = models.PositiveIntegerField(_("port"), null=True, blank=True)
    security = models.CharField(
        _("encryption"), max_length=13, choices=ConnectionSecurity, default=ConnectionSecurity.STARTTLS
    )
    username = models.CharField(_("user name"), max_length=200, blank=True)
    # What a sending service is told that is no secret: a region, a domain.
    options = models.JSONField(default=dict)
    # JSON of name to value, under the installation's secrets (common/crypto.py).
    sealed = models.TextField(blank=True)
    is_default = models.BooleanField(_("for every website without a connection of its own"), default=False)
    # In the address that the sending service reports to; random, and nothing else.
    hook_key = models.UUIDField(db_default=RandomUUID(), unique=True)
    # Bounces come back to "local+reference@domain" of this address; empty: to the sender's own domain.
    bounce_address = models.CharField(_("address for bounces"), max_length=320, blank=True)
    imap_host = models.CharField(_("IMAP server"), max_length=253, blank=True)
    imap_port = models.PositiveIntegerField(_("IMAP port"), default=993)
    imap_username = models.CharField(_("IMAP user name"), max_length=200, blank=True)
    mailbox_read_at = models.DateTimeField(null=True)
    mailbox_words = models.CharField(max_length=500, blank=True)
    # The address that the leak guard writes to; it is read from the same mailbox, or reported to the hook.
    guard_address = models.CharField(_("address of the leak guard"), max_length=320, blank=True)
    per_second = models.FloatField(_("messages per second"), null=True, blank=True)
    # Recipient domain to messages per second.
    per_domain = models.JSONField(_("messages per second and recipient domain"), default=dict, blank=True)
    warmup_from = models.DateField(_("warm-up since"), null=True, blank=True)
    warmup_first = models.PositiveIntegerField(_("messages on the first day"), default=200)
    tested_at = models.DateTimeField(null=True)
    test_passed = models.BooleanField(null=True)
    test_words = models.CharField(max_length=500, blank=True)
    # Who said that the service's own tracking is off, when, and in which words (rule S11).
    attested_at = models.DateTimeField(null=True)
    attested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    attestation = models.CharField(max_length=1000, blank=True)
    # Of which account that was said (``connections.account_digest``).
    attested_account = models.CharField(max_length=64, blank=True, default="", db_default="")
    # The circuit breaker: since when nothing is sent here, why, and when one group may try.
    failures = models.PositiveSmallIntegerField(default=0)
    broken_since = models.DateTimeField(null=True)
    broken_words = models.CharField(max_length=500, blank=True)
    probe_at = models.DateTimeField(null=True)
    # What the service reported that nobody asked for, and what came without a good signature.
    dropped_opens = models.PositiveBigIntegerField(default=0)
    dropped_clicks = models.PositiveBigIntegerField(default=0)
    refused_news = models.PositiveBigIntegerField(default=0)
    latest_news_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["organization", "name"], name="connection_name_once"),
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(is_default=True), name="one_default_connection"
            ),
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(kind="builtin"), name="one_built_in_connection"
            ),
        )

    def __str__(self) -> str:
        return self.name


class WebsiteConnection(TenantModel):
    """Which way a website's mail takes, and which one when that is broken."""

    website = models.OneToOneField(
        Website, on_delete=models.CASCADE, related_name="connection", verbose_name=_("website")
    )
    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="websites", verbose_name=_("connection")
    )
    fallback = models.ForeignKey(
        Connection,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="fallback_websites",
        verbose_name=_("connection when that one is broken"),
    )
    outside = models.ForeignKey(
        Connection,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="outside_websites",
        verbose_name=_("outside sender of exit-screen emails"),
        help_text=_("Pli hands exit-screen emails over to it and sends them no more. All other mail is Pli's."),
    )

    class Meta:
        verbose_name = _("website's connection")
        verbose_name_plural = _("websites' connections")

    def __str__(self) -> str:
        return f"{self.website} – {self.connection}"


class ConnectionDay(TenantModel):
    """How many messages a connection took on a day; counted while it warms up."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    sent = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["connection", "day"], name="connection_day_once"),)


class News(models.TextChoices):
    """What became of a message after it had left, as mail servers and sending services tell."""

    DELIVERED = "delivered", _("Delivered")
    DEFERRED = "deferred", _("Delayed by the recipient's server")
    SOFT_BOUNCE = "soft_bounce", _("Bounced, for now")
    HARD_BOUNCE = "hard_bounce", _("Bounced for good")
    REJECTED = "rejected", _("Refused by the sending service")
    COMPLAINED = "complained", _("Reported as unwanted")


class ProviderNews(TenantModel):
    """One report about one message, kept so that a repeated one changes nothing."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, null=True, related_name="news")
    # Of the report: given by the provider, else a hash of what makes it the same.
    identity = models.CharField(max_length=64)
    message = models.ForeignKey("delivery.Message", on_delete=models.CASCADE, null=True, related_name="reports")
    kind = models.CharField(max_length=12, choices=News)
    words = models.CharField(max_length=500, blank=True)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["organization", "identity"], name="provider_news_once"),)


class DkimAlgorithm(models.TextChoices):
    RSA = "rsa", _("RSA, 2048 bits")
    ED25519 = "ed25519", _("Ed25519")


class DkimKey(TenantModel):
    """A key that signs the mail of a domain (RFC 6376). It signs once its record was seen in the DNS."""

    domain = models.CharField(_("domain"), max_length=253)
    selector = models.CharField(_("selector"), max_length=63)
    algorithm = models.CharField(_("algorithm"), max_length=8, choices=DkimAlgorithm)
    # Under the installation's secrets.
    sealed = models.TextField()
    public_key = models.TextField()
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    checked_at = models.DateTimeField(null=True)
    # Seen in the DNS, or switched on by somebody who knows.
    signs_since = models.DateTimeField(null=True)
    check_words = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        ordering = ("domain", "selector")
        constraints = (
            models.UniqueConstraint(fields=["organization", "domain", "selector"], name="dkim_selector_once"),
        )

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class GuardState(models.TextChoices):
    WAITING = "waiting", _("On its way")
    CLEAN = "clean", _("Arrived as it was written")
    LEAKY = "leaky", _("Changed on its way")
    LOST = "lost", _("Never arrived")
    FAILED = "failed", _("Could not be sent")


class GuardCheck(TenantModel):
    """One canary of the leak guard: sent through a connection to a mailbox that we read (rule S11)."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="guard_checks")
    token = models.UUIDField(db_default=RandomUUID(), unique=True)
    # Through which account it went (``connections.account_digest``).
    account = models.CharField(max_length=64, blank=True, default="", db_default="")
    state = models.CharField(max_length=8, choices=GuardState, default=GuardState.WAITING)
    sent_at = models.DateTimeField(default=timezone.now)
    judged_at = models.DateTimeField(null=True)
    # What was found: [{"kind": "pixel", "address": "…"}]
    findings = models.JSONField(default=list)
    words = models.CharField(max_length=500, blank=True)
    # The canary as it was written, to compare with.
    html = models.TextField()

    class Meta:
        indexes = (models.Index(fields=["connection", "-sent_at"], name="guard_newest_first"),)
