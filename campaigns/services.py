"""Writes of campaigns: their emails, and the act of sending one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.models import Organization, User
from campaigns.exemptions import drop_changed_exemption
from campaigns.forecasts import untracked_of
from campaigns.lint import links_of, review_draft
from campaigns.models import Campaign, Email, EmailKind, FunctionalLink, FunctionalLinkKind, Launch
from campaigns.rendering import problems_of
from campaigns.selectors import audience_of, is_exempt_approved, launches_of, many_people, unfinished_launches
from delivery.models import Mailing, MailingState
from delivery.rendering import CompiledEmail
from delivery.rules import needs_subscription
from delivery.services import ask_to_send, create_mailing, freeze_content
from websites.models import ConsentScope

COPY_NAME = 160


class CampaignRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """Something that cannot be done with a campaign or an email now; the message is for the person who asked."""


class LaunchRefused(CampaignRefused):
    """An email that cannot be sent as it is: every reason, in the words of the person who tried."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(self.problems))


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
        current = _lock_email(organization, email)
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
    return link


def withdraw_functional_link(organization: Organization, email: Email, link_id: int) -> None:
    """Take a declaration back: the link keeps the email from being sent again."""
    FunctionalLink.objects.filter(organization=organization, email=email, pk=link_id).delete()


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
        _refuse_unfinished(organization, [_lock_email(organization, email)])
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


def _lock_email(organization: Organization, email: Email) -> Email:
    """The email as it stands; nobody changes, archives or launches it until this transaction ends."""
    return (
        Email.objects.select_for_update(of=("self",))
        .select_related("organization", "campaign__website", "topic")
        .get(organization=organization, pk=email.pk)
    )


def _refuse_unfinished(organization: Organization, emails: list[Email]) -> None:
    launch = unfinished_launches(organization, emails).select_related("email").first()
    if launch is not None:
        raise CampaignRefused(
            _("“%(email)s” is being sent or waits for its time. Cancel that first, or wait until it is done.")
            % {"email": launch.email.name}
        )


# --- Sending ----------------------------------------------------------------------------------------------------------


def launch_email(
    organization: Organization,
    email: Email,
    *,
    author: User | None,
    now: datetime,
    not_before: datetime | None = None,
    launches_seen: int | None = None,
) -> Launch:
    """Send an email to its audience, now or at a time. Refuses with every reason at once, and then nothing was done.

    The content is frozen now, the audience when it starts. ``launches_seen`` is how often the person saw that it had
    been sent: when somebody else sent it meanwhile, or a button was pressed twice, it is not sent again.
    """
    starts_at = max(not_before or now, now)
    with transaction.atomic():
        current = _lock_email(organization, email)
        if launches_seen is not None and launches_seen != launches_of(organization, current).count():
            raise LaunchRefused([_sent_meanwhile(organization, current)])
        review = review_draft(organization, current)
        problems = review.all_problems + problems_of(organization, current, starts_at=starts_at, now=now)
        if review.compiled is None or problems:
            raise LaunchRefused(problems)
        launch = _create_launch(organization, current, review.compiled, author=author, starts_at=starts_at, now=now)
        if starts_at <= now:
            expand_audience(organization, launch, now=now)
    return launch


def why_not_launch(organization: Organization, email: Email, *, now: datetime) -> list[str]:
    """Every reason why an email could not be sent now; empty when it could."""
    return review_draft(organization, email).all_problems + problems_of(organization, email, starts_at=now, now=now)


def _sent_meanwhile(organization: Organization, email: Email) -> str:
    latest = launches_of(organization, email)[0]
    return _("It was sent in the meantime, by %(member)s at %(time)s. Nothing was sent twice.") % {
        "member": latest.launched_by or _("somebody"),
        "time": f"{latest.created_at.astimezone(ZoneInfo(organization.timezone)):%H:%M}",
    }


def _create_launch(
    organization: Organization,
    email: Email,
    compiled: CompiledEmail,
    *,
    author: User | None,
    starts_at: datetime,
    now: datetime,
) -> Launch:
    snapshot = freeze_content(
        organization,
        email.campaign.website,
        compiled=compiled,
        purpose=email.purpose,
        now=now,
        sender_name=email.sender_name,
        reply_to=email.reply_to,
        campaign_name=email.campaign.name,
    )
    topic = email.topic if needs_subscription(email.purpose) else None
    mailing = create_mailing(
        organization,
        snapshot,
        topic=topic,
        purpose=email.purpose,
        not_before=starts_at,
        now=now,
        untracked=untracked_of(email),
        exempt_approved=is_exempt_approved(organization, email),
    )
    return Launch.objects.create(
        organization=organization, email=email, mailing=mailing, launched_by=author, created_at=now
    )


_EXPAND = """
INSERT INTO delivery_message (organization_id, mailing_id, participant_id, status, opens, clicks, opens_reason,
                              clicks_reason, attempts, error, provider_id, news, news_words, queued_at)
SELECT %s, %s, audience.id, 'queued', '', '', '', '', 0, '', '', '', '', %s FROM ({audience}) AS audience
    ON CONFLICT DO NOTHING
"""


def expand_audience(organization: Organization, launch: Launch, *, now: datetime) -> int:
    """Write one message for each person of the audience as it is now. Running again adds nobody; returns how many."""
    with transaction.atomic():
        mailing = Mailing.objects.select_for_update(of=("self",)).get(organization=organization, pk=launch.mailing_id)
        if mailing.expanded_at is not None or mailing.state not in (MailingState.SCHEDULED, MailingState.SENDING):
            return 0
        email = Email.objects.select_related("campaign__website").get(organization=organization, pk=launch.email_id)
        if email.kind == EmailKind.CONSENT_REQUEST:
            _wait_for_other_requests(organization, email)
        # Without its order: PostgreSQL is free to read the tables in theirs.
        audience, parameters = audience_of(organization, email, now=now).order_by().values("id").query.sql_with_params()
        with many_people(), connection.cursor() as cursor:
            cursor.execute(_EXPAND.format(audience=audience), [organization.pk, mailing.pk, now, *parameters])
            messages = cursor.rowcount
        mailing.expanded_at = now
        mailing.save(update_fields=["expanded_at"])
        ask_to_send(mailing)
    return int(messages)


def _wait_for_other_requests(organization: Organization, email: Email) -> None:
    """Two requests that start at once must not both ask the same people (rule C4)."""
    scope = email.campaign.website.consent_scope_id
    ConsentScope.objects.select_for_update(no_key=True).get(organization=organization, pk=scope)
