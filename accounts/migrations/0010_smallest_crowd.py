from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_invitations_and_impersonation")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="smallest_crowd",
            field=models.PositiveSmallIntegerField(
                choices=[(10, "10"), (20, "20"), (50, "50"), (100, "100")],
                db_default=10,
                default=10,
                help_text=(
                    "Reports show no anonymous total and no group of fewer people, and totals in steps of so many."
                ),
                verbose_name="fewest people of an anonymous figure",
            ),
        ),
        migrations.AddConstraint(
            model_name="organization",
            constraint=models.CheckConstraint(
                condition=models.Q(("smallest_crowd__in", [10, 20, 50, 100])), name="crowds_of_tens"
            ),
        ),
    ]
