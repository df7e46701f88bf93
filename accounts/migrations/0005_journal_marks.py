from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
    ]

    operations = [
        migrations.CreateModel(
            name="JournalMark",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("written_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
