from django.db import migrations

from common.rls import may_be_referred_to, refers_within, refers_within_many


class Migration(migrations.Migration):
    dependencies = [("tracking", "0008_subscribed_mail"), ("websites", "0008_references_within")]

    operations = [
        may_be_referred_to("tracking_trackedcontent"),
        refers_within("tracking_trackedcontent", website_id="websites_website"),
        refers_within("tracking_anonymouscontent", content_id="tracking_trackedcontent", website_id="websites_website"),
        refers_within_many("tracking_hitsforgotten", participant_id="participants_participant"),
    ]
