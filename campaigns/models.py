"""Campaigns, who takes part, their emails, and the act of sending one."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import BulkTenantModel, TenantModel, User
from campaigns.reply_models import DeclaredReply as DeclaredReply
from campaigns.reply_models import Question as Question
from campaigns.reply_models import QuestionKind as QuestionKind
from campaigns.variant_models import Decision as Decision
from campaigns.variant_models import Measure as Measure
from campaigns.variant_models import Otherwise as Otherwise
from campaigns.variant_models import SplitTest as SplitTest
from campaigns.variant_models import Variant as Variant
from consent.models import Topic
from delivery.models import Mailing, Purpose
from participants.models import Participant
from websites.models import Website


class CampaignKind(models.TextChoices):
    NEWSLETTER = "newsletter", _("Newsletter")
    CONTEST = "contest", _("Contest")
    QUIZ = "quiz", _("Quiz")
    FORM = "form", _("Form")


class Campaign(TenantModel):
    website = models.ForeignKey(Website, on_delete=models.PROTECT, related_name="campaigns", verbose_name=_("website"))
    name = models.CharField(_("name"), max_length=160)
    kind = models.CharField(_("type"), max_length=12, choices=CampaignKind, default=CampaignKind.NEWSLETTER)
    opens_at = models.DateTimeField(pgettext_lazy("campaign", "opens"), null=True, blank=True)
    closes_at = models.DateTimeField(_("closes"), null=True, blank=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name


class Participation(BulkTenantModel):
    """A person's entry in a campaign."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="participations")
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="participations")
    participated_at = models.DateTimeField(_("took part"))
    source = models.CharField(_("source"), max_length=120, blank=True)

    class Meta:
        verbose_name = _("participation")
        verbose_name_plural = _("participations")
        constraints = (models.UniqueConstraint(fields=["campaign", "participant"], name="one_participation"),)


class EmailKind(models.TextChoices):
    NEWSLETTER = "newsletter", _("Newsletter")
    EXIT_SCREEN = "exit_screen", _("Exit-screen email")
    REMINDER = "reminder", _("Reminder")
    # Never measured itself (rule C3), and nobody gets one soon after another (rule C4).
    CONSENT_REQUEST = "consent_request", _("Request for tracking consent")


class BodyFormat(models.TextChoices):
    MJML = "mjml", _("MJML")
    HTML = "html", _("HTML")


class Email(TenantModel):
    """What a campaign sends. Drafts change freely; a launch freezes a copy."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="emails", verbose_name=_("campaign"))
    name = models.CharField(_("name"), max_length=160)
    kind = models.CharField(_("type"), max_length=16, choices=EmailKind, default=EmailKind.NEWSLETTER)
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose, default=Purpose.MARKETING)
    topic = models.ForeignKey(
        Topic,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("topic"),
        help_text=_("Marketing emails go to the people who subscribed to this topic."),
    )
    subject = models.CharField(_("subject"), max_length=250)
    preheader = models.CharField(_("preview text"), max_length=250, blank=True)
    sender_name = models.CharField(_("sender name"), max_length=120, blank=True)
    reply_to = models.EmailField(_("reply to"), blank=True)
    body_format = models.CharField(_("format"), max_length=5, choices=BodyFormat, default=BodyFormat.MJML)
    body = models.TextField(_("body"))
    text = models.TextField(_("plain text"), blank=True, help_text=_("Made from the body when left empty."))
    add_utm = models.BooleanField(
        _("add UTM tags"),
        default=True,
        help_text=_("Tells your web analytics which email a visit came from; names no person."),
    )
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("email")
        verbose_name_plural = _("emails")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name


class FunctionalLinkKind(models.TextChoices):
    PASSWORD = "password", _("New password or sign-in")
    VOUCHER = "voucher", _("Voucher")
    PREFILLED = "prefilled", _("Prefilled form")
    OTHER = "other", _("Something else that needs it")


class FunctionalLink(TenantModel):
    """A link of an email that works only with what it carries about the recipient, and why.

    Without such a declaration, a link that is not the same for everybody keeps the email from being sent.
    """

    email = models.ForeignKey(Email, on_delete=models.CASCADE, related_name="functional_links")
    address = models.CharField(
        _("link"), max_length=1000, help_text=_("As in the body, with its {{ … }}. The email address is never allowed.")
    )
    kind = models.CharField(_("what it is"), max_length=10, choices=FunctionalLinkKind)
    reason = models.CharField(_("reason"), max_length=300, help_text=_("Why it cannot work without."))
    declared_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    declared_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("functional link")
        verbose_name_plural = _("functional links")

    def __str__(self) -> str:
        return self.address


class ExemptionState(models.TextChoices):
    OPEN = "open", _("Waiting for a second person")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")


class Exemption(TenantModel):
    """That an email serves an exempt purpose and nothing else, as one member says and a second one confirms (rule S6).

    Counts for the content that both saw: another body, subject or purpose needs another one.
    """

    email = models.ForeignKey(Email, on_delete=models.CASCADE, related_name="exemptions")
    purpose = models.CharField(_("purpose"), max_length=16, choices=Purpose)
    # Of what both people saw: campaigns.rules.content_digest.
    digest = models.CharField(max_length=64)
    reason = models.CharField(_("reason"), max_length=500)
    state = models.CharField(_("state"), max_length=10, choices=ExemptionState, default=ExemptionState.OPEN)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(_("proposed"))
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided"), null=True)
    note = models.TextField(_("note"), blank=True)
    # Withdrawn by a member, or the email was changed: it counts no longer.
    dropped_at = models.DateTimeField(_("dropped"), null=True)
    dropped_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("exempt purpose")
        verbose_name_plural = _("exempt purposes")
        ordering = ("-proposed_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["email"],
                name="one_exemption_at_a_time",
                condition=models.Q(state__in=["open", "approved"], dropped_at=None),
            ),
        )


class Segment(TenantModel):
    """People of an organization that conditions describe: who they are is asked anew each time."""

    name = models.CharField(_("name"), max_length=160)
    # As ``campaigns.segments.read_definition`` accepts it.
    definition = models.JSONField(_("conditions"), default=dict)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["organization", "name"], name="segment_name_once"),)

    def __str__(self) -> str:
        return self.name


class TrialGroup(TenantModel):
    """Who gets a test of an email before everybody else gets the email."""

    name = models.CharField(_("name"), max_length=160)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("test group")
        verbose_name_plural = _("test groups")
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["organization", "name"], name="test_group_name_once"),)

    def __str__(self) -> str:
        return self.name


class TrialAddress(TenantModel):
    """One address of a test group: a colleague's, or a participant's, whose name and attributes the test then shows."""

    group = models.ForeignKey(TrialGroup, on_delete=models.CASCADE, related_name="addresses")
    email = models.CharField(_("email address"), max_length=320)
    email_norm = models.CharField(max_length=320)

    class Meta:
        verbose_name = _("test address")
        verbose_name_plural = _("test addresses")
        constraints = (models.UniqueConstraint(fields=["group", "email_norm"], name="test_address_once"),)

    def __str__(self) -> str:
        return self.email


class StopWhen(models.TextChoices):
    TOOK_PART = "took_part", _("who have not taken part in the campaign")
    GOT_IT = "got_it", _("who have not got it")


class Repeat(TenantModel):
    """An email that is sent again every so many days, each time to those of its audience whom it still concerns."""

    email = models.ForeignKey(Email, on_delete=models.PROTECT, related_name="repeats")
    every_days = models.PositiveSmallIntegerField(_("every so many days"))
    # The day and time of the first round on the clock of the organization, or on each person's own.
    first_at = models.CharField(max_length=16)
    until = models.DateField(_("until"))
    to_those = models.CharField(_("to those"), max_length=10, choices=StopWhen)
    most_times = models.PositiveSmallIntegerField(_("at most so many times each"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("repeated email")
        verbose_name_plural = _("repeated emails")


class Launch(TenantModel):
    """The act of sending an email to its audience."""

    email = models.ForeignKey(Email, on_delete=models.PROTECT, related_name="launches", verbose_name=_("email"))
    mailing = models.OneToOneField(Mailing, on_delete=models.CASCADE, related_name="launch")
    # What narrows the audience, as it was when somebody pressed the button: ``campaigns.segments.Narrowing``.
    audience = models.JSONField(default=dict, db_default=models.Value({}, output_field=models.JSONField()))
    segment = models.ForeignKey(Segment, on_delete=models.SET_NULL, null=True, related_name="launches")
    # The day and time at which it leaves on each person's own clock; empty: for all at the same moment.
    local_at = models.CharField(max_length=16, blank=True, default="", db_default="")
    repeat = models.ForeignKey(Repeat, on_delete=models.SET_NULL, null=True, related_name="launches")
    round = models.PositiveSmallIntegerField(default=1, db_default=1)
    # Of an A/B test: the version that this launch sends, to its share of the audience or, in the end, to the rest.
    variant = models.ForeignKey(Variant, on_delete=models.SET_NULL, null=True, related_name="launches")
    sends_rest = models.BooleanField(default=False, db_default=False)
    launched_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        # What members call it: its page is the report.
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["variant"],
                name="one_launch_of_a_variant",
                condition=models.Q(variant__isnull=False, sends_rest=False),
            ),
        )

    def __str__(self) -> str:
        return self.email.name if self.variant_id is None else f"{self.email.name} ({self.variant})"
