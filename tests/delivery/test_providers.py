"""The table of sending services, whom mail is trusted to (rule S11), warm-up and the circuit breaker."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from delivery.providers import (
    FAILURES_UNTIL_BROKEN,
    GUARD_FRESH,
    LONGEST_PAUSE,
    Evidence,
    Tracking,
    Trust,
    judge_trust,
    needs_trust,
    next_probe,
    provider_of_host,
    providers,
    warmup_quota,
)

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SWITCHED = {"amazon_ses", "mailersend", "mailgun", "mailjet", "mandrill", "sendgrid", "sparkpost", "unisender_go"}


def test_every_entry_has_a_source_and_a_date() -> None:
    for provider in providers().values():
        assert urlsplit(provider.source).scheme == "https"
        assert provider.checked >= date(2026, 1, 1)
        assert provider.secrets
        assert provider.reports == bool(provider.signs)


def test_s11_only_services_that_obey_per_message_are_trusted_by_themselves() -> None:
    assert {key for key, provider in providers().items() if provider.is_switched_per_message} == SWITCHED
    assert providers()["postmark"].tracking is Tracking.PARTLY
    for key, provider in providers().items():
        trust = judge_trust(Evidence(provider, is_api=True, attested=False), now=NOW)
        assert trust is (Trust.SWITCHED if key in SWITCHED else Trust.UNPROVEN)


def test_s11_the_mail_server_of_a_service_is_the_service() -> None:
    brevo = provider_of_host("smtp-relay.brevo.com.")
    assert brevo is providers()["brevo"]
    assert provider_of_host("notbrevo.com") is None
    # What the API is told per message, its SMTP door is not.
    mailgun = provider_of_host("smtp.eu.mailgun.org")
    assert judge_trust(Evidence(mailgun, is_api=False, attested=False), now=NOW) is Trust.UNPROVEN
    assert judge_trust(Evidence(None, is_api=False, attested=False), now=NOW) is Trust.NOTHING_ADDED


def test_s11_attested_or_proven_connections_are_trusted() -> None:
    brevo = providers()["brevo"]
    assert judge_trust(Evidence(brevo, is_api=True, attested=True), now=NOW) is Trust.ATTESTED
    fresh = Evidence(brevo, is_api=True, attested=False, guard_clean=True, guard_at=NOW - GUARD_FRESH)
    assert judge_trust(fresh, now=NOW) is Trust.PROVEN
    assert judge_trust(fresh, now=NOW + timedelta(seconds=1)) is Trust.UNPROVEN


@pytest.mark.parametrize("key", ["brevo", "mailgun", None])
def test_s11_a_leak_that_was_seen_outweighs_every_word(key: str | None) -> None:
    provider = providers()[key] if key else None
    seen = Evidence(provider, is_api=True, attested=True, guard_clean=False, guard_at=NOW - timedelta(days=9))
    assert judge_trust(seen, now=NOW) is Trust.LEAKS
    assert not Trust.LEAKS.is_given


def test_s11_websites_that_promise_something_need_trust() -> None:
    assert needs_trust("never")
    assert needs_trust("by_consent")
    assert not needs_trust("always")


def test_a_new_connection_takes_more_every_day_until_it_is_warm() -> None:
    since = date(2026, 11, 1)
    quotas = [warmup_quota(200, since, since + timedelta(days=day)) for day in range(31)]
    assert quotas[:4] == [200, 300, 450, 675]
    assert quotas[29] is not None
    assert quotas[30] is None


def test_a_broken_connection_is_tried_later_and_later() -> None:
    pauses = [next_probe(FAILURES_UNTIL_BROKEN + more, NOW) - NOW for more in range(8)]
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert pauses[-1] == LONGEST_PAUSE
