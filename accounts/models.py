"""Organizations (the tenants), their members, and the people who sign in."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class OverCap(models.TextChoices):
    """What becomes of a marketing email to somebody who had as many as a week allows."""

    PUT_OFF = "put_off", _("Send it as soon as the week allows")
    LEFT_OUT = "left_out", _("Do not send it")


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        if not email:
            raise ValueError("a user needs an email address")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """An operator; their address counts as confirmed, as whoever can do this could confirm it too."""
        user = self.create_user(email, password, is_superuser=True, **fields)
        apps.get_model("account", "EmailAddress").objects.create(
            user=user, email=user.email.lower(), verified=True, primary=True
        )
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by email. What they may do comes from their membership, not from here."""

    email = models.EmailField(_("email address"), unique=True)
    full_name = models.CharField(_("name"), max_length=150, blank=True)
    locale = models.CharField(_("language"), max_length=10, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = (models.UniqueConstraint(Lower("email"), name="user_email_once"),)

    def __str__(self) -> str:
        return self.full_name or self.email

    @property
    def is_staff(self) -> bool:
        """Asked by the admin's templates; the console itself asks for a membership."""
        return self.is_active


class Organization(models.Model):
    """The tenant: a company or public body that sends email."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=200)
    legal_name = models.CharField(
        _("legal name"), max_length=200, blank=True, help_text=_("Shown as the sender in every email.")
    )
    legal_address = models.CharField(_("postal address"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    timezone = models.CharField(_("time zone"), max_length=64, default="Europe/Brussels")
    # Rule C4; nobody may ask sooner than the rule says.
    consent_request_months = models.PositiveSmallIntegerField(
        _("months between requests for tracking consent"),
        default=6,
        db_default=6,
        validators=[MinValueValidator(6), MaxValueValidator(120)],
        help_text=_("Nobody who refused or did not answer is asked again by email before. At least 6."),
    )
    # On each person's own clock; they may reach over midnight.
    quiet_from = models.TimeField(
        _("quiet hours begin"),
        null=True,
        blank=True,
        help_text=_("No marketing leaves then, in the time zone of each person. Leave both empty for none."),
    )
    quiet_until = models.TimeField(_("quiet hours end"), null=True, blank=True)
    weekly_cap = models.PositiveSmallIntegerField(
        _("marketing emails per person and week"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("At most so many within seven days. Leave empty for no limit."),
    )
    over_cap = models.CharField(
        _("what would be one too many"), max_length=8, choices=OverCap, default=OverCap.PUT_OFF, db_default="put_off"
    )

    # Rule U3; nobody may show smaller ones than the rule says. Each is so many tens: whatever could be read from a
    # report in steps of twenty, or of fifty, stands in one in steps of ten, so changing it to and fro tells nothing.
    smallest_crowd = models.PositiveSmallIntegerField(
        _("fewest people of an anonymous figure"),
        choices=[(number, str(number)) for number in (10, 20, 50, 100)],
        default=10,
        db_default=10,
        help_text=_("Reports show no anonymous total and no group of fewer people, and totals in steps of so many."),
    )

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(consent_request_months__gte=6), name="six_months_between_requests"
            ),
            models.CheckConstraint(condition=models.Q(smallest_crowd__in=[10, 20, 50, 100]), name="crowds_of_tens"),
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | (
                    models.Q(quiet_from__isnull=False, quiet_until__isnull=False)
                    & ~models.Q(quiet_from=models.F("quiet_until"))
                ),
                name="quiet_hours_begin_and_end",
            ),
        )

    def __str__(self) -> str:
        return self.name


class TenantModel(models.Model):
    """A row that belongs to one organization. Every such table is forced behind row-level security."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", editable=False)

    class Meta:
        abstract = True


class BulkTenantModel(TenantModel):
    """A tenant table that is filled by the million, in imports and launches.

    The wall compares the organization of every row that is written with the one that we act for. A foreign key would
    ask the same again, row by row, and lock the organization's one row each time: four times the cost of an import.
    Its indexes begin with what they serve, so none is needed on the organization alone.
    """

    organization = models.ForeignKey(
        Organization,
        on_delete=models.CASCADE,
        related_name="+",
        editable=False,
        db_constraint=False,
        db_index=False,
    )

    class Meta:
        abstract = True


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    MARKETER = "marketer", _("Marketer")
    DPO = "dpo", _("Data protection officer")
    VIEWER = "viewer", _("Viewer")


class Membership(TenantModel):
    """What a person may do in an organization."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=10, choices=Role)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = (models.UniqueConstraint(fields=["organization", "user"], name="one_membership_per_person"),)

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class Invitation(TenantModel):
    """An address that an owner asked in, until it is accepted, withdrawn or too old."""

    email = models.EmailField(_("email address"))
    role = models.CharField(_("role"), max_length=10, choices=Role)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    invited_at = models.DateTimeField(_("invited"))
    expires_at = models.DateTimeField(_("until"))
    # Of the key in the mail that left last. The key itself is nowhere but in that mail.
    key_hash = models.BinaryField(max_length=32, null=True, unique=True)
    mailed_at = models.DateTimeField(null=True)
    # How often mailing it failed, when last, and whether that was the end of trying.
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    failed_at = models.DateTimeField(null=True)
    given_up = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints = (models.UniqueConstraint(fields=["organization", "email"], name="one_invitation_per_address"),)


class Impersonation(TenantModel):
    """An operator acts in the place of a member, for a while and for a reason, and the owners are told."""

    operator = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    operator_name = models.CharField(_("operator"), max_length=254)
    member = models.ForeignKey(User, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    member_name = models.CharField(_("member"), max_length=254)
    reason = models.CharField(_("reason"), max_length=300)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    told_of_start_at = models.DateTimeField(null=True)
    told_of_end_at = models.DateTimeField(null=True)
    # Of its start and its end: the members who were told, and those whose server takes nothing for them.
    told = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("access of an operator")
        verbose_name_plural = _("access of operators")


class AuditEntry(TenantModel):
    """Who did what in an organization (``accounts/audit.py``). Added to, never changed.

    Names stand beside the numbers, since the trail outlives the accounts that it speaks of.
    """

    at = models.DateTimeField(_("when"))
    action = models.CharField(_("action"), max_length=60)
    target = models.CharField(_("what"), max_length=200, blank=True)
    details = models.JSONField(_("details"), default=dict)
    # The member who did it; nobody for what Pli does by itself.
    actor = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    actor_name = models.CharField(_("member"), max_length=254, blank=True)
    # The operator who did it in that member's place.
    impersonator = models.ForeignKey(
        User, on_delete=models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    impersonator_name = models.CharField(_("operator"), max_length=254, blank=True)

    class Meta:
        verbose_name = _("entry of the audit trail")
        verbose_name_plural = _("audit trail")
        indexes = (models.Index(fields=["organization", "-at", "-id"], name="audit_by_time"),)


class JournalMark(models.Model):
    """An entry of the journal of withdrawals that this database knows (rule D3, ``common/journal.py``).

    A database that was restored from a backup lacks the marks of what happened since: those entries are replayed.
    """

    id = models.UUIDField(primary_key=True)
    written_at = models.DateTimeField(db_index=True)


class SignInRules(TenantModel):
    """How members of an organization sign in, and its own provider for it. Without a row: by password alone."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    second_factor_required = models.BooleanField(
        _("every member needs a second factor"),
        default=False,
        help_text=_("A member without one sets it up before anything else."),
    )
    # Stands in addresses and beside the identities that came from the provider: it stays when the name changes.
    provider_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    short_name = models.SlugField(
        _("name to sign in with"),
        max_length=40,
        blank=True,
        help_text=_("Members type it on the sign-in page. Small letters, digits and hyphens."),
    )
    issuer = models.URLField(
        _("address of the provider (issuer)"),
        max_length=300,
        blank=True,
        help_text=_("As the provider gives it, such as https://login.example.com/tenant. Leave empty for none."),
    )
    client_id = models.CharField(_("client ID"), max_length=255, blank=True)
    sealed_client_secret = models.TextField(blank=True, editable=False)
    # Where the provider's own sign-in page is, as it said when the rules were saved: our page may send a form there.
    provider_origin = models.CharField(max_length=300, blank=True, editable=False)
    trusts_addresses = models.BooleanField(
        _("the provider vouches for email addresses"),
        default=False,
        help_text=_(
            "For providers that do not say whether they confirmed an address. Only where nobody can type in an address "
            "of their own."
        ),
    )
    sign_on_required = models.BooleanField(
        _("members sign in through the provider only"),
        default=False,
        help_text=_("Owners may still use their password, in case the provider does not answer."),
    )

    class Meta:
        verbose_name = _("sign-in rules")
        verbose_name_plural = _("sign-in rules")
        constraints = (
            models.UniqueConstraint(
                fields=["short_name"], condition=~models.Q(short_name=""), name="sign_in_name_once"
            ),
        )

    @property
    def has_provider(self) -> bool:
        return bool(self.issuer and self.client_id)
