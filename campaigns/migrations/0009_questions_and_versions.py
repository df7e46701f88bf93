import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from common.rls import create_door, force_row_security, may_be_referred_to, refers_within, refers_within_many


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_months_between_requests"),
        ("campaigns", "0008_references_within"),
        ("delivery", "0022_questions_and_versions"),
        ("participants", "0004_ledger_id"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="launch",
            name="sends_rest",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="Question",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField(verbose_name="number")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("yes_no", "Yes or no"),
                            ("rating", "Rating from 1 to 5"),
                            ("interest", "Interest: one of several topics"),
                        ],
                        max_length=8,
                        verbose_name="type",
                    ),
                ),
                ("text", models.CharField(max_length=200, verbose_name="question")),
                ("options", models.JSONField(default=list, verbose_name="answers")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created")),
                (
                    "email",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="questions", to="campaigns.email"
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
            ],
            options={
                "verbose_name": "question",
                "verbose_name_plural": "questions",
                "ordering": ("number",),
            },
        ),
        migrations.CreateModel(
            name="DeclaredReply",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("answer", models.PositiveSmallIntegerField()),
                ("first_answered_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(verbose_name="answered")),
                (
                    "mailing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="delivery.mailing",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="declared_replies",
                        to="delivery.message",
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
                (
                    "participant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="declared_replies",
                        to="participants.participant",
                    ),
                ),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="replies", to="campaigns.question"
                    ),
                ),
            ],
            options={
                "verbose_name": "declared reply",
                "verbose_name_plural": "declared replies",
            },
        ),
        migrations.CreateModel(
            name="SplitTest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("share", models.PositiveSmallIntegerField(default=20, verbose_name="share of the audience")),
                (
                    "measure",
                    models.CharField(
                        choices=[
                            ("clicks", "Clicks of people who may be measured"),
                            ("opens", "Opens of people who may be measured"),
                            ("replies", "Answers to a question of the email"),
                        ],
                        default="clicks",
                        max_length=7,
                        verbose_name="what decides",
                    ),
                ),
                ("confidence", models.PositiveSmallIntegerField(default=95, verbose_name="confidence")),
                ("least", models.PositiveIntegerField(default=100, verbose_name="people per version, at least")),
                ("wait_hours", models.PositiveSmallIntegerField(default=4, verbose_name="hours until the verdict")),
                ("automatic", models.BooleanField(default=False, verbose_name="send the rest by itself")),
                (
                    "otherwise",
                    models.CharField(
                        choices=[
                            ("wait", "Tell the owner and wait for a person"),
                            ("default", "Send the version that was chosen for this case"),
                        ],
                        default="wait",
                        max_length=7,
                        verbose_name="when the numbers do not decide",
                    ),
                ),
                ("default_letter", models.CharField(default="A", max_length=1, verbose_name="version for this case")),
                ("salt", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("started_at", models.DateTimeField(editable=False, null=True)),
                ("decided_at", models.DateTimeField(editable=False, null=True)),
                (
                    "decision",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("numbers", "by the numbers"),
                            ("person", "by a person"),
                            ("default", "as it was set for the case that the numbers do not decide"),
                        ],
                        default="",
                        editable=False,
                        max_length=7,
                    ),
                ),
                ("winner_letter", models.CharField(blank=True, default="", editable=False, max_length=1)),
                ("figures", models.JSONField(default=list, editable=False)),
                ("told_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "email",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="split_tests", to="campaigns.email"
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
                    "question",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="campaigns.question",
                        verbose_name="question",
                    ),
                ),
            ],
            options={
                "verbose_name": "A/B test",
                "verbose_name_plural": "A/B tests",
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Variant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("letter", models.CharField(max_length=1, verbose_name="version")),
                ("subject", models.CharField(blank=True, max_length=250, verbose_name="subject")),
                ("sender_name", models.CharField(blank=True, max_length=120, verbose_name="sender name")),
                ("body", models.TextField(blank=True, verbose_name="body")),
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
                    "test",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="variants", to="campaigns.splittest"
                    ),
                ),
            ],
            options={
                "verbose_name": "version of an A/B test",
                "verbose_name_plural": "versions of A/B tests",
                "ordering": ("letter",),
            },
        ),
        migrations.AddField(
            model_name="launch",
            name="variant",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="launches", to="campaigns.variant"
            ),
        ),
        migrations.AddConstraint(
            model_name="launch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("sends_rest", False), ("variant__isnull", False)),
                fields=("variant",),
                name="one_launch_of_a_variant",
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.UniqueConstraint(fields=("email", "number"), name="question_number_once"),
        ),
        migrations.AddIndex(
            model_name="declaredreply",
            index=models.Index(fields=["mailing", "question", "answer"], name="reply_counts"),
        ),
        migrations.AddConstraint(
            model_name="declaredreply",
            constraint=models.UniqueConstraint(fields=("message", "question"), name="one_reply_per_copy"),
        ),
        migrations.AddIndex(
            model_name="splittest",
            index=models.Index(
                condition=models.Q(("decided_at", None), ("started_at__isnull", False)),
                fields=["started_at"],
                name="split_test_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="splittest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("started_at", None)), fields=("email",), name="one_draft_of_a_split_test"
            ),
        ),
        migrations.AddConstraint(
            model_name="variant",
            constraint=models.UniqueConstraint(fields=("test", "letter"), name="variant_letter_once"),
        ),
        force_row_security("campaigns_question"),
        force_row_security("campaigns_declaredreply"),
        force_row_security("campaigns_splittest"),
        force_row_security("campaigns_variant"),
        may_be_referred_to("campaigns_question", "campaigns_splittest", "campaigns_variant"),
        refers_within("campaigns_question", email_id="campaigns_email"),
        refers_within("campaigns_splittest", email_id="campaigns_email", question_id="campaigns_question"),
        refers_within("campaigns_variant", test_id="campaigns_splittest"),
        refers_within("campaigns_launch", variant_id="campaigns_variant"),
        refers_within("campaigns_declaredreply", mailing_id="delivery_mailing", question_id="campaigns_question"),
        refers_within_many(
            "campaigns_declaredreply", participant_id="participants_participant", message_id="delivery_message"
        ),
        create_door(
            "door_due_split_tests",
            "moment timestamptz",
            "organization_id bigint, test_id bigint",
            "SELECT t.organization_id, t.id FROM campaigns_splittest t WHERE t.started_at IS NOT NULL"
            " AND t.decided_at IS NULL AND t.started_at + t.wait_hours * interval '1 hour' <= moment",
        ),
    ]
