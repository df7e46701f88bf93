"""Launches whose time has come, mail that waits for the end of quiet hours, and A/B tests whose hours are over."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import DatabaseError
from django.utils import timezone

from accounts.models import Organization
from campaigns.models import Launch, SplitTest
from campaigns.schedules import hold_in_quiet_hours
from campaigns.selectors import many_people
from campaigns.services import expand_audience
from campaigns.verdicts import follow_up
from common.tenancy import call_door, tenant
from delivery.models import Mailing, MailingState, Purpose

logger = logging.getLogger(__name__)


@shared_task(name="campaigns.expand_due_launches")
def expand_due_launches() -> int:
    """Write the messages of planned launches that are due, and of any that a crash left without; returns how many."""
    started = 0
    for organization_id, mailing_id in call_door("door_due_mailings", [timezone.now()]):
        try:
            started += _expand(organization_id, mailing_id)
        except DatabaseError as error:
            # One organization's trouble must not hold up the others; the next beat tries again.
            logger.warning("could not start mailing %s: %s", mailing_id, type(error).__name__)
    return started


def _expand(organization_id: int, mailing_id: int) -> bool:
    with tenant(organization_id):
        launch = Launch.objects.filter(mailing=mailing_id, mailing__expanded_at__isnull=True).first()
        if launch is None:
            return False
        organization = Organization.objects.get(pk=organization_id)
        expand_audience(organization, launch, now=timezone.now())
        return True


@shared_task(name="campaigns.keep_quiet_hours")
def keep_quiet_hours() -> int:
    """Put off marketing that became due while its person's clock says quiet; returns how many messages."""
    return sum(
        _keep_quiet(organization_id, mailing_id)
        for organization_id, mailing_id in call_door("door_due_mailings", [timezone.now()])
    )


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
    sent = 0
    for organization_id, test_id in call_door("door_due_split_tests", [timezone.now()]):
        try:
            sent += _decide(organization_id, test_id)
        except DatabaseError as error:
            logger.warning("could not decide test %s: %s", test_id, type(error).__name__)
    return sent


def _decide(organization_id: int, test_id: int) -> bool:
    with tenant(organization_id):
        organization = Organization.objects.get(pk=organization_id)
        test = SplitTest.objects.filter(organization=organization, pk=test_id, decided_at=None).first()
        return test is not None and follow_up(organization, test, now=timezone.now()) is not None
