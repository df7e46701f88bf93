import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("websites", "0003_french_websites_never"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="emailtrackingversion",
            name="clicks_fallback",
            field=models.CharField(
                choices=[("none", "Nothing"), ("anonymous", "Anonymous totals")], default="none", max_length=10
            ),
        ),
        migrations.AddField(
            model_name="emailtrackingversion",
            name="consent_scope_name",
            field=models.CharField(blank=True, max_length=120, verbose_name="consent scope"),
        ),
        migrations.AddField(
            model_name="emailtrackingversion",
            name="for_professionals",
            field=models.BooleanField(default=False, verbose_name="for professionals"),
        ),
        migrations.AddField(
            model_name="emailtrackingversion",
            name="opens_fallback",
            field=models.CharField(
                choices=[
                    ("none", "Nothing"),
                    ("anonymous", "Anonymous totals"),
                    ("last_open_day", "Last open day, to keep lists clean"),
                ],
                default="none",
                max_length=14,
            ),
        ),
        migrations.AddField(
            model_name="emailtrackingversion",
            name="proposed_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="emailtrackingversion",
            name="stopped",
            field=models.BooleanField(default=False, verbose_name="measuring stopped"),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="clicks_anonymous_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="clicks_authentication_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="clicks_if_informed_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="clicks_legal_notice_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="clicks_professionals_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="informed_by",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="informed_collected_before",
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="last_open_day_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="opens_anonymous_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="opens_authentication_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="opens_if_informed_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="opens_legal_notice_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="opens_professionals_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="website",
            name="clicks_fallback",
            field=models.CharField(
                choices=[("none", "Nothing"), ("anonymous", "Anonymous totals")],
                default="none",
                max_length=10,
                verbose_name="clicks of everybody else",
            ),
        ),
        migrations.AddField(
            model_name="website",
            name="for_professionals",
            field=models.BooleanField(
                default=False,
                help_text="People give a professional address here, and read it at work.",
                verbose_name="for professionals",
            ),
        ),
        migrations.AddField(
            model_name="website",
            name="opens_fallback",
            field=models.CharField(
                choices=[
                    ("none", "Nothing"),
                    ("anonymous", "Anonymous totals"),
                    ("last_open_day", "Last open day, to keep lists clean"),
                ],
                default="none",
                max_length=14,
                verbose_name="opens of everybody else",
            ),
        ),
        migrations.AddField(
            model_name="website",
            name="stopped_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="measuring stopped"),
        ),
        migrations.AlterField(
            model_name="emailtrackingversion",
            name="source",
            field=models.CharField(
                choices=[
                    ("created", "website created"),
                    ("member", "changed by a member"),
                    ("country_rule", "country rule"),
                    ("stop", "Stop measuring now"),
                    ("undo_stop", "Stop measuring now, undone"),
                ],
                max_length=12,
                verbose_name="how",
            ),
        ),
        migrations.CreateModel(
            name="ConsentScope",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                ("is_default", models.BooleanField(default=False, editable=False)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="created"),
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
                "verbose_name": "consent scope",
                "verbose_name_plural": "consent scopes",
                "ordering": ("-is_default", "name"),
            },
        ),
        migrations.AddField(
            model_name="measurementpermission",
            name="scope",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="websites.consentscope",
            ),
        ),
        migrations.AddField(
            model_name="website",
            name="consent_scope",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="websites",
                to="websites.consentscope",
                verbose_name="consent scope",
            ),
        ),
        migrations.CreateModel(
            name="WebsiteStop",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                ("stopped_at", models.DateTimeField(verbose_name="stopped")),
                ("undone_at", models.DateTimeField(null=True, verbose_name="undone")),
                ("undo_reason", models.CharField(blank=True, max_length=500, verbose_name="reason of the undo")),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
                (
                    "stopped_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "undone_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="stops", to="websites.website"
                    ),
                ),
            ],
            options={
                "ordering": ("-stopped_at",),
            },
        ),
        migrations.AddConstraint(
            model_name="consentscope",
            constraint=models.UniqueConstraint(fields=("organization", "name"), name="consent_scope_name_once"),
        ),
        migrations.AddConstraint(
            model_name="consentscope",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True)), fields=("organization",), name="one_default_consent_scope"
            ),
        ),
        migrations.AddConstraint(
            model_name="websitestop",
            constraint=models.UniqueConstraint(
                condition=models.Q(("undone_at__isnull", True)), fields=("website",), name="one_running_stop"
            ),
        ),
    ]
