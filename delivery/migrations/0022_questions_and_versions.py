import django.db.models.deletion
from django.db import migrations, models

from common.rls import create_door, force_row_security


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("delivery", "0021_references_within"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailing",
            name="without_totals",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="ReplyKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(unique=True)),
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="reply_key", to="delivery.message"
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "key of answer buttons",
                "verbose_name_plural": "keys of answer buttons",
            },
        ),
        force_row_security("delivery_replykey"),
        create_door(
            "door_reply_key",
            "wanted uuid",
            "organization_id bigint, message_id bigint",
            "SELECT k.organization_id, k.message_id FROM delivery_replykey k WHERE k.key = wanted",
        ),
    ]
