"""The mailing that bench.torture_sending tortures."""

from __future__ import annotations

PEOPLE = """
INSERT INTO participants_participant (organization_id, email, email_norm, country, locale, first_name, last_name,
    external_id, attributes, created_at, updated_at)
SELECT %s, n || '@mail.example', n || '@mail.example', 'BE', '', 'Person ' || n, '', '', '{}', now(), now()
FROM generate_series(1, %s) n
"""
SUBSCRIPTIONS = """
INSERT INTO consent_subscription (organization_id, participant_id, topic_id, basis, source, wording, subscribed_at)
SELECT organization_id, id, %s, 'opt_in', 'torture', '', now() FROM participants_participant
"""
MESSAGES = """
INSERT INTO delivery_message (organization_id, mailing_id, participant_id, status, opens, clicks, opens_reason,
    clicks_reason, attempts, error, queued_at, provider_id, news, news_words)
SELECT organization_id, %s, id, 'queued', '', '', '', '', 0, '', now(), '', '', '' FROM participants_participant
"""
HTML = (
    '<html><body><p>Hello {{ first_name }}</p><a href="https://bread.example/rye">Rye</a>'
    + "<p>Bread of the week.</p>" * 200
    + "</body></html>"
)


def make_mailing(messages: int) -> tuple[int, int]:
    """An organization with one mailing that is due, by the product's own services."""
    from django.db import connection
    from django.utils import timezone

    from accounts.models import User
    from accounts.services import add_member, create_organization
    from common.tenancy import tenant
    from consent.models import Topic
    from consent.services import open_website
    from delivery.models import Mailing, Purpose
    from delivery.rendering import BodyFormat, EmailSource, FooterLabels, compile_email
    from delivery.services import create_mailing, freeze_content

    now = timezone.now()
    organization = create_organization(name="Torture", now=now)
    owner = User.objects.create_user("owner@torture.example", full_name="Owner")
    add_member(organization, owner, role="owner", now=now)
    labels = FooterLabels(unsubscribe="Unsubscribe", preferences="Your choice")
    source = EmailSource(
        subject="Bread for {{ first_name }}", body=HTML, body_format=BodyFormat.HTML, labels=labels, marketing=True
    )
    with tenant(organization.pk):
        website = open_website(
            organization, name="Bread", domain="bread.example", country="BE", sender_name="Bakery",
            sender_email="news@bread.example", author=owner, now=now,
        )  # fmt: skip
        topic = Topic.objects.create(organization=organization, website=website, name="News")
        snapshot = freeze_content(
            organization, website, compiled=compile_email(source), purpose=Purpose.MARKETING, now=now
        )
        mailing = create_mailing(
            organization, snapshot, topic=topic, purpose=Purpose.MARKETING, not_before=now, now=now
        )
        with connection.cursor() as cursor:
            cursor.execute(PEOPLE, [organization.pk, messages])
            cursor.execute(SUBSCRIPTIONS, [topic.pk])
            cursor.execute(MESSAGES, [mailing.pk])
        Mailing.objects.filter(pk=mailing.pk).update(expanded_at=now)
    return organization.pk, mailing.pk
