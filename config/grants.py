"""What each database role may do. Applied after every migrate, so that the list below is the whole truth."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

APP = "pli_app"
RECORDER = "pli_recorder"

# Tables that the app role reads and adds to, but never changes.
APPEND_ONLY = (
    "accounts_auditentry",
    "consent_choiceevent",
    "consent_consenttext",
    "consent_ledgeranchor",
    "consent_subscriptionevent",
    "websites_emailtrackingversion",
)
# Written by the recorder alone; the app role reads, and on withdrawal deletes or cuts the link to the person.
RECORDED = ("tracking_hit",)
CUT_LINKS = f"GRANT UPDATE (tracked_message_id, received_at) ON tracking_hit TO {APP}"

_MOMENTS = ("with_yes", "unless_no", "if_informed", "professionals", "authentication", "legal_notice", "anonymous")
_PERMISSION = (
    "website_id",
    "country",
    "scope_id",
    *(f"{kind}_{moment}_since" for kind in ("opens", "clicks") for moment in _MOMENTS),
    "last_open_day_since",
    "informed_collected_before",
    "informed_before",
    "until",
)
_CHOICE = (
    "participant_id",
    "scope_id",
    *(f"{kind}_{what}_since" for kind in ("opens", "clicks") for what in ("yes", "not_no", "informed")),
    "informed_ground",
    "collected_at",
    "informed_at",
)
RECORDER_GRANTS = (
    "GRANT SELECT (id, key, organization_id, content_id, website_id, participant_id, country, opens, clicks,"
    f" exempt_purpose, subscribed, decided_at) ON tracking_trackedmessage TO {RECORDER}",
    # Whether the approval of its exempt purpose was taken back.
    f"GRANT SELECT (id, exempt_ended) ON tracking_trackedcontent TO {RECORDER}",
    f"GRANT SELECT ({', '.join(_PERMISSION)}) ON websites_measurementpermission TO {RECORDER}",
    f"GRANT SELECT ({', '.join(_CHOICE)}) ON consent_choice TO {RECORDER}",
    # Whose day it is when somebody opens.
    f"GRANT SELECT (id, timezone) ON accounts_organization TO {RECORDER}",
    "GRANT SELECT (id, key, organization_id, content_id, website_id, opens_countries, clicks_countries, decided_at)"
    f" ON tracking_anonymouscontent TO {RECORDER}",
    f"GRANT INSERT ON tracking_hit TO {RECORDER}",
    f"GRANT INSERT, SELECT ON tracking_hitbatch TO {RECORDER}",
    f"GRANT INSERT, SELECT, UPDATE (day) ON tracking_lastopenday TO {RECORDER}",
    f"GRANT INSERT, SELECT, UPDATE (hits) ON tracking_anonymoustotal TO {RECORDER}",
)


def apply_grants(connection: BaseDatabaseWrapper) -> None:
    """Take everything from the two roles and give back what they need. Partitions get nothing: their parent answers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        tables = {row[0] for row in cursor.fetchall()}
        if "tracking_hit" not in tables:
            return  # migrated back before the hits: there is nothing to serve yet
        cursor.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {APP}, {RECORDER}")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {RECORDER}")
        cursor.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {APP}")
        for table in sorted(tables):
            rights = "SELECT, INSERT, UPDATE, DELETE"
            if table in APPEND_ONLY:
                rights = "SELECT, INSERT"
            elif table in RECORDED:
                rights = "SELECT, DELETE"
            cursor.execute(f'GRANT {rights} ON "{table}" TO {APP}')
        for grant in (CUT_LINKS, *RECORDER_GRANTS):
            cursor.execute(grant)
