"""Sending services: what is asked of them, that their tracking is off, and what their answers mean."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest

from delivery.mime import MessageHeaders, build_message
from delivery.providers import Tracking, providers
from delivery.transports import EspAccount, Outgoing, Result
from delivery.transports.esp import EspConnection, as_django_message
from tests.support.web import Asked, Reply, WebServer

REFERENCE = UUID(int=7).hex
HTML = '<p>Bonjour Zoë &amp; co</p>\n<a href="https://bread.example/rye?a=1&amp;b=2">Rye</a>\n'


def outgoing(number: int = 1, recipient: str = "zoe@example.org") -> Outgoing:
    headers = MessageHeaders(
        from_email="news@bread.example",
        from_name="Le fournil, Genève",
        to_email=recipient,
        to_name="Zoë",
        reply_to="reply@bread.example",
        subject="Le pain de Zoë",
        message_id=f"{REFERENCE}@bread.example",
        date=datetime(2026, 11, 22, 9, tzinfo=UTC),
        unsubscribe_url="https://pli.example/u/abc",
        feedback_id="1:2:marketing:abc",
    )
    data = build_message(headers, text="Bonjour Zoë\n", html=HTML)
    return Outgoing(number, f"bounce+{REFERENCE}@bread.example", recipient, data, reference=REFERENCE)


def took(asked: Asked) -> Reply:
    """What each service says when it took a message."""
    if asked.path.startswith("/mailjet"):
        to = asked.json["Messages"][0]["To"][0]["Email"]
        return Reply(body={"Messages": [{"Status": "success", "To": [{"Email": to, "MessageID": 99}]}]})
    if asked.path.startswith("/postmark"):
        return Reply(body={"ErrorCode": 0, "Message": "OK", "MessageID": "pm-1", "To": "zoe@example.org"})
    if asked.path.startswith("/sparkpost"):
        answer = {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "sp-1"}
        return Reply(body={"results": answer})
    if asked.path.startswith("/mandrill"):
        return Reply(body=[{"email": "zoe@example.org", "status": "sent", "_id": "md-1"}])
    if asked.path.startswith("/unisender"):
        return Reply(body={"status": "success", "job_id": "u-1", "emails": ["zoe@example.org"]})
    if asked.path.startswith("/mailersend"):
        return Reply(status=202, body={}, headers={"X-Message-Id": "ms-1"})
    if asked.path.startswith("/postal"):
        return Reply(body={"status": "success", "data": {"messages": {"zoe@example.org": {"id": 5, "token": "t"}}}})
    if asked.path.startswith("/mailtrap"):
        return Reply(body={"success": True, "message_ids": ["mt-1"]})
    if asked.path.startswith("/scaleway"):
        return Reply(body={"emails": [{"id": "sc-1", "message_id": "x", "mail_rcpt": "zoe@example.org"}]})
    return Reply(status=202, body={"id": "<id-1@x>", "messageId": "<id-1@x>", "message": "Queued. Thank you."})


@pytest.fixture
def service(settings) -> Iterator[WebServer]:
    settings.ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with WebServer(took) as server:
        yield server


def account(key: str, service: WebServer) -> EspAccount:
    provider = providers()[key]
    given = dict.fromkeys([*provider.secrets, *provider.options], "value") | {"api_url": f"{service.url}/{key}/"}
    given |= {"sandbox_id": "", "region": "fr-par"} if key in ("mailtrap", "scaleway") else {}
    return EspAccount(key, given)


def fields(asked: Asked) -> dict[str, Any]:
    if "json" in asked.headers.get("Content-Type", "") or asked.body[:1] in (b"{", b"["):
        return asked.json
    return {name: values[-1] for name, values in parse_qs(asked.body.decode()).items()}


# Where each service is told, per message, that it adds nothing of its own.
OFF = {
    "mailersend": lambda sent: sent["settings"] == {"track_opens": False, "track_clicks": False},
    "mailgun": lambda sent: sent["o:tracking-opens"] == sent["o:tracking-clicks"] == "no",
    "mailjet": lambda sent: sent["Globals"]["TrackOpens"] == sent["Globals"]["TrackClicks"] == "disabled",
    "mandrill": lambda sent: sent["message"]["track_opens"] is sent["message"]["track_clicks"] is False,
    "postmark": lambda sent: sent["TrackOpens"] is False and sent["TrackLinks"] == "None",
    "sendgrid": lambda sent: (
        sent["tracking_settings"] == {"open_tracking": {"enable": False}, "click_tracking": {"enable": False}}
    ),
    "sparkpost": lambda sent: sent["options"]["open_tracking"] is sent["options"]["click_tracking"] is False,
    "unisender_go": lambda sent: sent["message"]["track_links"] == sent["message"]["track_read"] == 0,
}


@pytest.mark.parametrize("key", sorted(set(providers()) - {"amazon_ses"}))
def test_s11_every_message_says_that_nothing_is_added(service: WebServer, key: str) -> None:
    connection = EspConnection(account(key, service))
    (outcome,), trouble = connection.send([outgoing()])
    connection.close()
    assert trouble is None, trouble
    assert outcome.result is Result.ACCEPTED
    (asked,) = service.asked
    sent = fields(asked)
    assert (key in OFF) == (providers()[key].tracking is not Tracking.ACCOUNT)
    assert key not in OFF or OFF[key](sent)
    if key not in ("mailersend", "postal"):
        assert REFERENCE in asked.body.decode()
    # The body leaves as it was written, whatever the service makes of it.
    assert json.dumps(HTML)[1:-1] in json.dumps(sent, ensure_ascii=True) or key == "mailgun"
    assert outcome.provider_id


def test_s11_amazon_ses_is_told_for_each_message_whatever_the_account_says() -> None:
    off = {"OpenTrackingEnabled": "DISABLED", "ClickTrackingEnabled": "DISABLED"}
    settings = {"access_key_id": "a", "secret_access_key": "b", "region": "eu-west-1"}
    connection = EspConnection(EspAccount("amazon_ses", settings))
    connection.open()
    message = connection.prepare(outgoing())
    payload = connection._backend.build_message_payload(message, {})
    payload.finalize_payload()
    assert payload.params["ConfigurationOverrides"] == {"Tracking": off}
    # boto3 knows the parameter: it checks the request before it sends it.
    shape = connection._backend.client.meta.service_model.operation_model("SendEmail").input_shape
    assert set(payload.params) <= set(shape.members)
    assert REFERENCE.encode() in payload.params["Content"]["Raw"]["Data"]
    connection.close()


def test_a_message_read_back_says_the_same() -> None:
    message = as_django_message(outgoing().data)
    assert message.subject == "Le pain de Zoë"
    assert message.from_email == '"Le fournil, Genève" <news@bread.example>'
    assert message.to == ["Zoë <zoe@example.org>"]
    assert message.reply_to == ["reply@bread.example"]
    assert message.body == "Bonjour Zoë\n"
    assert message.alternatives[0][0] == HTML
    assert message.extra_headers == {
        "List-Unsubscribe": "<https://pli.example/u/abc>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": "1:2:marketing:abc",
    }


@pytest.mark.parametrize(
    ("reply", "results", "lasting"),
    [
        (Reply(400, {"message": "to is not a valid address"}), ["refused", "accepted"], None),
        (Reply(429, {"message": "slow down"}), ["deferred", "untouched"], False),
        (Reply(503, {"message": "try later"}), ["deferred", "untouched"], False),
        (Reply(401, {"message": "Invalid private key"}), ["untouched", "untouched"], True),
        (Reply(hang_up=True), ["uncertain", "untouched"], False),
    ],
)
def test_what_an_answer_means(service: WebServer, reply: Reply, results: list[str], lasting: bool | None) -> None:
    service.reply = lambda asked: reply if len(service.asked) == 1 else took(asked)
    connection = EspConnection(account("mailgun", service))
    outcomes, trouble = connection.send([outgoing(1), outgoing(2)])
    connection.close()
    assert [outcome.result for outcome in outcomes] == results
    assert (trouble.lasting if trouble else None) == lasting
    if isinstance(reply.body, dict) and reply.body:
        assert reply.body["message"] in outcomes[0].words
    assert "Bonjour" not in outcomes[0].words


def test_one_refused_recipient_of_many_stops_nobody_else(service: WebServer) -> None:
    service.reply = lambda asked: (
        Reply(body={"ErrorCode": 406, "Message": "Found inactive address."}, status=422)
        if b"b@example.org" in asked.body
        else took(asked)
    )
    names = "abc"
    connection = EspConnection(account("postmark", service))
    outcomes, trouble = connection.send([outgoing(number, f"{name}@example.org") for number, name in enumerate(names)])
    connection.close()
    assert trouble is None
    assert [outcome.result for outcome in outcomes] == ["accepted", "refused", "accepted"]
    assert "inactive" in outcomes[1].words or "rejected" in outcomes[1].words


def test_a_service_inside_the_network_is_refused(service: WebServer, settings) -> None:
    settings.ALLOWED_NETWORKS = []
    connection = EspConnection(account("postal", service))
    (outcome,), trouble = connection.send([outgoing()])
    assert outcome.result is Result.UNTOUCHED
    assert trouble is not None
    assert service.asked == []


def test_what_a_service_lacks_is_said_before_anything_is_sent() -> None:
    outcomes, trouble = EspConnection(EspAccount("mailgun", {})).send([outgoing()])
    assert trouble is not None
    assert trouble.lasting
    assert "api_key" in trouble.words.lower()
    assert outcomes[0].result is Result.UNTOUCHED
