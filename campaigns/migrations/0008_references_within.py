from django.db import migrations

from common.rls import may_be_referred_to, refers_within


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0007_mark_exit_screen_mailings"), ("delivery", "0021_references_within")]

    operations = [
        may_be_referred_to(
            "campaigns_campaign",
            "campaigns_email",
            "campaigns_segment",
            "campaigns_repeat",
            "campaigns_trialgroup",
            "campaigns_launch",
        ),
        refers_within("campaigns_campaign", website_id="websites_website"),
        refers_within("campaigns_email", campaign_id="campaigns_campaign", topic_id="consent_topic"),
        refers_within(
            "campaigns_launch",
            email_id="campaigns_email",
            mailing_id="delivery_mailing",
            repeat_id="campaigns_repeat",
            segment_id="campaigns_segment",
        ),
        refers_within("campaigns_functionallink", email_id="campaigns_email"),
        refers_within("campaigns_exemption", email_id="campaigns_email"),
        refers_within("campaigns_repeat", email_id="campaigns_email"),
        refers_within("campaigns_trialaddress", group_id="campaigns_trialgroup"),
    ]
