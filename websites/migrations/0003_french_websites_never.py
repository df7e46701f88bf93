import logging

from django.db import migrations
from django.utils import timezone

from websites.services import enforce_country_rules

logger = logging.getLogger("websites.country_rule")


def put_french_websites_on_never(apps, schema_editor):
    lines = []
    done = enforce_country_rules(
        websites=apps.get_model("websites", "Website"),
        versions=apps.get_model("websites", "EmailTrackingVersion"),
        permissions=apps.get_model("websites", "MeasurementPermission"),
        now=timezone.now(),
        log=lines.append,
        using=schema_editor.connection.alias,
    )
    for line in lines:
        # A warning is read at every log level but the quietest: this changes what is measured.
        logger.log(logging.WARNING if done else logging.INFO, line)


def turn_nothing_on(apps, schema_editor):
    logger.warning(
        "Taking the French rule back turns nothing on: the websites stay on Never track until somebody decides."
    )


class Migration(migrations.Migration):
    """Every existing French website goes to Never track (rules F1, F2)."""

    dependencies = [("websites", "0002_walls")]

    operations = [migrations.RunPython(put_french_websites_on_never, turn_nothing_on)]
