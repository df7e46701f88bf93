import uuid

import django.db.models.deletion
from django.db import migrations, models

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_audit_trail"),
    ]

    operations = [
        migrations.CreateModel(
            name="SignInRules",
            fields=[
                (
                    "organization",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.organization",
                    ),
                ),
                (
                    "second_factor_required",
                    models.BooleanField(
                        default=False,
                        help_text="A member without one sets it up before anything else.",
                        verbose_name="every member needs a second factor",
                    ),
                ),
                ("provider_key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "short_name",
                    models.SlugField(
                        blank=True,
                        help_text="Members type it on the sign-in page. Small letters, digits and hyphens.",
                        max_length=40,
                        verbose_name="name to sign in with",
                    ),
                ),
                (
                    "issuer",
                    models.URLField(
                        blank=True,
                        help_text="As the provider gives it, such as https://login.example.com/tenant. Leave empty for none.",
                        max_length=300,
                        verbose_name="address of the provider (issuer)",
                    ),
                ),
                ("client_id", models.CharField(blank=True, max_length=255, verbose_name="client ID")),
                ("sealed_client_secret", models.TextField(blank=True, editable=False)),
                ("provider_origin", models.CharField(blank=True, editable=False, max_length=300)),
                (
                    "trusts_addresses",
                    models.BooleanField(
                        default=False,
                        help_text="For providers that do not say whether they confirmed an address. Only where nobody can type in an address of their own.",
                        verbose_name="the provider vouches for email addresses",
                    ),
                ),
                (
                    "sign_on_required",
                    models.BooleanField(
                        default=False,
                        help_text="Owners may still use their password, in case the provider does not answer.",
                        verbose_name="members sign in through the provider only",
                    ),
                ),
            ],
            options={
                "verbose_name": "sign-in rules",
                "verbose_name_plural": "sign-in rules",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("short_name", ""), _negated=True),
                        fields=("short_name",),
                        name="sign_in_name_once",
                    )
                ],
            },
        ),
        force_row_security("accounts_signinrules"),
        # Before anybody is signed in: which provider answers to a name, and whose it is.
        create_door(
            "door_sign_on_by_name",
            "wanted varchar",
            "provider_key uuid",
            "SELECT r.provider_key FROM accounts_signinrules r"
            " WHERE r.short_name = wanted AND wanted <> '' AND r.issuer <> ''",
        ),
        create_door(
            "door_organization_of_sign_on",
            "wanted uuid",
            "organization_id bigint",
            "SELECT r.organization_id FROM accounts_signinrules r WHERE r.provider_key = wanted AND r.issuer <> ''",
        ),
    ]
