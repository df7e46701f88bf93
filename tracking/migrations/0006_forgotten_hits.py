import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("participants", "0003_external_id_first"),
        ("tracking", "0005_walls_of_totals"),
    ]

    operations = [
        migrations.CreateModel(
            name="HitKeeping",
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
                    "months",
                    models.PositiveSmallIntegerField(default=25, verbose_name="months that opens and clicks are kept"),
                ),
                (
                    "on_withdrawal",
                    models.CharField(
                        choices=[("delete", "Delete them"), ("anonymise", "Make them anonymous")],
                        default="delete",
                        max_length=9,
                        verbose_name="opens and clicks of somebody who withdraws",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("months__gte", 1), ("months__lte", 25)), name="hits_kept_25_months_at_most"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="HitsForgotten",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.SmallIntegerField(choices=[(1, "Open"), (2, "Click")], verbose_name="about")),
                (
                    "done",
                    models.CharField(
                        choices=[("delete", "Delete them"), ("anonymise", "Make them anonymous")],
                        max_length=9,
                        verbose_name="what was done",
                    ),
                ),
                ("hits", models.PositiveIntegerField(verbose_name="how many")),
                ("done_at", models.DateTimeField(verbose_name="when")),
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
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hits_forgotten",
                        to="participants.participant",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ForgottenTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organization_id", models.BigIntegerField()),
                ("kind", models.SmallIntegerField(choices=[(1, "Open"), (2, "Click")])),
                ("link_number", models.SmallIntegerField()),
                ("human_people", models.BigIntegerField()),
                ("unsure_people", models.BigIntegerField()),
                ("machine_people", models.BigIntegerField()),
                ("human_hits", models.BigIntegerField()),
                (
                    "content",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="tracking.trackedcontent",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("content", "kind", "link_number"), name="forgotten_total_once")
                ],
            },
        ),
    ]
