import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import consent.models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("consent", "0003_more_doors"),
        ("websites", "0006_scope_required"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="choice",
            name="anonymous_objected_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="choice",
            name="clicks_informed_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="choice",
            name="collected_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="choice",
            name="informed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="choice",
            name="informed_ground",
            field=models.CharField(
                blank=True,
                choices=[
                    ("existing", "Known before the rules, and informed in time"),
                    ("professional", "Left the ticked box of a website for professionals"),
                ],
                db_default="",
                default="",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="choice",
            name="opens_informed_since",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="legaljustification",
            name="rule_keys",
            field=models.JSONField(default=consent.models.individual_rules, verbose_name="loosens"),
        ),
        migrations.AddField(
            model_name="notice",
            name="covers",
            field=models.JSONField(default=consent.models.individual_measurement, verbose_name="covers"),
        ),
        migrations.AlterField(
            model_name="choice",
            name="clicks",
            field=models.CharField(
                choices=[
                    ("yes", "Yes"),
                    ("no", "No"),
                    ("unknown", "No answer"),
                    ("informed", "Informed, did not refuse"),
                ],
                default="unknown",
                max_length=8,
                verbose_name="clicks",
            ),
        ),
        migrations.AlterField(
            model_name="choice",
            name="opens",
            field=models.CharField(
                choices=[
                    ("yes", "Yes"),
                    ("no", "No"),
                    ("unknown", "No answer"),
                    ("informed", "Informed, did not refuse"),
                ],
                default="unknown",
                max_length=8,
                verbose_name="opens",
            ),
        ),
        migrations.AlterField(
            model_name="choiceevent",
            name="value",
            field=models.CharField(
                choices=[
                    ("yes", "Yes"),
                    ("no", "No"),
                    ("unknown", "No answer"),
                    ("informed", "Informed, did not refuse"),
                ],
                max_length=8,
                verbose_name="choice",
            ),
        ),
        migrations.CreateModel(
            name="PolicyProposal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("email_tracking", "Email tracking"),
                            ("country", "Country"),
                            ("declared_country", "Country of people whose country is unknown"),
                            ("fallback", "Opens and clicks of everybody else"),
                            ("for_professionals", "Website for professionals"),
                            ("consent_scope", "Consent scope"),
                            ("undo_stop", "Undo of Stop measuring now"),
                        ],
                        max_length=20,
                        verbose_name="what",
                    ),
                ),
                ("wanted", models.JSONField(default=dict, verbose_name="wanted")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Waiting for a second person"),
                            ("confirmed", "Confirmed"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("proposed_at", models.DateTimeField(verbose_name="proposed")),
                ("dpo_opinion", models.TextField(blank=True, verbose_name="opinion of the data protection officer")),
                ("dpo_opinion_at", models.DateTimeField(null=True)),
                ("decided_at", models.DateTimeField(null=True, verbose_name="decided")),
                ("decision_note", models.TextField(blank=True, verbose_name="note")),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "dpo_opinion_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
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
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="proposed by",
                    ),
                ),
                (
                    "website",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="proposals", to="websites.website"
                    ),
                ),
            ],
            options={
                "verbose_name": "proposal",
                "verbose_name_plural": "proposals",
                "ordering": ("-proposed_at",),
            },
        ),
    ]
