from django.db import migrations

from common.rls import create_door, force_row_security

# What was there before the register: as much as is known of it.
FILL = """
INSERT INTO consent_subscriptionevent (organization_id, subject, topic_id, act, basis, source, happened_at, recorded_at,
                                       evidence)
SELECT s.organization_id, p.ledger_id, s.topic_id, 'subscribed', s.basis, s.source, s.subscribed_at, now(),
       jsonb_build_object('from', 'before the register', 'wording', s.wording)
  FROM consent_subscription s JOIN participants_participant p ON p.id = s.participant_id
 ORDER BY s.subscribed_at, s.id;
INSERT INTO consent_subscriptionevent (organization_id, subject, topic_id, act, basis, source, happened_at, recorded_at,
                                       evidence)
SELECT s.organization_id, p.ledger_id, s.topic_id, 'unsubscribed', s.basis, '', s.unsubscribed_at, now(),
       jsonb_build_object('from', 'before the register')
  FROM consent_subscription s JOIN participants_participant p ON p.id = s.participant_id
 WHERE s.unsubscribed_at IS NOT NULL
 ORDER BY s.unsubscribed_at, s.id;
"""


class Migration(migrations.Migration):
    dependencies = [("consent", "0010_subscription_register")]

    operations = [
        force_row_security("consent_subscriptionevent"),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON consent_subscriptionevent"
            " FOR EACH ROW EXECUTE FUNCTION consent_refuse_change()",
            "DROP TRIGGER append_only ON consent_subscriptionevent",
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON consent_subscriptionevent"
            " FOR EACH STATEMENT EXECUTE FUNCTION consent_refuse_change()",
            "DROP TRIGGER append_only_truncate ON consent_subscriptionevent",
        ),
        create_door(
            "door_ended_pauses",
            "moment timestamptz",
            "organization_id bigint",
            "SELECT DISTINCT s.organization_id FROM consent_subscription s WHERE s.paused_until <= moment",
        ),
    ]
