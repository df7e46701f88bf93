"""Forms of connections and signing keys. A credential is typed, and never shown again."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from delivery.connection_models import Connection, ConnectionKind, ConnectionSecurity, DkimAlgorithm
from delivery.connections import seal_secrets, secrets_of
from delivery.providers import Provider, providers
from delivery.throttle import EVERY_DOMAIN
from participants.rules import valid_email

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# What sending services call their credentials and settings.
LABELS = {
    "access_key_id": gettext_lazy("Access key ID"),
    "api_key": gettext_lazy("API key"),
    "api_token": gettext_lazy("API token"),
    "api_url": gettext_lazy("Address of the API"),
    "configuration_set_name": gettext_lazy("Configuration set"),
    "imap_password": gettext_lazy("IMAP password"),
    "message_stream": gettext_lazy("Message stream"),
    "password": gettext_lazy("Password"),
    "project_id": gettext_lazy("Project"),
    "region": gettext_lazy("Region"),
    "sandbox_id": gettext_lazy("Sandbox"),
    "secret_access_key": gettext_lazy("Secret access key"),
    "secret_key": gettext_lazy("Secret key"),
    "sender_domain": gettext_lazy("Sending domain"),
    "server_token": gettext_lazy("Server token"),
    "signing_secret": gettext_lazy("Signing secret of reports"),
    "sns_topic_arn": gettext_lazy("ARN of the SNS topic that reports come from"),
    "subaccount": gettext_lazy("Subaccount"),
    "tracking_webhook_verification_key": gettext_lazy("Verification key of reports"),
    "webhook_key": gettext_lazy("Key of reports"),
    "webhook_signing_key": gettext_lazy("Signing key of reports"),
    "webhook_signing_secret": gettext_lazy("Signing secret of reports"),
}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]+")
_RATE = re.compile(r"(\S+)[\s=:]+([0-9]+(?:\.[0-9]+)?)")


def _text(label: Any, *, required: bool = False, help_text: Any = "", **attributes: Any) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs=attributes)
    return forms.CharField(label=label, required=required, max_length=300, help_text=help_text, widget=widget)


def _number(label: Any, *, required: bool = False, least: int = 0, most: int = 65535) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=required, min_value=least, max_value=most, widget=UnfoldAdminTextInputWidget()
    )


class ConnectionForm(forms.Form):
    """One connection; which fields there are depends on its kind and service."""

    name = _text(gettext_lazy("Name"), required=True)
    is_default = forms.BooleanField(
        label=gettext_lazy("Default connection"),
        required=False,
        help_text=gettext_lazy("For every website without a connection of its own."),
        widget=UnfoldBooleanSwitchWidget(),
    )

    def __init__(self, connection: Connection, data: Any = None) -> None:
        self.connection = connection
        self.provider: Provider | None = providers().get(connection.provider)
        super().__init__(data, initial=self._initial())
        self._secrets: list[str] = []
        self._kept = secrets_of(connection)
        if connection.kind == ConnectionKind.SMTP:
            self._add_server()
        if self.provider is not None:
            self._add_service(self.provider)
        self._add_limits()
        self._add_returns()

    def _initial(self) -> dict[str, Any]:
        row = self.connection
        names = (
            "name", "is_default", "host", "port", "security", "username", "bounce_address", "imap_host", "imap_port",
            "imap_username", "guard_address", "per_second", "warmup_from", "warmup_first",
        )  # fmt: skip
        rates = "\n".join(f"{domain} {rate:g}" for domain, rate in row.per_domain.items())
        return {**row.options, **{name: getattr(row, name) for name in names}, "per_domain": rates}

    def _add_server(self) -> None:
        self.fields["host"] = _text(gettext_lazy("Mail server"), required=True)
        self.fields["port"] = _number(gettext_lazy("Port"), required=True, least=1)
        self.fields["port"].initial = 587
        self.fields["security"] = forms.ChoiceField(
            label=gettext_lazy("Encryption"), choices=ConnectionSecurity.choices, widget=UnfoldAdminSelectWidget()
        )
        self.fields["username"] = _text(gettext_lazy("User name"), autocomplete="off")
        self._add_secret("password", required=False)

    def _add_service(self, provider: Provider) -> None:
        for name in provider.options:
            self.fields[name] = _text(LABELS[name], required=name not in provider.optional)
        for name in provider.secrets:
            self._add_secret(name, required=name not in provider.optional)
        for name in provider.hook_secrets:
            self._add_secret(name, required=False)

    def _add_secret(self, name: str, *, required: bool) -> None:
        is_kept = bool(self._kept.get(name))
        help_text = gettext_lazy("Stored, and not shown. Leave it empty to keep it.") if is_kept else ""
        self.fields[name] = forms.CharField(
            label=LABELS[name],
            required=required and not is_kept,
            strip=True,
            help_text=help_text,
            widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        )
        self._secrets.append(name)

    def _add_limits(self) -> None:
        self.fields["per_second"] = forms.FloatField(
            label=gettext_lazy("Messages per second, at most"),
            required=False,
            min_value=0.01,
            max_value=100000,
            help_text=gettext_lazy("Empty: as fast as it takes them."),
            widget=UnfoldAdminTextInputWidget(),
        )
        self.fields["per_domain"] = forms.CharField(
            label=gettext_lazy("Messages per second by domain"),
            required=False,
            help_text=gettext_lazy(
                "Of the recipients. One a line, such as “gmail.com 20”; a star stands for every other domain."
            ),
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        )
        self.fields["warmup_from"] = forms.DateField(
            label=gettext_lazy("Warms up since"),
            required=False,
            help_text=gettext_lazy("For a new address: every day half as much more, for thirty days."),
            widget=UnfoldAdminSingleDateWidget(),
        )
        self.fields["warmup_first"] = _number(gettext_lazy("Messages on the first day"), least=1, most=1_000_000)

    def _add_returns(self) -> None:
        if self.connection.kind != ConnectionKind.ESP:
            self.fields["bounce_address"] = _text(
                gettext_lazy("Address for bounces"),
                help_text=gettext_lazy(
                    "Its mailbox must take “name+anything@domain”. Empty: at the sender's own domain."
                ),
            )
        self.fields["guard_address"] = _text(
            gettext_lazy("Address of the leak guard"),
            help_text=gettext_lazy("Pli writes to it through this connection every day and reads what arrives."),
        )
        self.fields["imap_host"] = _text(
            gettext_lazy("IMAP server"), help_text=gettext_lazy("Of the mailbox that bounces and the leak guard reach.")
        )
        self.fields["imap_port"] = _number(gettext_lazy("IMAP port"), least=1)
        self.fields["imap_username"] = _text(gettext_lazy("IMAP user name"), autocomplete="off")
        self._add_secret("imap_password", required=False)

    # --- What may be typed

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])[:100]
        same = Connection.objects.filter(organization=self.connection.organization, name=name)
        if same.exclude(pk=self.connection.pk).exists():
            raise forms.ValidationError(_("Another connection has this name."))
        return name

    def clean_host(self) -> str:
        return _clean_host(self.cleaned_data["host"])

    def clean_imap_host(self) -> str:
        return _clean_host(self.cleaned_data["imap_host"])

    def clean_security(self) -> str:
        security = str(self.cleaned_data["security"])
        if security == ConnectionSecurity.NONE and self.cleaned_data.get("host", "").lower() not in LOOPBACK:
            raise forms.ValidationError(_("Without encryption only a mail server on this machine can be used."))
        return security

    def clean_api_url(self) -> str:
        address = str(self.cleaned_data["api_url"])
        parts = urlsplit(address)
        if address and (parts.scheme != "https" or not parts.hostname) and parts.hostname not in LOOPBACK:
            raise forms.ValidationError(_("The address must begin with https://."))
        return address

    def clean_guard_address(self) -> str:
        return _clean_address(self.cleaned_data["guard_address"])

    def clean_bounce_address(self) -> str:
        return _clean_address(self.cleaned_data["bounce_address"])

    def clean_per_domain(self) -> dict[str, float]:
        rates: dict[str, float] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["per_domain"].splitlines())):
            found = _RATE.fullmatch(line)
            if found is None or float(found[2]) <= 0:
                raise forms.ValidationError(_("Not a domain and a number: %(line)s") % {"line": line})
            rates[found[1].lower() if found[1] != EVERY_DOMAIN else EVERY_DOMAIN] = float(found[2])
        return rates

    def save(self) -> Connection:
        """The connection with what was typed; one default at most."""
        row, typed = self.connection, self.cleaned_data
        row.options = {name: typed[name] for name in self.provider.options if typed[name]} if self.provider else {}
        for name in self._initial():
            if name in typed and name not in row.options and hasattr(row, name):
                setattr(row, name, typed[name] if typed[name] is not None else self._empty(name))
        seal_secrets(row, {name: typed.get(name, "") for name in self._secrets})
        if row.is_default:
            others = Connection.objects.filter(organization=row.organization, is_default=True).exclude(pk=row.pk)
            others.update(is_default=False)
        row.save()
        return row

    @staticmethod
    def _empty(name: str) -> Any:
        """What stands for an empty field."""
        return getattr(Connection(), name)


def _clean_host(text: str) -> str:
    host = str(text).strip().rstrip(".")
    if host and _HOST.fullmatch(host) is None:
        raise forms.ValidationError(_("This is not the name of a server."))
    return host


def _clean_address(text: str) -> str:
    address = str(text).strip()
    if address and not valid_email(address):
        raise forms.ValidationError(_("This is not an email address."))
    return address


class DkimForm(forms.Form):
    """A new signing key."""

    domain = _text(gettext_lazy("Domain"), required=True, help_text=gettext_lazy("Of the sender addresses."))
    algorithm = forms.ChoiceField(
        label=gettext_lazy("Kind of key"),
        choices=DkimAlgorithm.choices,
        help_text=gettext_lazy(
            "Every mailbox provider checks RSA; some check Ed25519 too, which costs less. Both may sign."
        ),
        widget=UnfoldAdminSelectWidget(),
    )

    def clean_domain(self) -> str:
        domain = _clean_host(self.cleaned_data["domain"]).lower()
        if "." not in domain:
            raise forms.ValidationError(_("This is not a domain."))
        return domain
