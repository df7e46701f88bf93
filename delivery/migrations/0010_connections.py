import django.contrib.postgres.functions
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("delivery", "0009_walls_of_consent_requests"),
        ("participants", "0003_external_id_first"),
        ("tracking", "0008_subscribed_mail"),
        ("websites", "0007_moments_of_the_decision"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ConnectionDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("sent", models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="DkimKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("domain", models.CharField(max_length=253, verbose_name="domain")),
                ("selector", models.CharField(max_length=63, verbose_name="selector")),
                (
                    "algorithm",
                    models.CharField(
                        choices=[("rsa", "RSA, 2048 bits"), ("ed25519", "Ed25519")],
                        max_length=8,
                        verbose_name="algorithm",
                    ),
                ),
                ("sealed", models.TextField()),
                ("public_key", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created")),
                ("checked_at", models.DateTimeField(null=True)),
                ("signs_since", models.DateTimeField(null=True)),
                ("check_words", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "verbose_name": "signing key",
                "verbose_name_plural": "signing keys",
                "ordering": ("domain", "selector"),
            },
        ),
        migrations.CreateModel(
            name="GuardCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "On its way"),
                            ("clean", "Arrived as it was written"),
                            ("leaky", "Changed on its way"),
                            ("lost", "Never arrived"),
                            ("failed", "Could not be sent"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("sent_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("judged_at", models.DateTimeField(null=True)),
                ("findings", models.JSONField(default=list)),
                ("words", models.CharField(blank=True, max_length=500)),
                ("html", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="ProviderNews",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("identity", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("delivered", "Delivered"),
                            ("deferred", "Delayed by the recipient's server"),
                            ("soft_bounce", "Bounced, for now"),
                            ("hard_bounce", "Bounced for good"),
                            ("rejected", "Refused by the sending service"),
                            ("complained", "Reported as unwanted"),
                        ],
                        max_length=12,
                    ),
                ),
                ("words", models.CharField(blank=True, max_length=500)),
                ("happened_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="WebsiteConnection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "verbose_name": "website's connection",
                "verbose_name_plural": "websites' connections",
            },
        ),
        migrations.AddField(
            model_name="message",
            name="news",
            field=models.CharField(
                blank=True,
                choices=[
                    ("delivered", "Delivered"),
                    ("deferred", "Delayed by the recipient's server"),
                    ("soft_bounce", "Bounced, for now"),
                    ("hard_bounce", "Bounced for good"),
                    ("rejected", "Refused by the sending service"),
                    ("complained", "Reported as unwanted"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="news_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="news_words",
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddField(
            model_name="message",
            name="provider_id",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.CreateModel(
            name="Connection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("builtin", "Mail server of this installation"),
                            ("smtp", "Mail server (SMTP)"),
                            ("esp", "Sending service (API)"),
                        ],
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("provider", models.CharField(blank=True, max_length=20, verbose_name="sending service")),
                ("host", models.CharField(blank=True, max_length=253, verbose_name="mail server")),
                ("port", models.PositiveIntegerField(blank=True, null=True, verbose_name="port")),
                (
                    "security",
                    models.CharField(
                        choices=[
                            ("smtp+starttls", "STARTTLS"),
                            ("smtps", "TLS from the start"),
                            ("smtp", "None (servers on this machine only)"),
                        ],
                        default="smtp+starttls",
                        max_length=13,
                        verbose_name="encryption",
                    ),
                ),
                ("username", models.CharField(blank=True, max_length=200, verbose_name="user name")),
                ("options", models.JSONField(default=dict)),
                ("sealed", models.TextField(blank=True)),
                (
                    "is_default",
                    models.BooleanField(
                        default=False, verbose_name="for every website without a connection of its own"
                    ),
                ),
                ("hook_key", models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), unique=True)),
                ("bounce_address", models.CharField(blank=True, max_length=320, verbose_name="address for bounces")),
                ("imap_host", models.CharField(blank=True, max_length=253, verbose_name="IMAP server")),
                ("imap_port", models.PositiveIntegerField(default=993, verbose_name="IMAP port")),
                ("imap_username", models.CharField(blank=True, max_length=200, verbose_name="IMAP user name")),
                (
                    "guard_address",
                    models.CharField(blank=True, max_length=320, verbose_name="address of the leak guard"),
                ),
                ("per_second", models.FloatField(blank=True, null=True, verbose_name="messages per second")),
                (
                    "per_domain",
                    models.JSONField(blank=True, default=dict, verbose_name="messages per second and recipient domain"),
                ),
                ("warmup_from", models.DateField(blank=True, null=True, verbose_name="warm-up since")),
                ("warmup_first", models.PositiveIntegerField(default=200, verbose_name="messages on the first day")),
                ("tested_at", models.DateTimeField(null=True)),
                ("test_passed", models.BooleanField(null=True)),
                ("test_words", models.CharField(blank=True, max_length=500)),
                ("attested_at", models.DateTimeField(null=True)),
                ("attestation", models.CharField(blank=True, max_length=1000)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("broken_since", models.DateTimeField(null=True)),
                ("broken_words", models.CharField(blank=True, max_length=500)),
                ("probe_at", models.DateTimeField(null=True)),
                ("dropped_opens", models.PositiveBigIntegerField(default=0)),
                ("dropped_clicks", models.PositiveBigIntegerField(default=0)),
                ("refused_news", models.PositiveBigIntegerField(default=0)),
                ("latest_news_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created")),
                (
                    "attested_by",
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
                "verbose_name": "connection",
                "verbose_name_plural": "connections",
                "ordering": ("name",),
            },
        ),
        migrations.AddField(
            model_name="message",
            name="connection",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="delivery.connection",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("provider_id", ""), _negated=True),
                fields=["provider_id"],
                name="message_provider_id",
            ),
        ),
        migrations.AddField(
            model_name="connectionday",
            name="connection",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="days", to="delivery.connection"
            ),
        ),
        migrations.AddField(
            model_name="connectionday",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="dkimkey",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="guardcheck",
            name="connection",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="guard_checks", to="delivery.connection"
            ),
        ),
        migrations.AddField(
            model_name="guardcheck",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="providernews",
            name="connection",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="news", to="delivery.connection"
            ),
        ),
        migrations.AddField(
            model_name="providernews",
            name="message",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="reports", to="delivery.message"
            ),
        ),
        migrations.AddField(
            model_name="providernews",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="websiteconnection",
            name="connection",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="websites",
                to="delivery.connection",
                verbose_name="connection",
            ),
        ),
        migrations.AddField(
            model_name="websiteconnection",
            name="fallback",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="fallback_websites",
                to="delivery.connection",
                verbose_name="connection when that one is broken",
            ),
        ),
        migrations.AddField(
            model_name="websiteconnection",
            name="organization",
            field=models.ForeignKey(
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="websiteconnection",
            name="website",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="connection",
                to="websites.website",
                verbose_name="website",
            ),
        ),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.UniqueConstraint(fields=("organization", "name"), name="connection_name_once"),
        ),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True)), fields=("organization",), name="one_default_connection"
            ),
        ),
        migrations.AddConstraint(
            model_name="connectionday",
            constraint=models.UniqueConstraint(fields=("connection", "day"), name="connection_day_once"),
        ),
        migrations.AddConstraint(
            model_name="dkimkey",
            constraint=models.UniqueConstraint(
                fields=("organization", "domain", "selector"), name="dkim_selector_once"
            ),
        ),
        migrations.AddIndex(
            model_name="guardcheck",
            index=models.Index(fields=["connection", "-sent_at"], name="guard_newest_first"),
        ),
        migrations.AddConstraint(
            model_name="providernews",
            constraint=models.UniqueConstraint(fields=("organization", "identity"), name="provider_news_once"),
        ),
    ]
