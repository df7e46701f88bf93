"""Forms of outside senders: an endpoint of one's own, or Actito."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from delivery.connection_models import Connection
from delivery.connections import seal_secrets, secrets_of
from delivery.forms import LOOPBACK
from delivery.transports import ACTITO, PARAMETERS, actito

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,60}")
# What the request says by itself.
_OUR_HEADERS = frozenset(
    {"accept", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding", "user-agent"}
)


def _text(label: Any, *, required: bool = False, help_text: Any = "") -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, required=required, max_length=300, help_text=help_text, widget=widget)


def _lines(label: Any, help_text: Any) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, help_text=help_text, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4})
    )


class OutsideForm(forms.Form):
    """What both kinds have: a name, a secret that is typed and never shown, and a speed."""

    kept_as = ""
    secret_label: Any = ""
    # Text fields that are kept as options, and those whose lines are pairs.
    options: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()

    name = _text(gettext_lazy("Name"), required=True)

    def __init__(self, connection: Connection, data: Any = None) -> None:
        self.connection = connection
        super().__init__(data, initial=self._initial())
        self._is_kept = bool(secrets_of(connection).get(self.kept_as))
        kept = gettext_lazy("Stored, and not shown. Leave it empty to keep it.") if self._is_kept else ""
        self.fields["secret"] = forms.CharField(
            label=self.secret_label,
            required=not self._is_kept,
            max_length=2000,
            help_text=kept,
            widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        )
        self.fields["per_second"] = forms.FloatField(
            label=gettext_lazy("Requests per second, at most"),
            required=False,
            min_value=0.01,
            max_value=1000,
            help_text=gettext_lazy("Empty: as fast as it takes them."),
            widget=UnfoldAdminTextInputWidget(),
        )

    def _initial(self) -> dict[str, Any]:
        row = self.connection
        lines = {
            name: "\n".join(f"{left} = {right}" for left, right in (row.options.get(name) or {}).items())
            for name in self.pairs
        }
        return {"name": row.name, "per_second": row.per_second, **row.options, **lines}

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        row = self.connection
        if Connection.objects.filter(organization=row.organization, name=name).exclude(pk=row.pk).exists():
            raise forms.ValidationError(_("There is a connection with this name already."))
        return name

    def clean_secret(self) -> str:
        secret = str(self.cleaned_data["secret"])
        if not secret.isascii() or not secret.isprintable():
            raise forms.ValidationError(_("A secret that stands in a header has letters, digits and signs only."))
        return secret

    def _clean_address(self, name: str) -> str:
        address = str(self.cleaned_data[name]).strip()
        try:
            parts = urlsplit(address)
            host, user = parts.hostname, parts.username
            _port = parts.port
        except ValueError:
            host, user, parts = None, None, urlsplit("")
        if address and (parts.scheme != "https" or not host) and host not in LOOPBACK:
            raise forms.ValidationError(_("The address must begin with https://."))
        if user is not None:
            raise forms.ValidationError(_("A secret in an address would be shown and logged. Type it below instead."))
        return address

    def _clean_pairs(self, name: str) -> dict[str, str]:
        pairs = {}
        for line in filter(None, map(str.strip, str(self.cleaned_data[name]).splitlines())):
            left, sign, right = (part.strip() for part in line.partition("="))
            if not (left and sign and right):
                raise forms.ValidationError(_("Not “name = value”: %(line)s") % {"line": line})
            pairs[left] = right
        return pairs

    def save(self) -> Connection:
        """The connection with what was typed. A try of before says nothing about it any more."""
        row, typed = self.connection, self.cleaned_data
        row.name, row.per_second = typed["name"], typed["per_second"]
        row.options = {name: typed[name] for name in (*self.options, *self.pairs) if typed[name]}
        seal_secrets(row, {self.kept_as: typed["secret"]})
        row.tested_at, row.test_passed, row.test_words = None, None, ""
        row.save()
        return row


class EndpointForm(OutsideForm):
    """An endpoint that takes Pli's own JSON."""

    kept_as = "push_secret"
    secret_label = gettext_lazy("What stands in that header")
    options = ("push_url", "auth_header")

    push_url = _text(
        gettext_lazy("Address of the endpoint"),
        required=True,
        help_text=gettext_lazy("Pli posts JSON to it, one person at a time. What it must answer: docs/sending.md."),
    )
    auth_header = _text(gettext_lazy("Header that proves who asks"), help_text=gettext_lazy("Empty: Authorization."))

    def clean_push_url(self) -> str:
        return self._clean_address("push_url")

    def clean_auth_header(self) -> str:
        name = str(self.cleaned_data["auth_header"]).strip()
        if name and (_HEADER.fullmatch(name) is None or name.lower() in _OUR_HEADERS):
            raise forms.ValidationError(_("This cannot be the name of that header."))
        return name


class ActitoForm(OutsideForm):
    """A licence of Actito: which table, which email, which attributes."""

    kept_as = "api_key"
    secret_label = gettext_lazy("API key")
    options = (
        "entity",
        "table",
        "campaign",
        "tracking_attribute",
        "marketing_attribute",
        "email_attribute",
        "first_name_attribute",
        "last_name_attribute",
        "language_attribute",
        "external_id_attribute",
        "base_url",
        "token_url",
        "tables_url",
    )
    pairs = ("parameters", "subscriptions")

    entity = _text(gettext_lazy("Entity"), required=True)
    table = _text(gettext_lazy("Profile table"), required=True)
    campaign = _text(
        gettext_lazy("Transactional email"),
        help_text=gettext_lazy(
            "Its technical name or number. Empty: only the profile is written, for a scenario of Actito to begin with."
        ),
    )
    tracking_attribute = _text(
        gettext_lazy("Attribute of the tracking consent"),
        required=True,
        help_text=gettext_lazy("TRUE for who said yes, FALSE for everybody else. Actito takes an empty one for TRUE."),
    )
    marketing_attribute = _text(
        gettext_lazy("Attribute of the marketing consent"),
        help_text=gettext_lazy(
            "Set to FALSE for who unsubscribed, complained or cannot be reached. Never set to TRUE."
        ),
    )
    email_attribute = _text(gettext_lazy("Attribute of the email address"), required=True)
    first_name_attribute = _text(gettext_lazy("Attribute of the first name"))
    last_name_attribute = _text(gettext_lazy("Attribute of the last name"))
    language_attribute = _text(gettext_lazy("Attribute of the language"))
    external_id_attribute = _text(gettext_lazy("Attribute of the external contact id"))
    parameters = _lines(
        gettext_lazy("Personalisation of the email"),
        gettext_lazy("One a line: the variable in Actito = what Pli puts there."),
    )
    subscriptions = _lines(
        gettext_lazy("Subscriptions"),
        gettext_lazy("One a line: the topic in Pli = the subscription in Actito. Others are left as they are there."),
    )
    base_url = _text(gettext_lazy("Address of the API"), help_text=gettext_lazy("Empty: Actito's own."))
    token_url = _text(gettext_lazy("Address of the sign-in"), help_text=gettext_lazy("Empty: Actito's own."))
    tables_url = _text(
        gettext_lazy("Address of the tables"),
        help_text=gettext_lazy("For the test button; “{entity}” stands for the entity. Empty: Actito's own."),
    )

    def _initial(self) -> dict[str, Any]:
        usual = {
            "tracking_attribute": actito()["tracking"]["attribute"],
            "email_attribute": "emailAddress",
            "first_name_attribute": "firstName",
            "last_name_attribute": "lastName",
            "language_attribute": "motherLanguage",
        }
        return super()._initial() if self.connection.pk else {**usual, **super()._initial()}

    def __init__(self, connection: Connection, data: Any = None) -> None:
        super().__init__(connection, data)
        self.fields["parameters"].help_text = _("%(explained)s It knows: %(names)s.") % {
            "explained": self.fields["parameters"].help_text,
            "names": ", ".join(PARAMETERS),
        }

    def clean_base_url(self) -> str:
        return self._clean_address("base_url")

    def clean_token_url(self) -> str:
        return self._clean_address("token_url")

    def clean_tables_url(self) -> str:
        address = self._clean_address("tables_url")
        if re.search(r"[{}]", address.replace("{entity}", "")):
            raise forms.ValidationError(_("Only “{entity}” may stand between braces."))
        return address

    def clean_parameters(self) -> dict[str, str]:
        pairs = self._clean_pairs("parameters")
        unknown = sorted(set(pairs.values()) - set(PARAMETERS))
        if unknown:
            raise forms.ValidationError(_("Pli knows nothing of this name: %(names)s") % {"names": ", ".join(unknown)})
        return pairs

    def clean_subscriptions(self) -> dict[str, str]:
        return self._clean_pairs("subscriptions")


def form_for(connection: Connection, data: Any = None) -> OutsideForm:
    """The form of an outside sender's kind."""
    return (ActitoForm if connection.provider == ACTITO else EndpointForm)(connection, data)
