"""An organization with an audience and a launched newsletter of the size that the benches ask for.

Runs in a process of its own, since it needs Django set up after the engines are: ``python -m bench.newsletter 20000``
prints what was made as JSON. People come from SQL; all else goes through the services, as in the console.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from secrets import token_hex

import django

from bench.support import Launched

SECTIONS, BYTES = 13, 60_000
ARTICLE = (
    "Every week {number} bakers write to each other about flour, water and time. This one asks how long a dough may "
    "rest in the cold before its crumb gets sour, and what the oldest of them do about it — naïve questions, good "
    "bread. "
)


def body() -> str:
    """MJML of a newsletter with 40 links that becomes about 60 KB of HTML."""
    blocks = [
        "<mj-section><mj-column><mj-text><h1>Bread for {{ first_name | default: 'you' }}</h1>"
        '<p><a href="https://bread.example/november?utm_content=top">Read it on the web</a></p></mj-text>'
        "</mj-column></mj-section>"
    ]
    for number in range(SECTIONS):
        place = f"https://bread.example/november/article-{number}"
        blocks.append(
            "<mj-section><mj-column>"
            f'<mj-image src="https://bread.example/{number}.jpg" alt="Loaf {number}" href="{place}?from=picture" />'
            f"<mj-text><h2>The {number + 1}th loaf</h2><p>{ARTICLE.format(number=number) * 4}"
            f'<a href="{place}?from=text&amp;part={number}">More</a></p></mj-text>'
            f'<mj-button href="{place}#comments">Write to us</mj-button>'
            "</mj-column></mj-section>"
        )
    return f"<mjml><mj-body>{''.join(blocks)}</mj-body></mjml>"


PEOPLE = """
INSERT INTO participants_participant (organization_id, email, email_norm, country, locale, first_name, last_name,
    external_id, attributes, created_at, updated_at, ledger_id)
SELECT %(organization)s, address, address,
    (ARRAY['BE', 'NL', 'DE', 'LU'])[1 + n %% 4], 'fr', (ARRAY['Chloé', 'Jan', 'Zoë', 'Marc', 'Inès'])[1 + n %% 5],
    'Nº ' || n, '', '{}', %(now)s, %(now)s, md5(%(organization)s || ' ' || n)::uuid
  FROM generate_series(1, %(people)s) n, LATERAL (SELECT 'person' || n || '@mail' || n %% 50 || '.example') a (address);
INSERT INTO consent_choice (organization_id, participant_id, scope_id, opens, opens_source, opens_yes_since,
    opens_not_no_since, clicks, clicks_source, clicks_yes_since, clicks_not_no_since)
SELECT organization_id, id, %(scope)s, 'yes', 'person', %(now)s, %(now)s, 'yes', 'person', %(now)s, %(now)s
  FROM participants_participant WHERE organization_id = %(organization)s AND id %% 3 > 0;
INSERT INTO consent_subscription (organization_id, participant_id, topic_id, basis, source, wording, subscribed_at)
SELECT organization_id, id, %(topic)s, 'opt_in', 'bench', '', %(now)s FROM participants_participant
 WHERE organization_id = %(organization)s;
ANALYZE participants_participant, consent_choice, consent_subscription
"""


def launch(people: int) -> Launched:
    """Two thirds of the people said yes, so most copies carry a pixel and 40 signed links."""
    from django.utils import timezone

    from accounts.models import Role, User
    from accounts.services import add_member, create_organization
    from campaigns.models import Campaign, Email
    from campaigns.services import expand_audience, launch_email, save_campaign, save_email
    from common.tenancy import tenant
    from consent.models import ProposalKind, Topic
    from consent.services import confirm_proposal, open_website, propose_change, publish_notice

    now = timezone.now() - timedelta(hours=1)
    organization = create_organization(name="Bench", legal_name="Bench", legal_address="1 Bread Street", now=now)
    owner, officer = (User.objects.create_user(f"{name}-{token_hex(4)}@bread.example") for name in ("owner", "officer"))
    add_member(organization, owner, role=Role.OWNER, now=now)
    add_member(organization, officer, role=Role.DPO, now=now)
    with tenant(organization.pk):
        website = open_website(
            organization, name="Bread", domain="bread.example", country="BE", sender_name="Bread",
            sender_email="news@bread.example", author=owner, now=now,
        )  # fmt: skip
        publish_notice(
            organization, website, language="fr", text="What we measure.", url="https://bread.example/privacy",
            author=owner, now=now,
        )  # fmt: skip
        proposal = propose_change(
            organization, website, kind=ProposalKind.EMAIL_TRACKING, wanted={"email_tracking": "by_consent"},
            reason="bench", author=owner, now=now,
        )  # fmt: skip
        confirm_proposal(organization, proposal, author=officer, now=now, note="bench")
        topic = Topic.objects.create(organization=organization, website=website, name="News")
        values = {"organization": organization.pk, "scope": website.consent_scope_id, "topic": topic.pk}
    _fill(people, now, values)
    with tenant(organization.pk):
        campaign = save_campaign(organization, Campaign(website=website, name="November"), now=now)
        email = Email(campaign=campaign, name="News", topic=topic, subject="Bread for {{ first_name }}", body=body())
        save_email(organization, email, now=now)
        starts_at = timezone.now() + timedelta(seconds=1)
        launched = launch_email(organization, email, author=owner, not_before=starts_at, now=timezone.now())
    started = time.monotonic()
    with tenant(organization.pk):
        written = expand_audience(organization, launched, now=starts_at, in_halves=True)
    seconds = time.monotonic() - started
    if written != people:
        raise SystemExit(f"{written} messages for {people} people")
    with tenant(organization.pk):
        compiled = launched.mailing.snapshot.compiled
    return Launched(
        organization=organization.pk,
        mailing=launched.mailing_id,
        people=people,
        bytes=sum(len(part.encode()) for part in compiled["html_parts"]),
        links=len(compiled["links"]),
        expand_seconds=seconds,
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _fill(people: int, now: datetime, values: dict[str, int]) -> None:
    """As the owner of the tables: the people are no part of what is measured."""
    import os

    import psycopg

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        for statement in PEOPLE.split(";"):
            owner.execute(statement, {**values, "people": people, "now": now})


if __name__ == "__main__":
    django.setup()
    print(json.dumps(asdict(launch(int(sys.argv[1])))))
