"""The outbox: what is to be sent to whom, and what came of it."""

from __future__ import annotations

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Value
from django.db.models.functions import NullIf
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, Organization, TenantModel
from consent.models import Topic
from delivery.connection_models import Connection, News
from delivery.outside_models import OutsidePerson as OutsidePerson
from delivery.outside_models import OutsideReading as OutsideReading
from delivery.sending_models import Alert as Alert
from delivery.sending_models import ReplyKey as ReplyKey
from delivery.sending_models import SendingRules as SendingRules
from delivery.sending_models import UnknownDecision as UnknownDecision
from participants.models import Participant
from tracking.models import TrackedContent, TrackedMessage
from websites.models import ConsentScope, EmailTrackingVersion, Website


class Purpose(models.TextChoices):
    """Why an email is sent; the labels of ``consent.rules.Purpose``."""

    MARKETING = "marketing", _("Marketing")
    TRANSACTIONAL = "transactional", _("Transactional")
    AUTHENTICATION = "authentication", _("Authentication")
    LEGAL_NOTICE = "legal_notice", _("Legal notice")


class ContentSnapshot(TenantModel):
    """An email frozen and compiled at launch; later edits of the email change nothing that was launched."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+")
    tracked_content = models.OneToOneField(TrackedContent, on_delete=models.CASCADE, related_name="+")
    compiled = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)


class MailingState(models.TextChoices):
    SCHEDULED = "scheduled", _("Scheduled")
    SENDING = "sending", _("Sending")
    PAUSED = "paused", _("Paused")
    CANCELLED = "cancelled", _("Cancelled")
    DONE = "done", _("Sent")


class Mailing(TenantModel):
    """A set of messages with the same content, started, paused and cancelled together."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+")
    snapshot = models.ForeignKey(ContentSnapshot, on_delete=models.CASCADE, related_name="+")
    # The topic that unsubscribing from one of its messages ends; empty for mail that is not marketing.
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, null=True, related_name="+")
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose)
    # A second person approved that its copies are measured for their exempt purpose (rule S6).
    exempt_approved = models.BooleanField(default=False, db_default=False)
    # Why none of its copies is measured, whatever the settings say (``consent.rules.Untracked``); empty: they decide.
    untracked = models.CharField(max_length=20, blank=True, default="", db_default="")
    # Answers people who take part; may be handed to an outside sender.
    exit_screen = models.BooleanField(default=False, db_default=False)
    # One of several versions of an email: nothing of it goes into totals without a person, which would split them (S9).
    without_totals = models.BooleanField(default=False, db_default=False)
    # Somebody waits for each of its messages: they go before those of other mailings.
    urgent = models.BooleanField(default=False, db_default=False)
    # Of an email that is sent by calls: which of its contents this is. A changed email gets another mailing.
    version = models.CharField(max_length=64, blank=True, default="", db_default="")
    state = models.CharField(_("state"), max_length=12, choices=MailingState, default=MailingState.SCHEDULED)
    pause_reason = models.CharField(max_length=300, blank=True)
    not_before = models.DateTimeField(_("starts"))
    # Set once the audience has been written as messages.
    expanded_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # Paused for too many bounces or complaints; those that somebody saw and went on with are counted out.
    spiked_at = models.DateTimeField(null=True)
    accepted = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (
            # The beat task that looks for due mailings.
            models.Index(
                fields=["not_before"],
                name="mailing_due",
                condition=models.Q(state__in=["scheduled", "sending"]),
            ),
        )


class MessageStatus(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    CLAIMED = "claimed", _("Being prepared")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Failed")
    SUPPRESSED = "suppressed", _("Not sent: unsubscribed or unreachable")
    CANCELLED = "cancelled", _("Cancelled")
    UNKNOWN = "unknown", _("May have been sent")
    CAPPED = "capped", _("Left out: had as many marketing emails as a week allows")
    SLOWED = "slowed", _("Left out: not active for long, so fewer marketing emails a week")


class Held(models.TextChoices):
    """Why a message waits for a later moment than its launch."""

    ZONE = "zone", _("For the time in the person's time zone")
    QUIET = "quiet", _("For the end of the quiet hours")
    CAP = "cap", _("For the week's number of marketing emails per person")


class Message(BulkTenantModel):
    """A sent copy, or one that is to be sent. The row is the queue.

    Without foreign keys in the database (docs/decisions/0007): what they would ask about every row is asked once.
    """

    mailing = models.ForeignKey(
        Mailing, on_delete=models.CASCADE, related_name="messages", db_constraint=False, db_index=False
    )
    # Empty once the person was erased: what was sent and decided stays in the counts, and names nobody (rule D2).
    # ``participants.services.keep_people`` sees to it that nobody else is missing. Found by ``one_message_per_person``.
    participant = models.ForeignKey(
        Participant, on_delete=models.SET_NULL, null=True, related_name="messages", db_constraint=False, db_index=False
    )
    # In the Message-ID and the envelope; stands for the message towards mail servers. Both keys are given when it is
    # claimed for the first time, and taken away with the person: they stand in the mail that was sent.
    reference = models.UUIDField(null=True)
    unsubscribe_key = models.UUIDField(null=True)
    # Of the copy's page in a browser, where its template links to it; made anew whenever the copy is.
    web_version_key = models.UUIDField(null=True)
    # Asked for by a call: a person may get several of one mailing.
    by_call = models.BooleanField(default=False, db_default=False)
    status = models.CharField(max_length=10, choices=MessageStatus, default=MessageStatus.QUEUED)
    # The email-tracking version, levels and reasons as decided; frozen with the copy (rule S12).
    tracking_version = models.ForeignKey(
        EmailTrackingVersion,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    opens = models.CharField(max_length=14, blank=True)
    clicks = models.CharField(max_length=14, blank=True)
    opens_reason = models.CharField(max_length=40, blank=True)
    clicks_reason = models.CharField(max_length=40, blank=True)
    decided_at = models.DateTimeField(null=True)
    # Most copies have none: the index of the database leaves them out.
    tracked_message = models.OneToOneField(
        TrackedMessage, on_delete=models.SET_NULL, null=True, related_name="message", db_constraint=False
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    # When a queued row may leave, a claimed row be claimed again, or a temporary failure be tried again.
    due_at = models.DateTimeField(null=True)
    # Why it was to leave later than the others, if it was.
    held_for = models.CharField(max_length=8, choices=Held, blank=True, default="", db_default="")
    error = models.CharField(max_length=500, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    # Since when it may have been sent without anybody knowing; kept when that was decided or found out.
    uncertain_at = models.DateTimeField(null=True)
    # The way it took, the sending service's own name for it, and what was heard of it since.
    connection = models.ForeignKey(
        Connection, on_delete=models.SET_NULL, null=True, related_name="+", db_constraint=False, db_index=False
    )
    provider_id = models.CharField(max_length=200, blank=True)
    news = models.CharField(max_length=12, choices=News, blank=True)
    news_at = models.DateTimeField(null=True)
    news_words = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = (
            # One copy each, even if the expansion runs again; NULL, as which a call counts, differs from any other.
            # An index of all rows with the person first, so that it also finds what somebody got.
            models.UniqueConstraint(
                models.F("participant"),
                models.F("mailing"),
                NullIf("by_call", Value(True)),
                name="one_message_per_person",
            ),
            # Of what was never claimed, the indexes of the keys hold nothing.
            models.UniqueConstraint(
                fields=["reference"], name="message_reference", condition=models.Q(reference__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["unsubscribe_key"],
                name="message_unsubscribe_key",
                condition=models.Q(unsubscribe_key__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["web_version_key"],
                name="message_web_version_key",
                condition=models.Q(web_version_key__isnull=False),
            ),
        )
        indexes = (
            # Claims of the sender.
            models.Index(
                fields=["mailing", "id"],
                name="message_to_send",
                condition=models.Q(status__in=["queued", "claimed", "sending"]),
            ),
            # How far a mailing is: counted without looking at its messages.
            models.Index(fields=["mailing", "status"], name="message_progress"),
            # What a person, or the organization's setting, has to decide.
            models.Index(
                fields=["organization", "uncertain_at"],
                name="message_unknown",
                condition=models.Q(status="unknown"),
            ),
            # Whether too many bounced or complained.
            models.Index(
                fields=["mailing", "news"],
                name="message_bad_news",
                condition=models.Q(news__in=["hard_bounce", "complained"]),
            ),
            # News that know a message by the sending service's name only.
            models.Index(fields=["provider_id"], name="message_provider_id", condition=~models.Q(provider_id="")),
        )


class MessageCall(BulkTenantModel):
    """What a call asked to send in one message: said once, however often the call is repeated."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="call")
    # A keyed hash of the caller's idempotency key, which may name an order or a person; empty when there was none.
    digest = models.CharField(max_length=64, blank=True)
    # Of what was asked for, so that another message under the same key is noticed.
    content = models.CharField(max_length=64)
    # The variables under "data". Empty once the message has come to its end: it may hold somebody's link.
    data = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("message by call")
        verbose_name_plural = _("messages by call")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "digest"], name="message_call_once", condition=~models.Q(digest="")
            ),
        )


class UncertainMessage(Message):
    """A message of which nobody knows whether it was sent, as the console lists it."""

    class Meta:
        proxy = True
        verbose_name = _("message that may have been sent")
        verbose_name_plural = _("messages that may have been sent")


class ServiceMessage(TenantModel):
    """One message to one person that no launch sends: a fresh link, a confirmation, a receipt. Never measured.

    The row is the queue, as with ``Message``. What it says is forgotten once it has left: it may carry somebody's link.
    """

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="+")
    # Empty for an address that nobody has taken part with.
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, null=True, related_name="service_messages")
    to_email = models.CharField(max_length=320)
    kind = models.CharField(max_length=40)
    language = models.CharField(max_length=10)
    subject = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    unsubscribe_url = models.CharField(max_length=500, blank=True)
    # A message that was written already, such as a test of an email; then there is no text.
    mime = models.BinaryField(null=True)
    reference = models.UUIDField(db_default=RandomUUID(), unique=True)
    status = models.CharField(max_length=10, choices=MessageStatus, default=MessageStatus.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    # When it may be tried, or tried again, or when the lease of whoever is at it runs out.
    due_at = models.DateTimeField(null=True)
    # Tells one claim from another's that found it run out.
    claimed_at = models.DateTimeField(null=True)
    # Later it is of no use any more.
    expires_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True)
    # When it was sent again after a doubt.
    resent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            # Claims of the sender, and the beat task that looks for what is due.
            models.Index(
                fields=["due_at"],
                name="service_message_due",
                condition=models.Q(status__in=["queued", "claimed", "sending"]),
            ),
            # What waits for a decision.
            models.Index(
                fields=["organization", "claimed_at"],
                name="service_message_unknown",
                condition=models.Q(status="unknown"),
            ),
        )


class SuppressionReason(models.TextChoices):
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
    BOUNCED = "bounced", _("Address does not accept mail")
    COMPLAINED = "complained", _("Reported as unwanted")


class Suppression(TenantModel):
    """An address that gets no marketing mail (unsubscribed, complained) or no mail at all (bounced)."""

    email_norm = models.CharField(_("email address"), max_length=320)
    reason = models.CharField(_("reason"), max_length=12, choices=SuppressionReason)
    source = models.CharField(_("source"), max_length=120, blank=True)
    created_at = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")
        constraints = (
            models.UniqueConstraint(fields=["organization", "email_norm", "reason"], name="suppression_once"),
        )

    def __str__(self) -> str:
        return self.email_norm


class AddressKey(TenantModel):
    """The random key under which an organization keeps addresses as hashes (rule D2).

    It is stored sealed and never changes: the addresses are gone, so nobody could hash them anew.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    # Under the installation's secrets (common/crypto.py).
    sealed = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)


class SuppressedHash(BulkTenantModel):
    """An address that was erased, as a keyed hash: it comes back by nobody's act but the person's own (rule D2).

    It carries the prohibitions that the address had, which hold again for a person who comes back.
    """

    digest = models.BinaryField(max_length=32)
    # SuppressionReason of the address, if any.
    reasons = models.JSONField(default=list)
    # Kinds of consent.rules that the person had refused, by consent scope: {"7": ["opens", "clicks"]}.
    refused = models.JSONField(default=dict)
    created_at = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        verbose_name = _("erased address")
        verbose_name_plural = _("erased addresses")
        constraints = (models.UniqueConstraint(fields=["organization", "digest"], name="suppressed_hash_once"),)


class CaughtMessage(TenantModel):
    """A message in the built-in mailbox, as an SMTP server got it."""

    received_at = models.DateTimeField(_("received"), default=timezone.now)
    mail_from = models.CharField(max_length=320)
    rcpt_to = models.CharField(_("to"), max_length=320)
    subject = models.CharField(_("subject"), max_length=500)
    # zlib: a newsletter shrinks to an eighth.
    raw = models.BinaryField()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("mailbox")
        ordering = ("-id",)
        indexes = (models.Index(fields=["organization", "-id"], name="mailbox_newest_first"),)


class ConsentRequest(BulkTenantModel):
    """Somebody was asked by email for their tracking consent; nobody is asked again for months (rule C4).

    Written when the message has left. Links and boxes that stand in other emails and pages are no requests.
    """

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="consent_requests")
    scope = models.ForeignKey(ConsentScope, on_delete=models.CASCADE, related_name="+", db_index=False)
    message = models.OneToOneField(Message, on_delete=models.SET_NULL, null=True, related_name="consent_request")
    asked_at = models.DateTimeField(_("asked"))

    class Meta:
        verbose_name = _("request for tracking consent")
        verbose_name_plural = _("requests for tracking consent")
        # Who may be asked again, and since when not.
        indexes = (models.Index(fields=["scope", "asked_at"], name="consent_request_recent"),)
