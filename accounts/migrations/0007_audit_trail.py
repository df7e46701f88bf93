import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from common.rls import force_row_security

# As the consent history: nobody changes an entry; the owner of the table deletes by meaning it, for the end of its time.
APPEND_ONLY = """
CREATE FUNCTION accounts_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('app.ledger_maintenance', true) = 'on'
       AND current_user = (SELECT tableowner FROM pg_tables WHERE schemaname = TG_TABLE_SCHEMA AND tablename = TG_TABLE_NAME)
    THEN
        RETURN CASE WHEN TG_OP = 'UPDATE' THEN NEW WHEN TG_OP = 'DELETE' THEN OLD END;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION accounts_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_refuse_change();
"""
AS_BEFORE = """
DROP TRIGGER append_only_whole ON accounts_auditentry; DROP TRIGGER append_only ON accounts_auditentry;
DROP FUNCTION accounts_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_quiet_hours_and_cap"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="when")),
                ("action", models.CharField(max_length=60, verbose_name="action")),
                ("target", models.CharField(blank=True, max_length=200, verbose_name="what")),
                ("details", models.JSONField(default=dict, verbose_name="details")),
                ("actor_name", models.CharField(blank=True, max_length=254, verbose_name="member")),
                ("impersonator_name", models.CharField(blank=True, max_length=254, verbose_name="operator")),
                (
                    "actor",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "impersonator",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                "verbose_name": "entry of the audit trail",
                "verbose_name_plural": "audit trail",
                "indexes": [models.Index(fields=["organization", "-at", "-id"], name="audit_by_time")],
            },
        ),
        force_row_security("accounts_auditentry"),
        migrations.RunSQL(APPEND_ONLY, AS_BEFORE),
    ]
