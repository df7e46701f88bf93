"""When campaigns are open, when their emails may leave, and how links are tagged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.rules import CampaignStatus, TimingProblem, campaign_status, timing_problem, utm_word

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 24, 9, tzinfo=UTC)
WEDNESDAY = datetime(2026, 11, 25, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opens_at", "closes_at", "now", "status"),
    [
        (None, None, MONDAY, CampaignStatus.OPEN),
        (TUESDAY, WEDNESDAY, MONDAY, CampaignStatus.PLANNED),
        (TUESDAY, WEDNESDAY, TUESDAY, CampaignStatus.OPEN),
        (MONDAY, WEDNESDAY, WEDNESDAY, CampaignStatus.CLOSED),
        (None, TUESDAY, MONDAY, CampaignStatus.OPEN),
    ],
)
def test_a_campaign_is_open_from_its_first_moment_and_closed_from_its_last(
    opens_at: datetime | None, closes_at: datetime | None, now: datetime, status: CampaignStatus
) -> None:
    assert campaign_status(opens_at=opens_at, closes_at=closes_at, archived_at=None, now=now) is status


def test_an_archived_campaign_is_nothing_else() -> None:
    status = campaign_status(opens_at=TUESDAY, closes_at=WEDNESDAY, archived_at=MONDAY, now=MONDAY)
    assert status is CampaignStatus.ARCHIVED


@pytest.mark.parametrize(
    ("kind", "starts_at", "problem"),
    [
        ("exit_screen", MONDAY, TimingProblem.NOT_OPEN_YET),
        ("exit_screen", TUESDAY, None),
        # Who took part in the last minute is thanked, too.
        ("exit_screen", WEDNESDAY, None),
        ("reminder", MONDAY, TimingProblem.NOT_OPEN_YET),
        ("reminder", TUESDAY, None),
        ("reminder", WEDNESDAY, TimingProblem.CLOSED),
        ("newsletter", MONDAY, None),
        ("newsletter", WEDNESDAY, None),
    ],
)
def test_emails_about_taking_part_wait_for_the_opening_and_reminders_end_with_the_campaign(
    kind: str, starts_at: datetime, problem: TimingProblem | None
) -> None:
    assert timing_problem(kind, opens_at=TUESDAY, closes_at=WEDNESDAY, starts_at=starts_at) is problem


def test_without_dates_everything_may_leave_at_any_time() -> None:
    for kind in ("exit_screen", "reminder", "newsletter"):
        assert timing_problem(kind, opens_at=None, closes_at=None, starts_at=MONDAY) is None


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Fête d’été 2026", "fete-d-ete-2026"),
        ("  Newsletter / November  ", "newsletter-november"),
        ("Straße & Bäcker", "strasse-backer"),
        ("пекарня", "пекарня"),
        ("!!!", ""),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_name_becomes_a_word_for_web_analytics(name: str, word: str) -> None:
    assert utm_word(name) == word
