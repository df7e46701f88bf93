"""Who agreed to what, since when, and what the organization may rely on."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, TenantModel, User
from participants.models import Participant
from websites.models import ConsentScope, Website
from websites.rules import RuleKey


class Topic(TenantModel):
    """What a person can subscribe to on a website: "Weekly news", "Offers"."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="topics", verbose_name=_("website"))
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        constraints = (models.UniqueConstraint(fields=["website", "name"], name="topic_name_once"),)

    def __str__(self) -> str:
        return f"{self.website.name} · {self.name}"


class Basis(models.TextChoices):
    """On what ground a person gets the mail of a topic."""

    OPT_IN = "opt_in", _("Opt-in")
    DOUBLE_OPT_IN = "double_opt_in", _("Double opt-in")
    EXISTING_CUSTOMER = "existing_customer", _("Existing customer")
    PROFESSIONAL_INTEREST = "professional_interest", _("Professional interest")


class Subscription(BulkTenantModel):
    """The permission to send a person the marketing mail of a topic. Says nothing about measuring (rule C1)."""

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="subscriptions")
    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="subscriptions")
    basis = models.CharField(_("basis"), max_length=24, choices=Basis)
    source = models.CharField(_("source"), max_length=120, blank=True)
    wording = models.TextField(_("wording"), blank=True)
    subscribed_at = models.DateTimeField(_("subscribed"))
    # Asked for with double opt-in, and not confirmed yet: nothing is sent before that.
    pending_since = models.DateTimeField(_("waits for confirmation since"), null=True, blank=True)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    # Nothing is sent meanwhile; without an end, until the person says so.
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    unsubscribed_at = models.DateTimeField(_("unsubscribed"), null=True, blank=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        constraints = (models.UniqueConstraint(fields=["participant", "topic"], name="one_subscription_per_topic"),)
        indexes = (
            # The audience of a launch.
            models.Index(
                fields=["topic", "participant"],
                name="subscription_active",
                condition=models.Q(unsubscribed_at__isnull=True),
            ),
        )


class ChoiceLabel(models.TextChoices):
    """The labels of ``consent.rules.ChoiceValue``."""

    YES = "yes", _("Yes")
    NO = "no", _("No")
    UNKNOWN = "unknown", _("No answer")
    INFORMED = "informed", _("Informed, did not refuse")


class InformedGround(models.TextChoices):
    """Why somebody counts as informed who did not refuse. Never shown as a yes (rule C10)."""

    EXISTING = "existing", _("Known before the rules, and informed in time")
    PROFESSIONAL = "professional", _("Left the ticked box of a website for professionals")


class Choice(BulkTenantModel):
    """Tracking consent: the current choice of a person about opens and clicks, derived from the events.

    One for each consent scope (rule C8). ``*_since`` as in ``consent.rules``: since when the yes holds, and since when
    there is no no, without a break. A person without a row never answered. Written only by
    consent.services.record_choice, record_informed and record_choices.
    """

    pk = models.CompositePrimaryKey("participant_id", "scope_id")
    # No constraints: they would lock the rows of the person and of the scope at every answer, and cost an import more
    # than writing the answers.
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="choices", db_constraint=False, db_index=False
    )
    scope = models.ForeignKey(
        ConsentScope, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    opens = models.CharField(_("opens"), max_length=8, choices=ChoiceLabel, default=ChoiceLabel.UNKNOWN)
    opens_source = models.CharField(max_length=8, blank=True)
    opens_at = models.DateTimeField(null=True)
    opens_yes_since = models.DateTimeField(null=True)
    opens_not_no_since = models.DateTimeField(null=True)
    opens_informed_since = models.DateTimeField(null=True)
    clicks = models.CharField(_("clicks"), max_length=8, choices=ChoiceLabel, default=ChoiceLabel.UNKNOWN)
    clicks_source = models.CharField(max_length=8, blank=True)
    clicks_at = models.DateTimeField(null=True)
    clicks_yes_since = models.DateTimeField(null=True)
    clicks_not_no_since = models.DateTimeField(null=True)
    clicks_informed_since = models.DateTimeField(null=True)
    informed_ground = models.CharField(max_length=12, blank=True, choices=InformedGround, default="", db_default="")
    # When the address came in, and when the person was told: compared with the dates of the rule table (rule C10).
    collected_at = models.DateTimeField(null=True)
    informed_at = models.DateTimeField(null=True)
    # Takes the person out of the anonymous totals of what is sent from then on (rule S4).
    anonymous_objected_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("tracking consent")
        verbose_name_plural = _("tracking consents")


class ConsentText(TenantModel):
    """What people were asked, word by word. Immutable (a trigger): a new text is a new version (rule C5).

    ``website`` is empty where a text is shown for the whole organization, ``language`` where nobody said which it is.
    """

    website = models.ForeignKey(Website, on_delete=models.PROTECT, null=True, related_name="consent_texts")
    language = models.CharField(_("language"), max_length=10, blank=True)
    # The page, form or import that asks.
    place = models.CharField(_("place"), max_length=40)
    version = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text"))
    # "opens", "clicks", "anonymous", and "subscription:<topic>" where one box asks for both (rule C1).
    asks_for = models.JSONField(_("asks for"), default=list)
    # ``consent.chain.consent_text_hash``.
    sha256 = models.BinaryField(max_length=32)
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        ordering = ("-published_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "website", "language", "place", "version"],
                name="consent_text_version_once",
                nulls_distinct=False,
            ),
        )


class ChoiceEvent(BulkTenantModel):
    """One act of choosing. Append-only: a trigger refuses anything else (rule C5).

    The events of one person in one scope are a chain: each carries the hash of the one before (docs/ledger.md). Their
    order is that of ``seq``; over all people it is that of ``id``, whose ranges are sealed by ``LedgerAnchor``. The
    table's key is (organization, id): events are read by their number within one organization only.
    """

    # Participant.ledger_id. Erasure takes the participant away, and this names nobody any more.
    subject = models.UUIDField()
    scope = models.ForeignKey(
        ConsentScope, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    seq = models.IntegerField(_("position"))
    kind = models.CharField(_("about"), max_length=9)
    value = models.CharField(_("choice"), max_length=8, choices=ChoiceLabel)
    source = models.CharField(_("source"), max_length=8)
    method = models.CharField(_("method"), max_length=40)
    happened_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    # No constraint: texts are never deleted, and it would lock the one row of a text at every answer of a file.
    consent_text = models.ForeignKey(
        ConsentText, on_delete=models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    # The number says who it was even when the account is gone: nothing may rewrite this row.
    actor = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = _("choice")
        verbose_name_plural = _("consent history")
        ordering = ("-recorded_at", "-id")
        # One event follows another, however many write; also serves the history of a person.
        constraints = (models.UniqueConstraint(fields=["subject", "scope", "seq"], name="choice_chain"),)


class LedgerKey(TenantModel):
    """The key pair with which an organization signs its anchors (Ed25519)."""

    public_key = models.BinaryField(max_length=32, unique=True)
    # Under the installation's secrets (common/crypto.py).
    sealed_private_key = models.TextField()
    created_at = models.DateTimeField(_("created"))


class LedgerAnchor(TenantModel):
    """A signed seal over the events of an organization in a range of numbers. Append-only (a trigger).

    Each carries the hash of the one before. Whoever keeps one outside of the database can show any later change of
    what it covers (docs/ledger.md).
    """

    number = models.PositiveIntegerField(_("number"))
    # Covers after_id < event <= up_to_id.
    after_id = models.BigIntegerField()
    up_to_id = models.BigIntegerField()
    events = models.PositiveIntegerField(_("events"))
    root = models.BinaryField(max_length=32)
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField(_("sealed"))
    key = models.ForeignKey(LedgerKey, on_delete=models.PROTECT, related_name="+")
    signature = models.BinaryField(max_length=64)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=["organization", "number"], name="ledger_anchor_number_once"),
            # Serves the proof of one event.
            models.UniqueConstraint(fields=["organization", "up_to_id"], name="ledger_anchor_range_once"),
        )


class SubscriptionAct(models.TextChoices):
    SUBSCRIBED = "subscribed", _("Subscribed")
    REQUESTED = "requested", _("Asked for, waits for confirmation")
    CONFIRMED = "confirmed", _("Confirmed")
    PAUSED = "paused", _("Paused")
    RESUMED = "resumed", _("Goes on")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")
    RESUBSCRIBED = "resubscribed", _("Subscribed again")


class SubscriptionEvent(BulkTenantModel):
    """One act about the permission to send. Append-only (a trigger), as the consent history is.

    A register of its own: nothing in it says anything about being measured (rule C1).
    """

    # Participant.ledger_id. Erasure takes the participant away, and this names nobody any more.
    subject = models.UUIDField()
    # No constraints, as in ChoiceEvent: nothing may rewrite this row, and it is written by the million.
    topic = models.ForeignKey(
        Topic, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False, verbose_name=_("topic")
    )
    act = models.CharField(_("what"), max_length=14, choices=SubscriptionAct)
    basis = models.CharField(_("basis"), max_length=24, choices=Basis, blank=True)
    source = models.CharField(_("source"), max_length=120, blank=True)
    consent_text = models.ForeignKey(
        ConsentText, on_delete=models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False
    )
    happened_at = models.DateTimeField(_("when"))
    recorded_at = models.DateTimeField(_("recorded"))
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    actor = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        verbose_name = _("subscription act")
        verbose_name_plural = _("subscription history")
        ordering = ("-recorded_at", "-id")
        # The history of a person.
        indexes = (models.Index(fields=["subject", "id"], name="subscription_history"),)


class PreferenceKey(TenantModel):
    """Opens a person's tracking choice in one scope at /p/<key>, and nothing else."""

    key = models.UUIDField(unique=True)
    # Its index is the front of the constraint below.
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="preference_keys", db_index=False
    )
    scope = models.ForeignKey(ConsentScope, on_delete=models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["participant", "scope"], name="preference_key_once"),)


def individual_measurement() -> list[str]:
    """What a notice tells of unless it says more: opens and clicks of single people."""
    return ["opens", "clicks"]


class Notice(TenantModel):
    """What people are told before anything is measured (rule S13). A new text is a new version."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="notices")
    language = models.CharField(_("language"), max_length=10)
    version = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text"))
    url = models.URLField(_("where people find it"), max_length=500)
    # Which kinds of measurement the text tells of, as ``consent.rules.Measurement`` names them.
    covers = models.JSONField(_("covers"), default=individual_measurement)
    published_at = models.DateTimeField(_("published"))
    published_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-published_at",)
        constraints = (models.UniqueConstraint(fields=["website", "language", "version"], name="notice_version_once"),)


def individual_rules() -> list[str]:
    """What a justification loosens unless it says otherwise."""
    return [RuleKey.INDIVIDUAL_OPENS.value, RuleKey.INDIVIDUAL_CLICKS.value]


class LegalJustification(TenantModel):
    """Why an organization holds that it may measure people of some countries without a yes (rules S7, D5).

    Counts from the moment that a second person confirms it, until it ends.
    """

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="justifications")
    countries = models.JSONField(_("countries"), default=list)
    # The rows of the rule table that it loosens there, as ``websites.rules.RuleKey`` names them.
    rule_keys = models.JSONField(_("loosens"), default=individual_rules)
    reason = models.TextField(_("reason"))
    ends_on = models.DateField(_("ends on"))
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("proposed by"))
    proposed_at = models.DateTimeField(_("proposed"), default=timezone.now)
    confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("confirmed by")
    )
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    # What the second person said, or what the only member of an organization typed.
    confirmation_note = models.TextField(_("opinion"), blank=True)
    withdrawn_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("withdrawn by")
    )
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)
    dpo_opinion = models.TextField(_("opinion of the data protection officer"), blank=True)
    dpo_opinion_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    dpo_opinion_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("legal justification")
        verbose_name_plural = _("legal justifications")
        ordering = ("-proposed_at",)


class ProposalKind(models.TextChoices):
    """What takes two people (rule D5)."""

    EMAIL_TRACKING = "email_tracking", _("Email tracking")
    COUNTRY = "country", _("Country")
    DECLARED_COUNTRY = "declared_country", _("Country of people whose country is unknown")
    FALLBACK = "fallback", _("Opens and clicks of everybody else")
    FOR_PROFESSIONALS = "for_professionals", _("Website for professionals")
    CONSENT_SCOPE = "consent_scope", _("Consent scope")
    UNDO_STOP = "undo_stop", _("Undo of Stop measuring now")


class ProposalState(models.TextChoices):
    OPEN = "open", _("Waiting for a second person")
    CONFIRMED = "confirmed", _("Confirmed")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class PolicyProposal(TenantModel):
    """A loosening that one owner asks for and a second person decides (rule D5). Nothing changes before that."""

    website = models.ForeignKey(Website, on_delete=models.CASCADE, related_name="proposals")
    kind = models.CharField(_("what"), max_length=20, choices=ProposalKind)
    # What is to change: field of the website and its new value, as WebsitePolicy names them.
    wanted = models.JSONField(_("wanted"), default=dict)
    reason = models.CharField(_("reason"), max_length=500)
    state = models.CharField(_("state"), max_length=10, choices=ProposalState, default=ProposalState.OPEN)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+", verbose_name=_("proposed by"))
    proposed_at = models.DateTimeField(_("proposed"))
    # The opinion of the data protection officer, which binds nobody and stays with the proposal.
    dpo_opinion = models.TextField(_("opinion of the data protection officer"), blank=True)
    dpo_opinion_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    dpo_opinion_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided"), null=True)
    # Why it was declined, or what the only member of an organization typed.
    decision_note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("proposal")
        verbose_name_plural = _("proposals")
        ordering = ("-proposed_at",)
