"""What an email asks its readers, and what they answered on a page of its own."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BulkTenantModel, TenantModel
from delivery.models import Mailing, Message
from participants.models import Participant


class QuestionKind(models.TextChoices):
    YES_NO = "yes_no", _("Yes or no")
    RATING = "rating", _("Rating from 1 to 5")
    INTEREST = "interest", _("Interest: one of several topics")


class Question(TenantModel):
    """A question whose answers stand as buttons in an email. Fixed once the email was sent."""

    email = models.ForeignKey("campaigns.Email", on_delete=models.CASCADE, related_name="questions")
    # Stands in the template and in the addresses of the buttons.
    number = models.PositiveSmallIntegerField(_("number"))
    kind = models.CharField(_("type"), max_length=8, choices=QuestionKind)
    text = models.CharField(_("question"), max_length=200)
    # The words of the answers, in the language of the email. The first one has the number 1.
    options = models.JSONField(_("answers"), default=list)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["email", "number"], name="question_number_once"),)

    def __str__(self) -> str:
        return self.text


class DeclaredReply(BulkTenantModel):
    """What somebody answered to the question of one sent copy, as it stands. Given by POST only (rule H2).

    Counts for everybody, measured or not: the person says it, nothing is read from their device.
    """

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="replies")
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="declared_replies")
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="declared_replies", db_index=False)
    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="+", db_index=False)
    answer = models.PositiveSmallIntegerField()
    first_answered_at = models.DateTimeField()
    answered_at = models.DateTimeField(_("answered"))

    class Meta:
        verbose_name = _("declared reply")
        verbose_name_plural = _("declared replies")
        constraints = (models.UniqueConstraint(fields=["message", "question"], name="one_reply_per_copy"),)
        indexes = (
            # Counts of a mailing, and of each answer.
            models.Index(fields=["mailing", "question", "answer"], name="reply_counts"),
        )
