import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from common.rls import create_door, force_row_security

# Who could sign in until now has an address that counts as confirmed: an operator or an owner had typed it.
CONFIRMED = """
UPDATE account_emailaddress e SET verified = true FROM accounts_user u WHERE u.id = e.user_id AND e.email = lower(u.email);
INSERT INTO account_emailaddress (user_id, email, verified, "primary")
SELECT u.id, lower(u.email), true, true FROM accounts_user u
 WHERE NOT EXISTS (SELECT FROM account_emailaddress e WHERE e.user_id = u.id OR (e.verified AND e.email = lower(u.email)))
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_sign_in_rules"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [
        migrations.CreateModel(
            name="Impersonation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("operator_name", models.CharField(max_length=254, verbose_name="operator")),
                ("member_name", models.CharField(max_length=254, verbose_name="member")),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                ("started_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("told_of_start_at", models.DateTimeField(null=True)),
                ("told_of_end_at", models.DateTimeField(null=True)),
                (
                    "member",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "access of an operator",
                "verbose_name_plural": "access of operators",
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.EmailField(max_length=254, verbose_name="email address")),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("marketer", "Marketer"),
                            ("dpo", "Data protection officer"),
                            ("viewer", "Viewer"),
                        ],
                        max_length=10,
                        verbose_name="role",
                    ),
                ),
                ("invited_at", models.DateTimeField(verbose_name="invited")),
                ("expires_at", models.DateTimeField(verbose_name="until")),
                ("key_hash", models.BinaryField(max_length=32, null=True, unique=True)),
                ("mailed_at", models.DateTimeField(null=True)),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "invitation",
                "verbose_name_plural": "invitations",
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "email"), name="one_invitation_per_address")
                ],
            },
        ),
        force_row_security("accounts_invitation"),
        force_row_security("accounts_impersonation"),
        migrations.RunSQL(CONFIRMED, migrations.RunSQL.noop),
        # Whoever holds the key of an invitation is not in the organization yet.
        create_door(
            "door_invitation",
            "wanted bytea",
            "organization_id bigint, invitation_id bigint",
            "SELECT i.organization_id, i.id FROM accounts_invitation i WHERE i.key_hash = wanted",
        ),
        # A person chooses among their own organizations by name.
        create_door(
            "door_organizations_of_user",
            "person bigint",
            "organization_id bigint, name text, role text",
            "SELECT o.id, o.name::text, m.role::text FROM accounts_membership m"
            " JOIN accounts_organization o ON o.id = m.organization_id WHERE m.user_id = person ORDER BY m.id",
        ),
        # An operator says exactly whom they mean; nothing is listed.
        create_door(
            "door_organization_named",
            "wanted text",
            "organization_id bigint",
            "SELECT o.id FROM accounts_organization o WHERE o.name = wanted OR o.public_id::text = wanted",
        ),
        # Invitations to mail or to take away, accesses of operators to end or to tell of.
        create_door(
            "door_members_to_look_after",
            "moment timestamptz",
            "organization_id bigint",
            "SELECT i.organization_id FROM accounts_invitation i WHERE i.mailed_at IS NULL OR i.expires_at <= moment"
            " UNION SELECT p.organization_id FROM accounts_impersonation p WHERE p.told_of_end_at IS NULL",
        ),
    ]
