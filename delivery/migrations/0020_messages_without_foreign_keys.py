import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_quiet_hours_and_cap"),
        ("delivery", "0019_walls_of_outside_senders"),
        ("participants", "0004_ledger_id"),
        ("tracking", "0008_subscribed_mail"),
        ("websites", "0007_moments_of_the_decision"),
    ]

    operations = [
        migrations.AlterField(
            model_name="message",
            name="connection",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="delivery.connection",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="mailing",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="delivery.mailing",
            ),
        ),
        migrations.AlterField(
            model_name="message",
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
        migrations.AlterField(
            model_name="message",
            name="participant",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="messages",
                to="participants.participant",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="tracked_message",
            field=models.OneToOneField(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="message",
                to="tracking.trackedmessage",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="tracking_version",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="websites.emailtrackingversion",
            ),
        ),
    ]
