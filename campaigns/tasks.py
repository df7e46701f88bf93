"""Launches whose time has come, mail that waits for the end of quiet hours, and A/B tests whose hours are over."""

from __future__ import annotations

from celery import shared_task
from django.db import connection
from django.utils import timezone

from accounts.models import Organization
from campaigns.launches import EXPAND_TASK, has_many_people
from campaigns.models import Launch, SplitTest
from campaigns.schedules import hold_in_quiet_hours
from campaigns.selectors import many_people
from campaigns.services import expand_audience
from campaigns.verdicts import follow_up
from common.jobs import one_by_one
from common.tenancy import call_door, tenant
from delivery.models import Mailing, MailingState, Purpose


@shared_task(name="campaigns.expand_due_launches")
def expand_due_launches() -> int:
    """Write the messages of planned launches that are due, and of any that a crash left without; returns how many."""
    return one_by_one(call_door("door_due_mailings", [timezone.now()]), _expand)


@shared_task(name=EXPAND_TASK)
def expand_launch(*, organization_id: int, mailing_id: int) -> None:
    """Write the messages of a launch that was asked for just now."""
    _expand(organization_id, mailing_id)


def _expand(organization_id: int, mailing_id: int) -> bool:
    # Another connection does not see what a caller's transaction did.
    is_outermost = not connection.in_atomic_block
    with tenant(organization_id):
        launch = Launch.objects.filter(mailing=mailing_id, mailing__expanded_at__isnull=True).first()
        if launch is None:
            return False
        organization = Organization.objects.get(pk=organization_id)
        in_halves = is_outermost and has_many_people(organization)
        expand_audience(organization, launch, now=timezone.now(), in_halves=in_halves)
        return True


@shared_task(name="campaigns.keep_quiet_hours")
def keep_quiet_hours() -> int:
    """Put off marketing that became due while its person's clock says quiet; returns how many messages."""
    return one_by_one(call_door("door_due_mailings", [timezone.now()]), _keep_quiet)


def _keep_quiet(organization_id: int, mailing_id: int) -> int:
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        sending = Mailing.objects.filter(
            pk=mailing_id, purpose=Purpose.MARKETING, state=MailingState.SENDING, expanded_at__isnull=False
        ).first()
        if sending is None or organization.quiet_from is None:
            return 0
        with many_people():
            return hold_in_quiet_hours(organization, sending, now=timezone.now())


@shared_task(name="campaigns.decide_tests")
def decide_tests() -> int:
    """Judge A/B tests whose hours are over, and do what their authors set; returns how many rests were sent."""
    return one_by_one(call_door("door_due_split_tests", [timezone.now()]), _decide)


def _decide(organization_id: int, test_id: int) -> bool:
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        test = SplitTest.objects.filter(organization=organization, pk=test_id, decided_at=None).first()
        return test is not None and follow_up(organization, test, now=timezone.now()) is not None
