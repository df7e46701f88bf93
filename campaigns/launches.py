"""The act of sending an email: checked, frozen, its audience written as messages, and once more in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction
from django.db.models import Avg, QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import Organization, User
from campaigns.forecasts import untracked_of
from campaigns.lint import review_draft
from campaigns.models import Email, EmailKind, Launch, Repeat, Variant
from campaigns.refusals import LaunchRefused
from campaigns.rendering import problems_of
from campaigns.repeats import RepeatPlan, next_round, people_still_meant, problems_of_repeat
from campaigns.schedules import Schedule, due_at_home, earliest_start, one_each, schedule_of, write_messages
from campaigns.segments import EVERYBODY, Narrowing
from campaigns.selectors import audience_of, is_exempt_approved, launches_of, many_people
from campaigns.slowing import slow_down_of
from campaigns.splitting import people_of_version
from campaigns.zones import write_local
from common import jobs
from common.second_transaction import SecondTransaction, second_transaction
from delivery.forgetting import take_back_unreachable
from delivery.models import ContentSnapshot, Mailing, MailingState
from delivery.rendering import CompiledEmail
from delivery.rules import needs_subscription
from delivery.services import ask_to_send, create_mailing, freeze_content
from participants.models import Participant
from participants.services import may_have_gone, watch_people
from tracking.services import register_content
from websites.models import ConsentScope

EXPAND_TASK = "campaigns.expand_launch"
# An organization with more people leaves the writing of their messages to a worker: in a browser nobody waits so long.
FEW_PEOPLE = 50_000


class _CancelledError(Exception):
    """Somebody cancelled the launch while its messages were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an email is sent, where that differs from now, once, and to everybody it is for."""

    not_before: datetime | None = None
    # Naive: when it leaves on each person's own clock. It counts instead of ``not_before``.
    local_at: datetime | None = None
    narrowing: Narrowing = EVERYBODY
    repeat: RepeatPlan | None = None
    # Of an A/B test: the version that it sends.
    variant: Variant | None = None


def launch_email(
    organization: Organization,
    email: Email,
    *,
    author: User | None,
    now: datetime,
    not_before: datetime | None = None,
    launches_seen: int | None = None,
    local_at: datetime | None = None,
    narrowing: Narrowing = EVERYBODY,
    repeat: RepeatPlan | None = None,
) -> Launch:
    """Send an email to its audience, now or at a time. Refuses with every reason at once, and then nothing was done.

    The content is frozen now, the audience when it starts. ``launches_seen`` is how often the person saw that it had
    been sent: when somebody else sent it meanwhile, or a button was pressed twice, it is not sent again. ``local_at``
    is a time without a zone, which comes at another moment for each person.
    """
    options = Options(not_before=not_before, local_at=local_at, narrowing=narrowing, repeat=repeat)
    with transaction.atomic():
        current = lock_email(organization, email)
        if launches_seen is not None and launches_seen != launches_of(organization, current).count():
            raise LaunchRefused([sent_meanwhile(organization, current)])
        starts_at = first_moment(organization, current, options, now=now)
        review = review_draft(organization, current)
        problems = review.all_problems + problems_of(
            organization, current, starts_at=starts_at, now=now, narrowing=narrowing
        )
        problems += problems_of_repeat(current, repeat, starts_on=_local(organization, starts_at, local_at).date())
        if review.compiled is None or problems:
            raise LaunchRefused(problems)
        launch = create_launch(
            organization, current, review.compiled, options, author=author, starts_at=starts_at, now=now
        )
        if starts_at <= now:
            begin_expansion(organization, launch, now=now)
    return launch


def why_not_launch(
    organization: Organization, email: Email, *, now: datetime, narrowing: Narrowing = EVERYBODY
) -> list[str]:
    """Every reason why an email could not be sent now; empty when it could."""
    problems = problems_of(organization, email, starts_at=now, now=now, narrowing=narrowing)
    return review_draft(organization, email).all_problems + problems


def lock_email(organization: Organization, email: Email) -> Email:
    """The email as it stands; nobody changes, archives or launches it until this transaction ends."""
    return (
        Email.objects.select_for_update(of=("self",))
        .select_related("organization", "campaign__website", "topic")
        .get(organization=organization, pk=email.pk)
    )


def sent_meanwhile(organization: Organization, email: Email) -> str:
    latest = launches_of(organization, email)[0]
    return _("It was sent in the meantime, by %(member)s at %(time)s. Nothing was sent twice.") % {
        "member": latest.launched_by or _("somebody"),
        "time": f"{latest.created_at.astimezone(ZoneInfo(organization.timezone)):%H:%M}",
    }


def first_moment(organization: Organization, email: Email, options: Options, *, now: datetime) -> datetime:
    """When the first message may leave."""
    if options.local_at is None:
        return max(options.not_before or now, now)
    people = _ids(audience_of(organization, email, now=now, narrowing=options.narrowing))
    with many_people():
        return earliest_start(organization, options.local_at, people, now=now)


def _local(organization: Organization, starts_at: datetime, local_at: datetime | None) -> datetime:
    return local_at or starts_at.astimezone(ZoneInfo(organization.timezone)).replace(tzinfo=None)


def _ids(people: QuerySet[Participant]) -> tuple[str, Sequence[Any]]:
    """The query of an audience, without its order: PostgreSQL is free to read the tables in theirs."""
    query, parameters = people.order_by().values("id").query.sql_with_params()
    return query, parameters


def create_launch(
    organization: Organization,
    email: Email,
    compiled: CompiledEmail,
    options: Options,
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
    repeat = None
    if options.repeat is not None:
        plan = options.repeat
        first = _local(organization, starts_at, options.local_at)
        repeat = Repeat.objects.create(
            organization=organization,
            email=email,
            every_days=plan.every_days,
            first_at=write_local(first),
            until=plan.until,
            to_those=plan.to_those,
            most_times=plan.most_times,
        )
    # A round that comes by itself was asked for by nobody now.
    audit.record(organization, actor=author, action="launch:begin", target=f"email {email.pk}", now=now)
    return Launch.objects.create(
        organization=organization,
        email=email,
        mailing=new_mailing(organization, email, snapshot, options.variant, starts_at=starts_at, now=now),
        launched_by=author,
        created_at=now,
        audience=options.narrowing.as_json(),
        segment_id=options.narrowing.segment_id,
        local_at=write_local(options.local_at) if options.local_at is not None else "",
        repeat=repeat,
        variant=options.variant,
    )


def new_mailing(
    organization: Organization,
    email: Email,
    snapshot: ContentSnapshot,
    variant: Variant | None = None,
    *,
    starts_at: datetime,
    now: datetime,
) -> Mailing:
    return create_mailing(
        organization,
        snapshot,
        topic=email.topic if needs_subscription(email.purpose) else None,
        purpose=email.purpose,
        not_before=starts_at,
        now=now,
        untracked=untracked_of(email),
        exempt_approved=is_exempt_approved(organization, email),
        exit_screen=email.kind == EmailKind.EXIT_SCREEN,
        without_totals=variant is not None,
    )


# --- The audience -----------------------------------------------------------------------------------------------------

# Where everybody's message may leave at once.
_EXPAND = """
INSERT INTO delivery_message (organization_id, mailing_id, participant_id, status, opens, clicks, opens_reason,
                              clicks_reason, attempts, error, provider_id, news, news_words, queued_at)
SELECT %s, %s, audience.id, 'queued', '', '', '', '', 0, '', '', '', '', %s FROM ({audience}) AS audience
"""


def begin_expansion(organization: Organization, launch: Launch, *, now: datetime) -> None:
    """Write the messages of a launch that is due: at once, or by a worker where there may be many."""
    if has_many_people(organization):
        jobs.after_commit(EXPAND_TASK, organization_id=organization.pk, mailing_id=launch.mailing_id)
    else:
        expand_audience(organization, launch, now=now)


def has_many_people(organization: Organization) -> bool:
    """Whether it takes a while to write a message for each of them."""
    return Participant.objects.filter(organization=organization)[: FEW_PEOPLE + 1].count() > FEW_PEOPLE


def expand_audience(organization: Organization, launch: Launch, *, now: datetime, in_halves: bool = False) -> int:
    """Write one message for each person of the audience as it is now. Running again adds nobody; returns how many.

    With the last row stands the plan of the next round, if the email is to be sent again. The row of the launch keeps
    others away who would write the same; the mailing can be paused or cancelled, and people be erased, meanwhile.

    ``in_halves``: where nothing of the launch or its people waits to be committed, over two connections at a time. The
    second is committed just before the first: whoever is killed in between leaves a launch that has to be expanded,
    and the next run adds those who are missing.
    """
    try:
        with transaction.atomic(), ExitStack() as open_:
            second = open_.enter_context(second_transaction(organization.pk)) if in_halves else None
            return _expand(organization, launch, second, now=now)
    except _CancelledError:
        return 0


def _expand(organization: Organization, launch: Launch, second: SecondTransaction | None, *, now: datetime) -> int:
    own = Launch.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    if own.filter(organization=organization, pk=launch.pk).first() is None:
        return 0  # somebody is at it
    mailing = Mailing.objects.get(organization=organization, pk=launch.mailing_id)
    if mailing.expanded_at is not None or mailing.state not in (MailingState.SCHEDULED, MailingState.SENDING):
        return 0
    email = Email.objects.select_related("campaign__website").get(organization=organization, pk=launch.email_id)
    if email.kind == EmailKind.CONSENT_REQUEST:
        _wait_for_other_requests(organization, email)
    messages = _write_reachable(organization, launch, mailing, email, second, now=now)
    current = Mailing.objects.select_for_update(of=("self",)).filter(organization=organization, pk=mailing.pk).first()
    if current is None or current.state == MailingState.CANCELLED:
        raise _CancelledError
    current.expanded_at = now
    current.save(update_fields=["expanded_at"])
    ask_to_send(current)
    _plan_next_round(organization, launch, email, now=now)
    if second is not None:
        second.commit()
    return messages


def _write_reachable(
    organization: Organization,
    launch: Launch,
    mailing: Mailing,
    email: Email,
    second: SecondTransaction | None,
    *,
    now: datetime,
) -> int:
    """Write the messages, none of them for somebody who was taken away meanwhile. Nobody is any more."""
    schedule = _schedule_of(organization, launch, mailing, now=now)
    since = watch_people(organization)
    people = _people_of(organization, launch, email, now=now)
    write = partial(_write, organization, mailing, schedule, now=now)
    take_back = partial(_take_back, organization, mailing)
    # What counts or puts off has to know of everybody.
    if second is None or not schedule.is_plain:
        return write(people) - (take_back() if may_have_gone(organization, since=since) else 0)
    middle = Participant.objects.filter(organization=organization).aggregate(middle=Avg("pk"))["middle"] or 0
    others = second.do(partial(write, people.filter(pk__gt=middle)))
    messages = write(people.filter(pk__lte=middle)) + others.result()
    if may_have_gone(organization, since=since):
        messages -= take_back() + second.do(take_back).result()
    return messages


def _take_back(organization: Organization, mailing: Mailing) -> int:
    with many_people():
        return take_back_unreachable(organization, mailing)


def _people_of(organization: Organization, launch: Launch, email: Email, *, now: datetime) -> QuerySet[Participant]:
    people = audience_of(organization, email, now=now, narrowing=Narrowing.from_json(launch.audience))
    people = people_of_version(organization, people, launch)
    return people if launch.repeat is None else people_still_meant(organization, people, launch.repeat, email)


def _write(
    organization: Organization, mailing: Mailing, schedule: Schedule, people: QuerySet[Participant], *, now: datetime
) -> int:
    try:
        with many_people():
            return _insert(organization, mailing, schedule, people, now=now)
    except IntegrityError:
        # Somebody took part meanwhile, and got theirs; now they are found.
        with many_people():
            return _insert(organization, mailing, schedule, people, now=now)


def _schedule_of(organization: Organization, launch: Launch, mailing: Mailing, *, now: datetime) -> Schedule:
    slow = slow_down_of(organization, mailing.website, mailing.purpose, now=now)
    return schedule_of(organization, mailing.purpose, launch.local_at, slow=slow)


def _insert(
    organization: Organization, mailing: Mailing, schedule: Schedule, people: QuerySet[Participant], *, now: datetime
) -> int:
    query, parameters = _ids(people)
    if not schedule.is_plain:
        return write_messages(organization, mailing, schedule, (query, parameters), now=now)
    with connection.cursor() as cursor:
        values = [organization.pk, mailing.pk, now, *parameters]
        cursor.execute(_EXPAND.format(audience=query) + one_each(mailing), values)
        return int(cursor.rowcount)


def _wait_for_other_requests(organization: Organization, email: Email) -> None:
    """Two requests that start at once must not both ask the same people (rule C4)."""
    scope = email.campaign.website.consent_scope_id
    ConsentScope.objects.select_for_update(no_key=True).get(organization=organization, pk=scope)


# --- Rounds -----------------------------------------------------------------------------------------------------------


def _plan_next_round(organization: Organization, launch: Launch, email: Email, *, now: datetime) -> None:
    """The next round stands in the lists as soon as this one began, with the same content to the same people."""
    if launch.repeat is None:
        return
    found = next_round(organization, launch.repeat, email, after=launch.round, now=now)
    if found is None:
        Repeat.objects.filter(organization=organization, pk=launch.repeat.pk).update(ended_at=now)
        return
    number, local = found
    narrowing = Narrowing.from_json(launch.audience)
    starts_at = due_at_home(organization, local)
    if launch.local_at:
        starts_at = first_moment(organization, email, Options(local_at=local, narrowing=narrowing), now=now)
    snapshot = same_content(organization, launch.mailing.snapshot, now=now)
    Launch.objects.create(
        organization=organization,
        email=email,
        mailing=new_mailing(organization, email, snapshot, starts_at=starts_at, now=now),
        launched_by=launch.launched_by,
        created_at=now,
        audience=launch.audience,
        segment_id=launch.segment_id,
        local_at=write_local(local) if launch.local_at else "",
        repeat=launch.repeat,
        round=number,
    )


def same_content(organization: Organization, snapshot: ContentSnapshot, *, now: datetime) -> ContentSnapshot:
    """What was frozen once more, so that each round counts its own opens and clicks."""
    content = register_content(organization, snapshot.website, snapshot.tracked_content.links)
    return ContentSnapshot.objects.create(
        organization=organization,
        website=snapshot.website,
        tracked_content=content,
        compiled=snapshot.compiled,
        created_at=now,
    )
