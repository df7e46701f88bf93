import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_journal_marks"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="over_cap",
            field=models.CharField(
                choices=[("put_off", "Send it as soon as the week allows"), ("left_out", "Do not send it")],
                db_default="put_off",
                default="put_off",
                max_length=8,
                verbose_name="what would be one too many",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="quiet_from",
            field=models.TimeField(
                blank=True,
                help_text="No marketing leaves then, in the time zone of each person. Leave both empty for none.",
                null=True,
                verbose_name="quiet hours begin",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="quiet_until",
            field=models.TimeField(blank=True, null=True, verbose_name="quiet hours end"),
        ),
        migrations.AddField(
            model_name="organization",
            name="weekly_cap",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="At most so many within seven days. Leave empty for no limit.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="marketing emails per person and week",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quiet_from", None), ("quiet_until", None)),
                    models.Q(
                        ("quiet_from__isnull", False),
                        ("quiet_until__isnull", False),
                        models.Q(("quiet_from", models.F("quiet_until")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="quiet_hours_begin_and_end",
            ),
        ),
    ]
