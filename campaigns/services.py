"""Writes of campaigns and their emails. The act of sending one is in ``launches``."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.exemptions import drop_changed_exemption
from campaigns.launches import expand_audience as expand_audience
from campaigns.launches import launch_email as launch_email
from campaigns.launches import lock_email
from campaigns.launches import why_not_launch as why_not_launch
from campaigns.lint import links_of
from campaigns.models import Campaign, Email, FunctionalLink, FunctionalLinkKind
from campaigns.refusals import CampaignRefused as CampaignRefused
from campaigns.refusals import LaunchRefused as LaunchRefused
from campaigns.selectors import unfinished_launches

COPY_NAME = 160


# --- Campaigns and emails ---------------------------------------------------------------------------------------------


def save_campaign(organization: Organization, campaign: Campaign, *, now: datetime) -> Campaign:
    """Keep a new or changed campaign."""
    if campaign.website.organization_id != organization.pk:
        raise CampaignRefused(_("This website is not one of yours."))
    if campaign.opens_at and campaign.closes_at and campaign.closes_at <= campaign.opens_at:
        raise CampaignRefused(_("A campaign closes after it opens."))
    if campaign.pk is None:
        campaign.organization, campaign.created_at = organization, now
    campaign.save()
    return campaign


def save_email(organization: Organization, email: Email, *, now: datetime) -> Email:
    """Keep a new or changed draft. It may be unfinished; what was launched before stays as it was."""
    if email.campaign.organization_id != organization.pk:
        raise CampaignRefused(_("This campaign is not one of yours."))
    if email.topic is not None and email.topic.website_id != email.campaign.website_id:
        raise CampaignRefused(_("The topic belongs to another website than the campaign."))
    if email.pk is None:
        email.organization, email.created_at = organization, now
    email.updated_at = now
    email.save()
    drop_changed_exemption(organization, email, now=now)
    return email


def duplicate_email(
    organization: Organization, email: Email, *, now: datetime, campaign: Campaign | None = None
) -> Email:
    """A new draft with the same content, in the same campaign or in another one of the same website."""
    copy = Email(
        campaign=campaign or email.campaign,
        name=email.name if campaign else _copy_name(email.name),
        **{field: getattr(email, field) for field in COPIED_FIELDS},
    )
    with transaction.atomic():
        save_email(organization, copy, now=now)
        for link in links_of(email):
            link.pk, link.email = None, copy
            link.save(force_insert=True)
    return copy


def declare_functional_link(
    organization: Organization,
    email: Email,
    *,
    address: str,
    kind: FunctionalLinkKind | str,
    reason: str,
    author: User | None,
    now: datetime,
) -> FunctionalLink:
    """Say that a link of an email works only with what it carries about the recipient, and why."""
    address, reason = address.strip(), reason.strip()
    if not reason:
        raise CampaignRefused(_("Say why the link cannot work without what it carries."))
    if kind not in FunctionalLinkKind:
        raise CampaignRefused(_("Say what the link is."))
    if not 0 < len(address) <= 1000:
        raise CampaignRefused(_("There is no such link."))
    with transaction.atomic():
        current = lock_email(organization, email)
        link, _is_new = FunctionalLink.objects.update_or_create(
            organization=organization,
            email=current,
            address=address,
            defaults={
                "kind": FunctionalLinkKind(kind),
                "reason": reason[:300],
                "declared_by": author,
                "declared_at": now,
            },
        )
        audit.record(organization, actor=author, action="link:declare", target=f"email {current.pk}", now=now)
    return link


def withdraw_functional_link(
    organization: Organization, email: Email, link_id: int, *, author: User | None, now: datetime
) -> None:
    """Take a declaration back: the link keeps the email from being sent again."""
    with transaction.atomic():
        link = FunctionalLink.objects.filter(organization=organization, email=email, pk=link_id)
        gone, _by_model = link.delete()
        if gone:
            audit.record(organization, actor=author, action="link:withdraw", target=f"email {email.pk}", now=now)


COPIED_FIELDS = (
    "kind",
    "purpose",
    "topic",
    "subject",
    "preheader",
    "sender_name",
    "reply_to",
    "body_format",
    "body",
    "text",
    "add_utm",
)


def duplicate_campaign(organization: Organization, campaign: Campaign, *, now: datetime) -> Campaign:
    """The same campaign and emails once more, without dates, and without anybody who took part."""
    with transaction.atomic():
        copy = save_campaign(
            organization,
            Campaign(website=campaign.website, name=_copy_name(campaign.name), kind=campaign.kind),
            now=now,
        )
        emails = Email.objects.filter(organization=organization, campaign=campaign, archived_at__isnull=True)
        for email in emails.select_related("topic").order_by("pk"):
            duplicate_email(organization, email, campaign=copy, now=now)
    return copy


def _copy_name(name: str) -> str:
    return str(_("Copy of %(name)s") % {"name": name})[:COPY_NAME]


def archive_email(organization: Organization, email: Email, *, now: datetime) -> None:
    """Take an email out of the lists. Its reports stay."""
    with transaction.atomic():
        _refuse_unfinished(organization, [lock_email(organization, email)])
        Email.objects.filter(organization=organization, pk=email.pk).update(archived_at=now)
    email.archived_at = now


def archive_campaign(organization: Organization, campaign: Campaign, *, now: datetime) -> None:
    """Take a campaign out of the lists. Its emails and reports stay."""
    with transaction.atomic():
        emails = Email.objects.filter(organization=organization, campaign=campaign)
        _refuse_unfinished(organization, list(emails.select_for_update(of=("self",)).order_by("pk")))
        Campaign.objects.filter(organization=organization, pk=campaign.pk).update(archived_at=now)
    campaign.archived_at = now


def restore_email(organization: Organization, email: Email) -> None:
    """Bring an archived email back into the lists."""
    Email.objects.filter(organization=organization, pk=email.pk).update(archived_at=None)
    email.archived_at = None


def restore_campaign(organization: Organization, campaign: Campaign) -> None:
    """Bring an archived campaign back into the lists."""
    Campaign.objects.filter(organization=organization, pk=campaign.pk).update(archived_at=None)
    campaign.archived_at = None


def _refuse_unfinished(organization: Organization, emails: list[Email]) -> None:
    launch = unfinished_launches(organization, emails).select_related("email").first()
    if launch is not None:
        raise CampaignRefused(
            _("“%(email)s” is being sent or waits for its time. Cancel that first, or wait until it is done.")
            % {"email": launch.email.name}
        )
