"""What is kept for the pages of people: links to their own data, and the receipts of their choices."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models import TenantModel
from participants.models import Participant


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
