import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_journal_marks"),
        ("delivery", "0012_connection_mailboxes"),
        ("participants", "0004_ledger_id"),
        ("tracking", "0008_subscribed_mail"),
        ("websites", "0007_moments_of_the_decision"),
    ]

    operations = [
        migrations.CreateModel(
            name="MessageCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(blank=True, max_length=64)),
                ("content", models.CharField(max_length=64)),
                ("data", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "verbose_name": "message by call",
                "verbose_name_plural": "messages by call",
            },
        ),
        migrations.RemoveConstraint(
            model_name="message",
            name="one_message_per_person",
        ),
        migrations.AddField(
            model_name="mailing",
            name="urgent",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="mailing",
            name="version",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
        migrations.AddField(
            model_name="message",
            name="by_call",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="message",
            name="web_version_key",
            field=models.UUIDField(null=True),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                condition=models.Q(("by_call", False)), fields=("mailing", "participant"), name="one_message_per_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                condition=models.Q(("web_version_key__isnull", False)),
                fields=("web_version_key",),
                name="message_web_version_key",
            ),
        ),
        migrations.AddField(
            model_name="messagecall",
            name="message",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="call", to="delivery.message"
            ),
        ),
        migrations.AddField(
            model_name="messagecall",
            name="organization",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddConstraint(
            model_name="messagecall",
            constraint=models.UniqueConstraint(
                condition=models.Q(("digest", ""), _negated=True),
                fields=("organization", "digest"),
                name="message_call_once",
            ),
        ),
    ]
