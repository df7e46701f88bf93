import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_door_of_organizations"),
    ]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="consent_request_months",
            field=models.PositiveSmallIntegerField(
                db_default=6,
                default=6,
                help_text="Nobody who refused or did not answer is asked again by email before. At least 6.",
                validators=[django.core.validators.MinValueValidator(6), django.core.validators.MaxValueValidator(120)],
                verbose_name="months between requests for tracking consent",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("consent_request_months__gte", 6)), name="six_months_between_requests"
            ),
        ),
    ]
