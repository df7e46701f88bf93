from django.db import migrations, models


class Migration(migrations.Migration):
    """What was seen or confirmed of a connection counts for the account that it led to then."""

    dependencies = [("delivery", "0024_doubtful_service_messages")]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="attested_account",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="guardcheck",
            name="account",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
