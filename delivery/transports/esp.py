"""Sending services behind an API, through django-anymail.

One request for each message, since no two copies are the same. The service's own tracking is switched off in every
request that can say so, and our reference goes along, so that its reports find the message again (rule S11).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from importlib import import_module
from typing import Any

import requests
from anymail.exceptions import (
    AnymailAPIError,
    AnymailError,
    AnymailNotSupportedWarning,
    AnymailRecipientsRefused,
)
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from common.safe_http import open_socket
from delivery.providers import Tracking, providers
from delivery.transports.accounts import EspAccount
from delivery.transports.smtp import Outcome, Outgoing, Result, SmtpTroubleError

# They cannot carry our reference; their reports are found by their own name for the message.
WITHOUT_METADATA = frozenset({"mailersend", "postal"})
REFERENCE = "reference"
ANSWER_SECONDS = 60.0
# What the service makes itself, or gets as a field of its own.
_NOT_PASSED_ON = frozenset(
    {
        "from", "to", "subject", "date", "message-id", "reply-to", "mime-version", "content-type",
        "content-transfer-encoding",
    }
)  # fmt: skip
_NEVER_LEFT = ("ConnectTimeout", "NewConnectionError", "NameResolutionError", "EndpointConnectionError")

# Said once for each start of SendGrid's; the capability table says it to members.
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)


class EspConnection:
    """A session with one sending service."""

    def __init__(self, account: EspAccount) -> None:
        self._provider = providers()[account.provider]
        self._account = account
        self._backend: Any = None

    def open(self) -> None:
        """Make ready. Nothing is asked of the service before there is a message."""
        if self._backend is not None:
            return
        module = import_module(f"anymail.backends.{self._provider.key}")
        try:
            backend = module.EmailBackend(**_backend_options(self._account))
            backend.open()
        except (AnymailError, ImproperlyConfigured, ValueError, KeyError, requests.RequestException) as error:
            raise SmtpTroubleError(_short(error), lasting=True) from error
        session = getattr(backend, "session", None)
        if session is not None:
            session.trust_env = False
            session.mount("https://", _JudgedAdapter())
            session.mount("http://", _JudgedAdapter())
        self._backend = backend

    def close(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def send(self, group: Sequence[Outgoing]) -> tuple[list[Outcome], SmtpTroubleError | None]:
        """As an SMTP connection does: the outcome of each, and what is wrong with the service if something is."""
        outcomes: list[Outcome] = []
        for position, message in enumerate(group):
            try:
                self.open()
                outcomes.append(self._send(message))
            except _Stopped as stop:
                outcomes.append(stop.outcome)
                rest = group[position + 1 :]
                outcomes += [Outcome(one.id, Result.UNTOUCHED, stop.trouble.words) for one in rest]
                return outcomes, stop.trouble
            except SmtpTroubleError as trouble:
                outcomes += [Outcome(one.id, Result.UNTOUCHED, trouble.words) for one in group[position:]]
                return outcomes, trouble
        return outcomes, None

    def _send(self, outgoing: Outgoing) -> Outcome:
        message = self.prepare(outgoing)
        try:
            self._backend.send_messages([message])
        except AnymailRecipientsRefused as error:
            return Outcome(outgoing.id, Result.REFUSED, _short(error))
        except AnymailAPIError as error:
            return _judge(outgoing, error)
        except AnymailError as error:
            return Outcome(outgoing.id, Result.REFUSED, _short(error))
        status = message.anymail_status  # type: ignore[attr-defined]
        code = getattr(status.esp_response, "status_code", 200)
        if code >= 400 or (status.status and status.status <= {"rejected", "invalid", "failed"}):
            return Outcome(outgoing.id, Result.REFUSED, _answer_words(status.esp_response) or str(status.status))
        return Outcome(outgoing.id, Result.ACCEPTED, provider_id=_provider_id(status))

    def prepare(self, outgoing: Outgoing) -> EmailMultiAlternatives:
        """The message as anymail takes it: the same text and headers, tracking off, our reference beside it."""
        message = as_django_message(outgoing.data)
        if self._provider.key not in WITHOUT_METADATA:
            message.metadata = {REFERENCE: outgoing.reference}  # type: ignore[attr-defined]
        if self._provider.key == "amazon_ses":
            off = {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}
            message.esp_extra = {"ConfigurationOverrides": {"Tracking": off}}  # type: ignore[attr-defined]
        elif self._provider.tracking is not Tracking.ACCOUNT:
            message.track_opens = message.track_clicks = False  # type: ignore[attr-defined]
        return message


class _Stopped(Exception):  # noqa: N818 - carries an outcome out of a loop
    """One message's outcome, after which the service is of no use."""

    def __init__(self, outcome: Outcome, trouble: SmtpTroubleError) -> None:
        super().__init__(trouble.words)
        self.outcome = outcome
        self.trouble = trouble


def as_django_message(data: bytes) -> EmailMultiAlternatives:
    """A message of ours, read back: what its MIME says, in Django's fields."""
    parsed: EmailMessage = BytesParser(EmailMessage, policy=SMTP).parsebytes(data)
    message = EmailMultiAlternatives(
        subject=str(parsed["Subject"]),
        body=_text_of(parsed, "plain"),
        from_email=_mailbox(parsed["From"]),
        to=[_mailbox(parsed["To"])],
        reply_to=[_mailbox(parsed["Reply-To"])] if parsed["Reply-To"] else None,
        headers={name: str(value) for name, value in parsed.items() if name.lower() not in _NOT_PASSED_ON},
    )
    html = _text_of(parsed, "html")
    if html:
        message.attach_alternative(html, "text/html")
    return message


def _text_of(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def _mailbox(header: AddressHeader) -> str:
    return str(header.addresses[0])


def _backend_options(account: EspAccount) -> dict[str, Any]:
    given = {name: value for name, value in account.settings.items() if value}
    if account.provider == "amazon_ses":
        # Nothing is tried twice by itself: a lost answer may mean a message that was sent.
        config = {"connect_timeout": 10, "read_timeout": ANSWER_SECONDS, "retries": {"total_max_attempts": 1}}
        client = {
            "aws_access_key_id": given["access_key_id"],
            "aws_secret_access_key": given["secret_access_key"],
            "region_name": given["region"],
            "config": config,
        }
        return {
            "session_params": {},
            "client_params": client,
            "configuration_set_name": given.get("configuration_set_name"),
        }
    wanted = {*providers()[account.provider].secrets, *providers()[account.provider].options}
    return {name: value for name, value in given.items() if name in wanted} | {"timeout": (10, ANSWER_SECONDS)}


def _judge(outgoing: Outgoing, error: AnymailAPIError) -> Outcome:
    """What an error says of the message and of the service. Raises _Stopped when the others would fare the same."""
    words, status = _short(error), _status_of(error)
    if status is None:
        left = not any(name in _causes(error) for name in _NEVER_LEFT)
        result = Result.UNCERTAIN if left else Result.UNTOUCHED
        raise _Stopped(Outcome(outgoing.id, result, words), SmtpTroubleError(words)) from error
    if status in (401, 403):
        trouble = SmtpTroubleError(words, lasting=True)
        raise _Stopped(Outcome(outgoing.id, Result.UNTOUCHED, words), trouble) from error
    if status == 429 or status >= 500:
        raise _Stopped(Outcome(outgoing.id, Result.DEFERRED, words), SmtpTroubleError(words)) from error
    return Outcome(outgoing.id, Result.REFUSED, words)


def _status_of(error: AnymailAPIError) -> int | None:
    """The HTTP status of an answer, None when there was none."""
    if error.status_code is not None:
        return int(error.status_code)
    response = error.response
    if isinstance(response, dict):  # boto3's
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if response.get("Error", {}).get("Code") in ("ThrottlingException", "TooManyRequestsException"):
            return 429
        return int(status) if status is not None else None
    return None


def _causes(error: BaseException) -> str:
    """The names of all errors behind an error; requests wraps what urllib3 wraps."""
    names: list[str] = []
    queue: list[Any] = [error]
    while queue and len(names) < 20:
        current = queue.pop()
        names.append(type(current).__name__)
        queue += [one for one in (current.__cause__, getattr(current, "reason", None)) if isinstance(one, Exception)]
        queue += [one for one in getattr(current, "args", ()) if isinstance(one, Exception)]
    return " ".join(names)


def _provider_id(status: Any) -> str:
    found = status.message_id
    return str(next(iter(found), "")) if isinstance(found, set) else str(found or "")


def _short(error: Exception) -> str:
    """An error on one line, in the service's words where it has some."""
    words = _answer_words(getattr(error, "response", None)) or str(error) or type(error).__name__
    return re.sub(r"\s+", " ", words).strip()[:400]


def _answer_words(response: Any) -> str:
    """Status and text of an answer; empty without one."""
    text = getattr(response, "text", "")
    return re.sub(r"\s+", " ", f"{response.status_code} {text}").strip()[:400] if text else ""


# --- Addresses are judged before anything is said --------------------------------------------------------------------


class _JudgedConnection(HTTPConnection):
    def _new_conn(self) -> Any:
        return _judged_socket(self)


class _JudgedTlsConnection(HTTPSConnection):
    def _new_conn(self) -> Any:
        return _judged_socket(self)


def _judged_socket(connection: HTTPConnection) -> Any:
    try:
        return open_socket(connection.host, connection.port or connection.default_port, timeout=10.0)
    except OSError as error:
        raise NewConnectionError(connection, str(error)) from error


class _JudgedPool(HTTPConnectionPool):
    ConnectionCls = _JudgedConnection


class _JudgedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _JudgedTlsConnection


class _JudgedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _JudgedPool, "https": _JudgedTlsPool}
