"""Say as JSON what an email would measure if it were sent now."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone, translation

from accounts.models import Organization
from accounts.selectors import find_organizations
from campaigns.forecasts import forecast
from campaigns.selectors import get_email
from common.tenancy import tenant


class Command(BaseCommand):
    help = "Say as JSON of how many people an email would measure what, and why not of the others. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", type=int, help="the number of the email, as in the address of its page")
        parser.add_argument("--organization", required=True, help="its name, or its public id where two share a name")

    def handle(self, *args: Any, **options: Any) -> None:
        organization = self._organization(options["organization"].strip())
        now = timezone.now()
        with tenant(organization.pk), translation.override("en"):
            email = get_email(organization, options["email"])
            if email is None:
                raise CommandError(f"{organization.name} has no email {options['email']}.")
            answer = {
                "email": {"id": email.pk, "name": email.name, "kind": email.kind, "purpose": email.purpose},
                "website": email.campaign.website.name,
                "email_tracking": email.campaign.website.email_tracking,
                "counted_at": now.isoformat(),
                **forecast(organization, email, now=now).as_dict(),
            }
        self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))

    def _organization(self, wanted: str) -> Organization:
        found = find_organizations(wanted)
        if len(found) != 1:
            problem = "no organization" if not found else "more than one organization"
            raise CommandError(f"There is {problem} {wanted!r}.")
        return found[0]
