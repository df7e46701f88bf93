from django.db import migrations

from common.rls import may_be_referred_to, refers_within, refers_within_many


class Migration(migrations.Migration):
    dependencies = [("intake", "0009_why_a_move_stopped"), ("campaigns", "0008_references_within")]

    operations = [
        may_be_referred_to("intake_import", "intake_entryform", "intake_consentmove"),
        refers_within(
            "intake_import",
            campaign_id="campaigns_campaign",
            informed_notice_id="consent_notice",
            scope_id="websites_consentscope",
            topic_id="consent_topic",
        ),
        refers_within(
            "intake_entryform",
            campaign_id="campaigns_campaign",
            exit_email_id="campaigns_email",
            exit_launch_id="campaigns_launch",
        ),
        refers_within("intake_submission", form_id="intake_entryform"),
        refers_within("intake_confirmation", website_id="websites_website"),
        refers_within("intake_formfield", form_id="intake_entryform", topic_id="consent_topic"),
        refers_within(
            "intake_consentmove",
            scope_id="websites_consentscope",
            source_import_id="intake_import",
            source_move_id="intake_consentmove",
        ),
        refers_within("intake_peopleexport", scope_id="websites_consentscope"),
        refers_within_many("intake_submission", participant_id="participants_participant"),
        refers_within_many(
            "intake_confirmation", participant_id="participants_participant", submission_id="intake_submission"
        ),
    ]
