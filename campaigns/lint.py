"""An email read for what it would tell others about its readers, and all that keeps it from leaving as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache as once
from hashlib import sha256
from itertools import count

from django.conf import settings
from django.core.cache import cache
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language
from redis.exceptions import RedisError

from accounts.models import Organization
from campaigns.models import Email, FunctionalLink
from campaigns.questions import questions_of
from campaigns.rendering import FIELD_LABELS, about_person, about_sender, check_draft, email_source
from campaigns.selectors import people_to_preview
from delivery.lint import Finding, Recipient, lint_email
from delivery.markup import AddressError
from delivery.personal import REPLY, attribute_names
from delivery.rendering import CONSENT, PREFERENCES, UNSUBSCRIBE, WEB_VERSION, CompiledEmail, compile_email

# Real people whose copies are compared, beside the made-up ones.
REAL_PEOPLE = 12
# All that a review depends on is in the name that it is kept under, so none is ever out of date.
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Review:
    """What an email becomes, what it would break on, and what it would tell others."""

    compiled: CompiledEmail | None
    problems: list[str]
    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.findings if one.is_error]

    @property
    def remarks(self) -> list[Finding]:
        return [one for one in self.findings if not one.is_error]

    @property
    def all_problems(self) -> list[str]:
        """Everything that keeps it from being sent, in words."""
        return self.problems + self.said_errors

    @property
    def said_errors(self) -> list[str]:
        """What the privacy lint holds against it, in words."""
        return [said(one) for one in self.errors]


def review_draft(organization: Organization, email: Email) -> Review:
    """Every problem of an email's content at once: templates, markup, and what the privacy lint finds."""
    source = email_source(email)
    faults = check_draft(email)
    compiled = None if faults else compile_email(source)
    findings = lint_email(
        source, compiled, recipients=list(_recipients(organization, email)), functional=_declared(email)
    )
    told = {one.line for one in findings if one.is_error and one.field == "body"}
    # The lint says the same of the same line, with its place and a cure.
    problems = [one for one in faults if not (isinstance(one, AddressError) and one.line in told)]
    return Review(compiled, [f"{FIELD_LABELS[one.field]}: {one}" for one in problems], findings)


# --- For pages, which ask at each opening -----------------------------------------------------------------------------


def review_shown(organization: Organization, email: Email) -> Review:
    """As ``review_draft``, and kept for as long as nothing of it changes. What sends an email does not rely on it."""
    name = name_of_review(organization, email)
    with suppress(RedisError, OSError):
        kept = cache.get(name)
        if isinstance(kept, Review):
            return kept
    review = review_draft(organization, email)
    if not _shows_a_copy(review):
        with suppress(RedisError, OSError):
            cache.set(name, review, timeout=KEPT_SECONDS)
    return review


def name_of_review(organization: Organization, email: Email) -> str:
    """Told from everything that goes into a review; nobody can tell from it what that was."""
    written = (email.subject, email.preheader, email.body, email.text)
    questions = [(one.number, one.text, one.options) for one in questions_of(email)]
    people = list(_recipients(organization, email))
    asked = (organization.pk, get_language(), written, questions, email_source(email), people, _declared(email))
    return f"review:{_release()}:{salted_hmac('campaigns.lint', repr(asked), algorithm='sha256').hexdigest()}"


def _shows_a_copy(review: Review) -> bool:
    """Whether a finding quotes somebody's copy, since no place in the source makes what it found."""
    return any(one.line is None and one.snippet for one in review.findings)


@once
def _release() -> str:
    """Another release of the code may find something else."""
    digest = sha256()
    for app in ("campaigns", "delivery", "tracking"):
        for path in sorted((settings.BASE_DIR / app).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# --- In words ---------------------------------------------------------------------------------------------------------


def said(finding: Finding) -> str:
    """A finding in one line, with its field."""
    return f"{FIELD_LABELS[finding.field]}: {finding}"


def links_of(email: Email) -> list[FunctionalLink]:
    """The links of an email that are declared to need what they carry."""
    return list(email.functional_links.select_related("declared_by").order_by("pk")) if email.pk else []


def _declared(email: Email) -> list[str]:
    return [link.address for link in links_of(email)]


# --- For whom it is rendered ------------------------------------------------------------------------------------------


def _recipients(organization: Organization, email: Email) -> Iterator[Recipient]:
    """People who differ in all that an email may print, then real people of its audience."""
    sender, number = about_sender(organization, email), count(1)
    example = about_person(email, None)
    names = list(attribute_names("\n".join([email.body, email.text])))
    for first, last, value in (("Ada", "Bernard", "7"), ("Zoë", "O’Neil", "yes"), ("", "", None)):
        attributes = {} if value is None else dict.fromkeys(names, value)
        about = {**example, "first_name": first, "last_name": last, "attributes": attributes}
        address = f"{first or 'nobody'}.{next(number)}@example.org".lower()
        yield Recipient(address, "example", {**sender, **about, "email": address}, _own_links(next(number)))
    if email.pk is None:
        return
    for person in people_to_preview(organization, email, limit=REAL_PEOPLE):
        about = about_person(email, person)
        group = f"{about['country']}|{about['locale']}"
        yield Recipient(person.email, group, {**sender, **about}, _own_links(next(number)))


def _own_links(number: int) -> dict[str, str]:
    """Links that nobody else has, as every recipient gets them."""
    start = "https://pli.example"
    return {
        UNSUBSCRIBE: f"{start}/u/{number}",
        PREFERENCES: f"{start}/p/{number}",
        CONSENT: f"{start}/p/{number}#choice",
        WEB_VERSION: f"{start}/w/{number}",
        REPLY: f"{start}/a/{number}",
    }
