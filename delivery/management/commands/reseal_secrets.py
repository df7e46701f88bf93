"""Seal every stored credential under the installation's first secret, so that an older one can be taken away."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.models import Organization
from delivery.connections import reseal


class Command(BaseCommand):
    help = "Seal the credentials of all connections and signing keys anew, after a new secret was put first."

    def handle(self, *args: Any, **options: Any) -> None:
        organizations = list(Organization.objects.using("owner").all())
        sealed = sum(reseal(organization) for organization in organizations)
        self.stdout.write(f"{sealed} sealed anew")
