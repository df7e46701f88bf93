"""Links to people's own data, receipts of their choices; requests, retention, sealed proofs, inactivity, departure."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import Organization, TenantModel, User
from participants.models import Participant
from websites.models import Website


class LinkKind(models.TextChoices):
    DATA = "data"
    ADDRESS = "address"


class FreshLink(TenantModel):
    """A link that was sent to an address, so that only whoever reads mail there gets further (rule H3).

    Keys are kept as hashes only: whoever reads the database cannot open anybody's page. The key of the mail works once;
    the page that it opens carries another key, in its forms and never in an address.
    """

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="fresh_links")
    kind = models.CharField(max_length=8, choices=LinkKind)
    key_hash = models.CharField(max_length=64, unique=True)
    page_hash = models.CharField(max_length=64, blank=True)
    # The address that is confirmed by opening a link of the kind ``address``.
    new_email = models.CharField(max_length=320, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)


class Receipt(TenantModel):
    """What a person is told in writing after a choice: at most one mail an hour, with the state when it leaves."""

    participant = models.OneToOneField(Participant, on_delete=models.CASCADE, related_name="choice_receipt")
    language = models.CharField(max_length=10)
    # Empty when nothing has changed since the last one.
    due_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            # The beat task that looks for due receipts.
            models.Index(fields=["due_at"], name="receipt_due", condition=models.Q(due_at__isnull=False)),
        )


class RequestKind(models.TextChoices):
    """What a person can ask for (articles 15 to 21)."""

    ACCESS = "access", _("Access")
    PORTABILITY = "portability", _("Portability")
    RECTIFICATION = "rectification", _("Rectification")
    OBJECTION = "objection", _("Objection")
    ERASURE = "erasure", _("Erasure")


class RequestChannel(models.TextChoices):
    """How a request came."""

    PAGE = "page", _("The page of one's own data")
    EMAIL = "email", _("Email")
    LETTER = "letter", _("Letter")
    PHONE = "phone", _("Telephone")
    IN_PERSON = "in_person", _("In person")
    OTHER = "other", _("Other")


class RequestState(models.TextChoices):
    OPEN = "open", pgettext_lazy("request", "Open")
    ANSWERED = "answered", _("Answered")
    DECLINED = "declined", _("Declined")


class PersonRequest(TenantModel):
    """One request of a person, with its one-month clock (rule D4). Names nobody once the person was erased."""

    kind = models.CharField(_("request"), max_length=13, choices=RequestKind)
    channel = models.CharField(_("came by"), max_length=9, choices=RequestChannel)
    state = models.CharField(_("state"), max_length=8, choices=RequestState, default=RequestState.OPEN)
    participant = models.ForeignKey(
        Participant, on_delete=models.SET_NULL, null=True, blank=True, related_name="person_requests"
    )
    # What the person said, as far as it is needed to answer.
    details = models.TextField(_("what was asked"), blank=True)
    received_on = models.DateField(_("received"))
    due_on = models.DateField(_("to be answered by"))
    extended_at = models.DateTimeField(_("extended"), null=True)
    extended_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    extension_reason = models.CharField(_("reason of the extension"), max_length=500, blank=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    # Empty where the person did it on their page.
    answered_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("answered by")
    )
    answer = models.TextField(_("answer"), blank=True)
    # Where the answer can be seen: a letter's number, a ticket.
    evidence = models.CharField(_("evidence"), max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests of persons")
        ordering = ("-received_on", "-id")
        indexes = (
            # The warnings of the overview.
            models.Index(fields=["organization", "due_on"], name="request_open", condition=models.Q(state="open")),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.received_on})"


class Keeping(TenantModel):
    """How long an organization keeps what is about people (rule U4); hits have their own, in ``tracking``.

    Empty: for as long as the organization is here.
    """

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    participants_months = models.PositiveSmallIntegerField(
        _("participants without declared activity, in months"), null=True, blank=True
    )
    participations_months = models.PositiveSmallIntegerField(_("participations, in months"), null=True, blank=True)
    requests_months = models.PositiveSmallIntegerField(_("answered requests of persons, in months"), default=36)
    proofs_months = models.PositiveSmallIntegerField(_("sealed proofs of consent, in months"), default=60)
    service_messages_days = models.PositiveSmallIntegerField(_("service messages, in days"), default=90)
    imports_days = models.PositiveSmallIntegerField(
        _("files of imports and what is listed of them, in days"), default=30
    )
    mailbox_days = models.PositiveSmallIntegerField(_("messages in the built-in mailbox, in days"), default=30)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")


class KeepingRun(TenantModel):
    """One time that retention was carried out, or only counted: what, how many, when (rule U4)."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    only_counted = models.BooleanField(default=False)
    # {"hits": 12, "participants": 3, …}
    counts = models.JSONField(default=dict)
    # The limits that held, for the record.
    limits = models.JSONField(default=dict)
    started_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("-started_at", "-id")


class SealedProof(TenantModel):
    """The proof of an erased person's consent, under a key of its own (rule D2). Two people open it, with a reason."""

    # Of the address, by the organization's key: the only way to find it.
    digest = models.BinaryField(max_length=32)
    sealed = models.TextField()
    # The key of ``sealed``, under the installation's secrets: without it nothing can be read.
    wrapped_key = models.TextField()
    sealed_at = models.DateTimeField(_("sealed"))
    destroy_on = models.DateField(_("destroyed on"))

    class Meta:
        indexes = (models.Index(fields=["organization", "digest"], name="sealed_proof_by_hash"),)


class ProofOpening(TenantModel):
    """Somebody who asked to open a sealed proof, why, and who agreed. Stays when the proof is destroyed."""

    proof = models.ForeignKey(SealedProof, on_delete=models.SET_NULL, null=True, related_name="openings")
    reason = models.CharField(_("reason"), max_length=500)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    agreed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    agreed_at = models.DateTimeField(null=True)
    declined_at = models.DateTimeField(null=True)
    # Each time that it was read: [{"by": 3, "at": "…"}]
    readings = models.JSONField(default=list)

    class Meta:
        ordering = ("-asked_at", "-id")


class InactivityRule(TenantModel):
    """When people of a website are asked whether they still want its mail, without any tracking (rule U6)."""

    website = models.OneToOneField(
        Website, on_delete=models.CASCADE, related_name="inactivity_rule", verbose_name=_("website")
    )
    months = models.PositiveSmallIntegerField(_("months without declared activity"), default=24)
    answer_days = models.PositiveSmallIntegerField(_("days to answer"), default=30)
    # Off until a member has seen the counts.
    switched_on_at = models.DateTimeField(null=True, editable=False)
    switched_on_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    # Months without declared activity after which launches write so much less often; off until somebody saw the count.
    slow_months = models.PositiveSmallIntegerField(default=6)
    slow_cap = models.PositiveSmallIntegerField(default=1)
    slow_on_at = models.DateTimeField(null=True, editable=False)
    slow_on_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)

    class Meta:
        verbose_name = _("inactivity rule")
        verbose_name_plural = _("inactivity rules")

    def __str__(self) -> str:
        return self.website.name


class InactivityCheck(TenantModel):
    """One person who was asked, and what came of it."""

    rule = models.ForeignKey(InactivityRule, on_delete=models.CASCADE, related_name="checks", db_index=False)
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="inactivity_checks")
    # Opens the page with the button, and nothing else (rule H3).
    key = models.UUIDField(unique=True)
    asked_at = models.DateTimeField()
    answer_by = models.DateTimeField()
    # The mail server took the question.
    was_sent = models.BooleanField(default=False)
    # Pressed the button: a declared reply.
    stayed_at = models.DateTimeField(null=True)
    # The subscriptions ended.
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["rule", "participant"],
                name="one_open_inactivity_check",
                condition=models.Q(stayed_at__isnull=True, ended_at__isnull=True),
            ),
        )


class ExportState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class OrganizationExport(TenantModel):
    """Everything that an organization has here, as one file (rule D4)."""

    state = models.CharField(_("state"), max_length=8, choices=ExportState, default=ExportState.QUEUED)
    file = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    asked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # The file is removed then.
    expires_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-asked_at", "-id")


class Departure(TenantModel):
    """An organization that leaves: an owner asks, a second person or 24 hours confirm, and it is deleted (rule D4)."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    reason = models.CharField(_("reason"), max_length=500)
    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
