"""The leak guard: a message through a connection to a mailbox that we read, compared with what was written (S11).

Whatever stands in it that we did not write, and every link of ours that is gone, is somebody's tracking, or can be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Organization
from common.tenancy import tenant
from delivery.alerts import AlertKind, about, alert_owners, in_their_language
from delivery.connection_models import Connection, GuardCheck, GuardState
from delivery.mime import MessageHeaders, build_message
from delivery.transports import Outgoing
from delivery.trials import send_one, sender_for
from delivery.trust import account_digest

# After that a canary is lost.
PATIENCE = timedelta(hours=6)
EVERY = timedelta(hours=23)
_TOKEN = re.compile(r"Pli leak guard ([0-9a-f]{32})")
_URL = re.compile(r"https?://[^\s<>\"')]+", re.IGNORECASE)
_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)", re.IGNORECASE)
_LOADING = {"src", "background", "poster", "srcset", "data", "xlink:href"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it was written: "pixel" is loaded, "link" is followed, "missing" was ours and is gone."""

    kind: str
    address: str

    def as_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "address": self.address[:500]}


class _Addresses(HTMLParser):
    """Everything that a mail program would load, and everything that a person could follow."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        for name, value in attrs:
            self._take(tag, name, (value or "").strip())

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loaded += _remote(_CSS_URL.findall(data))

    def handle_comment(self, data: str) -> None:
        """Outlook reads comments; so do we."""
        if "<" in data:
            inner = _Addresses()
            inner.feed(data)
            self.loaded += inner.loaded
            self.followed += inner.followed

    def _take(self, tag: str, name: str, value: str) -> None:
        if name == "style":
            self.loaded += _remote(_CSS_URL.findall(value))
        elif name in _LOADING or (name == "href" and tag in ("link", "image", "base")):
            self.loaded += (
                _remote(part.split(" ")[0] for part in value.split(", ")) if name == "srcset" else _remote([value])
            )
        elif name in ("href", "action"):
            self.followed += _remote([value])


def _remote(values: Iterable[str]) -> list[str]:
    return [value for value in values if value.lower().startswith(("http:", "https:", "//"))]


def compare(written: str, arrived: str, *, written_text: str = "", arrived_text: str = "") -> list[Finding]:
    """What was added to a message on its way, and what was taken out of it."""
    ours, theirs = _Addresses(), _Addresses()
    ours.feed(written)
    theirs.feed(arrived)
    found = [Finding("pixel", address) for address in theirs.loaded if address not in ours.loaded]
    found += [Finding("link", address) for address in theirs.followed if address not in ours.followed]
    found += [Finding("missing", address) for address in ours.followed if address not in theirs.followed]
    known = set(_URL.findall(written_text))
    found += [Finding("link", address) for address in _URL.findall(arrived_text) if address not in known]
    return list(dict.fromkeys(found))


# --- Sending ----------------------------------------------------------------------------------------------------------


def canary(token: str) -> tuple[str, str]:
    """HTML and text of a message with what trackers look for: links, a picture, a table."""
    base = settings.BASE_URL
    links = [f"{base}/canary/{token}/{number}?a=1&b=2" for number in (1, 2)]
    html = (
        "<!doctype html><html><body><table><tr><td>"
        f"<p>Pli leak guard {token}</p>"
        f'<p><a href="{links[0].replace("&", "&amp;")}">One</a> <a href="{links[1].replace("&", "&amp;")}">Two</a></p>'
        f'<img src="{base}/static/pli.svg" alt="" width="40">'
        "</td></tr></table></body></html>"
    )
    return html, f"Pli leak guard {token}\n\n{links[0]}\n{links[1]}\n"


def send_canary(organization: Organization, connection: Connection, *, now: datetime) -> GuardCheck:
    """Send one through a connection. The check waits until it arrives, is judged or is lost."""
    website = sender_for(organization, connection)
    with tenant(organization.pk):
        account = account_digest(connection)
        check = GuardCheck.objects.create(
            organization=organization, connection=connection, account=account, sent_at=now, html=""
        )
        check.refresh_from_db(fields=["token"])
    token = check.token.hex
    html, text = canary(token)
    domain = website.sender_email.rpartition("@")[2] if website is not None else ""
    if website is None or not domain:
        return _end(organization, check, GuardState.FAILED, _("No website has a sender address yet."), now=now)
    headers = MessageHeaders(
        from_email=website.sender_email,
        to_email=connection.guard_address,
        subject=f"Pli leak guard {token}",
        message_id=f"{token}@{domain}",
        date=now,
    )
    outgoing = Outgoing(
        check.pk,
        f"bounce+{token}@{domain}",
        connection.guard_address,
        build_message(headers, text=text, html=html),
        token,
    )
    with tenant(organization.pk):
        GuardCheck.objects.filter(pk=check.pk).update(html=html)
    check.html = html
    words = send_one(organization, connection, outgoing, now=now)
    return _end(organization, check, GuardState.FAILED, words, now=now) if words else check


def _end(organization: Organization, check: GuardCheck, state: GuardState, words: str, *, now: datetime) -> GuardCheck:
    check.state, check.words, check.judged_at = state, words[:500], now
    with tenant(organization.pk):
        GuardCheck.objects.filter(pk=check.pk).update(state=state, words=check.words, judged_at=now)
    return check


# --- Arriving ---------------------------------------------------------------------------------------------------------


def judge_arrival(
    organization: Organization, connection: Connection, raw: bytes, *, now: datetime
) -> GuardCheck | None:
    """The check that a mail belongs to, judged; None for any other mail."""
    mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(raw)
    found = _TOKEN.search(str(mail.get("Subject", "")))
    if found is None:
        return None
    with tenant(organization.pk):
        check = GuardCheck.objects.filter(organization=organization, connection=connection, token=found[1]).first()
    if check is None:
        return None
    _html, text = canary(check.token.hex)
    findings = compare(check.html, _part(mail, "html"), written_text=text, arrived_text=_part(mail, "plain"))
    state = GuardState.LEAKY if findings else GuardState.CLEAN
    check.findings = [one.as_dict() for one in findings]
    with tenant(organization.pk):
        GuardCheck.objects.filter(pk=check.pk).update(findings=check.findings)
    if findings:
        _tell_of_leak(organization, connection, now=now)
    return _end(organization, check, state, "", now=now)


def _tell_of_leak(organization: Organization, connection: Connection, *, now: datetime) -> None:
    with in_their_language(organization):
        named = {"connection": connection.name}
        alert_owners(
            organization,
            kind=about(AlertKind.LEAK, connection.pk),
            subject=_("The leak guard refused a connection: %(connection)s") % named,
            text=_(
                "A message through %(connection)s arrived changed: somebody adds tracking on the way. Websites that "
                "promise not to measure everybody send nothing through it until a message arrives as it was written. "
                "What was found stands on the connection's page."
            )
            % named,
            now=now,
            once_per=timedelta(days=1),
        )


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def keep_guard(organization: Organization, connection: Connection, *, now: datetime) -> GuardCheck | None:
    """What a day asks for: give up on a lost canary, send the next one. Returns it if one was sent."""
    if not connection.guard_address:
        return None
    with tenant(organization.pk):
        mine = GuardCheck.objects.filter(organization=organization, connection=connection)
        mine.filter(state=GuardState.WAITING, sent_at__lte=now - PATIENCE).update(state=GuardState.LOST, judged_at=now)
        newest = mine.order_by("-sent_at").first()
    if newest is not None and newest.sent_at > now - EVERY:
        return None
    return send_canary(organization, connection, now=now)


def sentence_of(finding: Mapping[str, str]) -> str:
    """A finding in the words of the person who reads it."""
    sentences = {
        "pixel": _("Something that is loaded was added: %(address)s"),
        "link": _("A link that Pli did not write: %(address)s"),
        "missing": _("A link of Pli's is gone: %(address)s"),
    }
    return str(sentences[finding["kind"]] % {"address": finding["address"]})
