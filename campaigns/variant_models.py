"""A/B tests: versions of an email, each sent to a share of its audience."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import TenantModel, User
from campaigns.reply_models import Question


class Measure(models.TextChoices):
    CLICKS = "clicks", _("Clicks of people who may be measured")
    OPENS = "opens", _("Opens of people who may be measured")
    REPLIES = "replies", _("Answers to a question of the email")


class Otherwise(models.TextChoices):
    WAIT = "wait", _("Tell the owner and wait for a person")
    DEFAULT = "default", _("Send the version that was chosen for this case")


class Decision(models.TextChoices):
    NUMBERS = "numbers", _("by the numbers")
    PERSON = "person", _("by a person")
    DEFAULT = "default", _("as it was set for the case that the numbers do not decide")


class SplitTest(TenantModel):
    """An A/B test of an email. A draft until the email is sent with it; then it is fixed."""

    email = models.ForeignKey("campaigns.Email", on_delete=models.CASCADE, related_name="split_tests")
    # Percent of the audience that get one of the versions; 100: everybody, at once.
    share = models.PositiveSmallIntegerField(_("share of the audience"), default=20)
    measure = models.CharField(_("what decides"), max_length=7, choices=Measure, default=Measure.CLICKS)
    question = models.ForeignKey(
        Question, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("question")
    )
    # Percent: how sure the verdict has to be, all comparisons taken together.
    confidence = models.PositiveSmallIntegerField(_("confidence"), default=95)
    least = models.PositiveIntegerField(_("people per version, at least"), default=100)
    wait_hours = models.PositiveSmallIntegerField(_("hours until the verdict"), default=4)
    automatic = models.BooleanField(_("send the rest by itself"), default=False)
    otherwise = models.CharField(
        _("when the numbers do not decide"), max_length=7, choices=Otherwise, default=Otherwise.WAIT
    )
    default_letter = models.CharField(_("version for this case"), max_length=1, default="A")
    # Keys the split: who gets which version cannot be told from a number of theirs.
    salt = models.UUIDField(default=uuid4, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    # The verdict as it stood when the rest was sent, or the test ended, and who or what decided.
    decided_at = models.DateTimeField(null=True, editable=False)
    decided_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False)
    decision = models.CharField(max_length=7, choices=Decision, blank=True, default="", editable=False)
    winner_letter = models.CharField(max_length=1, blank=True, default="", editable=False)
    figures = models.JSONField(default=list, editable=False)
    # The owners know that a person has to decide.
    told_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("A/B test")
        verbose_name_plural = _("A/B tests")
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["email"], name="one_draft_of_a_split_test", condition=models.Q(started_at=None)
            ),
        )
        indexes = (
            # Those that the beat task has to look at.
            models.Index(
                fields=["started_at"],
                name="split_test_open",
                condition=models.Q(started_at__isnull=False, decided_at=None),
            ),
        )


class Variant(TenantModel):
    """One version: what is empty is as in the email."""

    test = models.ForeignKey(SplitTest, on_delete=models.CASCADE, related_name="variants")
    letter = models.CharField(pgettext_lazy("A/B test", "version"), max_length=1)
    subject = models.CharField(_("subject"), max_length=250, blank=True)
    sender_name = models.CharField(_("sender name"), max_length=120, blank=True)
    body = models.TextField(_("body"), blank=True)

    class Meta:
        verbose_name = _("version of an A/B test")
        verbose_name_plural = _("versions of A/B tests")
        ordering = ("letter",)
        constraints = (models.UniqueConstraint(fields=["test", "letter"], name="variant_letter_once"),)

    def __str__(self) -> str:
        return self.letter
