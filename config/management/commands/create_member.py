"""Add a person to an organization, and make the organization where asked."""

from __future__ import annotations

import getpass
import secrets
import sys
import uuid
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import Membership, Organization, Role, User
from accounts.services import add_member, create_organization
from common.tenancy import tenant


class Command(BaseCommand):
    help = "Add a person to an organization. A new person gets a password: asked for, or made and shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the address that the person signs in with")
        parser.add_argument("--organization", required=True, help="its name, or its public id where two share a name")
        parser.add_argument("--role", default=Role.OWNER.value, choices=Role.values)
        parser.add_argument("--name", default="", help="the person's name")
        parser.add_argument("--create-organization", action="store_true", help="make the organization, too")
        parser.add_argument(
            "--legal-name", default="", help="of a new organization: shown as the sender in every email"
        )
        parser.add_argument("--legal-address", default="", help="of a new organization: shown beside the legal name")
        parser.add_argument("--timezone", default="Europe/Brussels", help="of a new organization")
        parser.add_argument("--random-password", action="store_true", help="make a password and show it once")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip()
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email!r} is not an email address.") from error
        user = User.objects.filter(email__iexact=email).first()
        password = "" if user else self._password(email, options)
        with transaction.atomic():
            organization = self._organization(options)
            user = user or User.objects.create_user(email, password, full_name=options["name"])
            add_member(organization, user, role=options["role"], now=timezone.now())
            details = {"role": options["role"]}
            audit.record(
                organization, actor=None, action="member:add", target=user.email, details=details, now=timezone.now()
            )
        self.stdout.write(f"{user.email} is now {options['role']} of {organization.name}.")
        with tenant(organization.pk):
            if Membership.objects.filter(organization=organization).count() == 1:
                self.stdout.write(
                    "Measuring more takes two people. Add the second with --role dpo (data protection officer) or"
                    " --role owner; the only member of an organization waits 24 hours and types the reason."
                )
        if password and self._makes_password(options):
            self.stdout.write(f"Password (shown this once): {password}")

    def _makes_password(self, options: dict[str, Any]) -> bool:
        return bool(options["random_password"]) or not sys.stdin.isatty()

    def _password(self, email: str, options: dict[str, Any]) -> str:
        if self._makes_password(options):
            return secrets.token_urlsafe(15)
        password = getpass.getpass(f"Password for {email}: ")
        if password != getpass.getpass("Once more: "):
            raise CommandError("The two passwords differ.")
        try:
            validate_password(password, User(email=email, full_name=options["name"]))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return password

    def _organization(self, options: dict[str, Any]) -> Organization:
        wanted = options["organization"].strip()
        found = self._find(wanted)
        if options["create_organization"]:
            if found:
                raise CommandError(f"There is an organization {wanted!r} already; leave --create-organization out.")
            return create_organization(
                name=wanted,
                legal_name=options["legal_name"],
                legal_address=options["legal_address"],
                timezone=options["timezone"],
                now=timezone.now(),
            )
        if not found:
            raise CommandError(f"There is no organization {wanted!r}; --create-organization makes it.")
        if len(found) > 1:
            ids = ", ".join(str(public_id) for _number, public_id in found)
            raise CommandError(f"Several organizations are called {wanted!r}; say which by its public id: {ids}.")
        ((number, _public_id),) = found
        with tenant(number):
            return Organization.objects.get(pk=number)

    def _find(self, wanted: str) -> list[tuple[int, uuid.UUID]]:
        """Asked as the owner role: no organization has been entered yet."""
        everywhere = Organization.objects.using("owner").order_by("pk").values_list("pk", "public_id")
        try:
            return list(everywhere.filter(public_id=uuid.UUID(wanted)))
        except ValueError:
            return list(everywhere.filter(name=wanted))
