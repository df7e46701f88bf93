from django.db import migrations

from common.rls import may_be_referred_to, refers_within, refers_within_many


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0020_messages_without_foreign_keys"),
        ("consent", "0013_references_within"),
        ("tracking", "0009_references_within"),
    ]

    operations = [
        may_be_referred_to("delivery_connection", "delivery_contentsnapshot", "delivery_mailing"),
        refers_within(
            "delivery_contentsnapshot", tracked_content_id="tracking_trackedcontent", website_id="websites_website"
        ),
        refers_within(
            "delivery_mailing",
            snapshot_id="delivery_contentsnapshot",
            topic_id="consent_topic",
            website_id="websites_website",
        ),
        refers_within("delivery_servicemessage", website_id="websites_website"),
        refers_within("delivery_connectionday", connection_id="delivery_connection"),
        refers_within("delivery_guardcheck", connection_id="delivery_connection"),
        refers_within("delivery_providernews", connection_id="delivery_connection"),
        refers_within("delivery_outsidereading", connection_id="delivery_connection"),
        refers_within(
            "delivery_websiteconnection",
            connection_id="delivery_connection",
            fallback_id="delivery_connection",
            outside_id="delivery_connection",
            website_id="websites_website",
        ),
        refers_within_many("delivery_servicemessage", participant_id="participants_participant"),
        refers_within_many("delivery_providernews", message_id="delivery_message"),
    ]
