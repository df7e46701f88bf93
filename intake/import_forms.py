"""Forms of the console: uploading a file, and planning its import."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    INPUT_CLASSES,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Organization, User
from campaigns.models import Campaign
from consent.models import Basis, InformedGround, Notice, Topic
from intake.builder_forms import language_name
from intake.models import Import, ImportKind
from intake.reasons import FIELDS
from intake.rules import (
    ATTRIBUTE_PREFIX,
    CONSENT_FIELDS,
    EXPORTED_SCOPE,
    FIELDS_OF,
    INFORMED,
    LEFT_OUT,
    PROVENANCE,
    Kind,
    attribute_target,
)
from intake.services import ImportPlan
from websites.models import ConsentScope


def _day_widget() -> forms.DateInput:
    """The browser's own calendar."""
    return forms.DateInput(attrs={"type": "date", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%d")


def _day(label: Any) -> forms.DateField:
    """The day of something that may have been done over a longer time."""
    latest = gettext_lazy("The latest day, when it was done over a longer time.")
    return forms.DateField(required=False, label=label, help_text=latest, widget=_day_widget())


def _evidence(help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        max_length=1000,
        required=False,
        label=gettext_lazy("Where the evidence can be looked up"),
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget,
    )


def _voucher() -> forms.CharField:
    return forms.CharField(
        max_length=200,
        required=False,
        label=gettext_lazy("Who vouches for it"),
        widget=UnfoldAdminTextInputWidget,
    )


def notice_name(notice: Notice) -> str:
    """A version of the notice of a website."""
    values = {
        "website": notice.website.name,
        "language": language_name(notice.language),
        "version": notice.version,
        "day": date_format(timezone.localdate(notice.published_at)),
    }
    return _("%(website)s, %(language)s, version %(version)s of %(day)s") % values


class NoticeField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Notice) -> str:
        return notice_name(obj)


class UploadForm(forms.Form):
    """Step one: the file, and what it holds."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy(
            "CSV with the names of the columns in its first row, from any spreadsheet or email tool."
        ),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
        allow_empty_file=True,
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("It holds"),
        choices=ImportKind.choices,
        initial=ImportKind.PARTICIPANTS,
        widget=UnfoldAdminRadioSelectWidget,
    )


class PlanForm(forms.Form):
    """Step two: what each column is, what people get, and where their answers come from."""

    topic = forms.ModelChoiceField(
        queryset=Topic.objects.none(),
        required=False,
        label=gettext_lazy("Subscribe them to"),
        empty_label=gettext_lazy("No topic: they get no marketing emails"),
        help_text=gettext_lazy("Whoever unsubscribed, or is suppressed, is not subscribed again."),
        widget=UnfoldAdminSelectWidget,
    )
    basis = forms.ChoiceField(
        choices=[("", gettext_lazy("Choose…")), *Basis.choices],
        required=False,
        label=gettext_lazy("On what basis"),
        widget=UnfoldAdminSelectWidget,
    )
    subscription_source = forms.CharField(
        max_length=120,
        required=False,
        label=gettext_lazy("Where that permission was collected"),
        widget=UnfoldAdminTextInputWidget,
    )
    subscription_wording = forms.CharField(
        required=False,
        label=gettext_lazy("The words that people agreed to"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    campaign = forms.ModelChoiceField(
        queryset=Campaign.objects.none(),
        required=False,
        label=gettext_lazy("Let them take part in"),
        empty_label=gettext_lazy("No campaign"),
        widget=UnfoldAdminSelectWidget,
    )
    where = forms.CharField(
        max_length=300,
        required=False,
        label=gettext_lazy("Where the answers were collected"),
        widget=UnfoldAdminTextInputWidget,
    )
    collected_at = _day(gettext_lazy("When"))
    wording = forms.CharField(
        max_length=5000,
        required=False,
        label=gettext_lazy("The wording that people saw"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    evidence = _evidence()
    vouched_by = _voucher()

    scope = forms.ModelChoiceField(
        queryset=ConsentScope.objects.none(),
        required=False,
        label=gettext_lazy("Consent scope"),
        empty_label=None,
        help_text=gettext_lazy("The websites that these answers are for. A yes or a no counts there and nowhere else."),
        widget=UnfoldAdminSelectWidget,
    )
    informed_ground = forms.ChoiceField(
        choices=[("", gettext_lazy("No: they stay unknown")), *InformedGround.choices],
        required=False,
        label=gettext_lazy("Were they informed, and did not refuse?"),
        widget=UnfoldAdminSelectWidget(attrs={"data-ground": ""}),
    )
    informed_notice = NoticeField(
        queryset=Notice.objects.none(),
        required=False,
        label=gettext_lazy("By which notice"),
        empty_label=gettext_lazy("Choose…"),
        widget=UnfoldAdminSelectWidget,
    )
    informed_collected_at = _day(gettext_lazy("When their addresses came in"))
    informed_informed_at = _day(gettext_lazy("When they were informed"))
    informed_evidence = _evidence(gettext_lazy("The message that told them, and the list of whom it reached."))
    informed_vouched_by = _voucher()

    def __init__(self, *args: Any, organization: Organization, source: Import, author: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.source = source
        self.kind = Kind(source.kind)
        topics = Topic.objects.filter(organization=organization).select_related("website")
        campaigns = Campaign.objects.filter(organization=organization, archived_at__isnull=True)
        self._field("topic").queryset = topics.order_by("website__name", "name")
        self._field("campaign").queryset = campaigns.order_by("name")
        notices = Notice.objects.filter(organization=organization).select_related("website")
        self._field("informed_notice").queryset = notices.order_by("website__name", "language", "-version")
        scopes = ConsentScope.objects.filter(organization=organization)
        self._field("scope").queryset = scopes
        self.has_scopes = len(scopes) > 1
        self.fields["scope"].initial = self._scope_of_file(scopes)
        for name in ("vouched_by", "informed_vouched_by"):
            self.fields[name].initial = author.full_name or author.email
        for number, column in enumerate(source.layout["header"]):
            self.fields[f"column_{number}"] = forms.ChoiceField(
                label=column,
                required=False,
                choices=self._targets(column),
                initial=source.mapping.get(column, LEFT_OUT),
                widget=UnfoldAdminSelectWidget(attrs={"data-column": ""}),
            )

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def _scope_of_file(self, scopes: Iterable[ConsentScope]) -> ConsentScope | None:
        """The one that an export of ours names in its first rows, else the default one."""
        header, named = self.source.layout["header"], ""
        if EXPORTED_SCOPE in header:
            at = header.index(EXPORTED_SCOPE)
            named = next((row[at] for row in self.source.layout["sample"] if at < len(row) and row[at]), "")
        return next((scope for scope in scopes if scope.name == named), next(iter(scopes), None))

    def _targets(self, column: str) -> list[tuple[str, Any]]:
        targets: list[tuple[str, Any]] = [(LEFT_OUT, _("Leave out"))]
        targets += [(field.value, FIELDS[field]) for field in FIELDS_OF[self.kind]]
        if self.kind is Kind.PARTICIPANTS:
            target = attribute_target(column)
            name = target.removeprefix(ATTRIBUTE_PREFIX)
            targets.append((target, _("Attribute “%(name)s”") % {"name": name}))
        return targets

    def columns(self) -> Iterator[tuple[forms.BoundField, list[str]]]:
        """Each column's field, beside its first values."""
        for number, _column in enumerate(self.source.layout["header"]):
            samples = [row[number] for row in self.source.layout["sample"] if number < len(row) and row[number]]
            yield self[f"column_{number}"], samples

    def fields_named(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def subscription_fields(self) -> list[forms.BoundField]:
        return self.fields_named("topic", "basis", "subscription_source", "subscription_wording", "campaign")

    @property
    def provenance_fields(self) -> list[forms.BoundField]:
        return self.fields_named(*PROVENANCE)

    @property
    def informed_fields(self) -> list[forms.BoundField]:
        return [self["informed_notice"], *self.fields_named(*(f"informed_{part}" for part in INFORMED[1:]))]

    @property
    def takes_people(self) -> bool:
        return self.kind is Kind.PARTICIPANTS

    @property
    def consent_targets(self) -> str:
        """For the script that shows the provenance only where it is asked for."""
        return " ".join(CONSENT_FIELDS)

    def plan(self) -> ImportPlan:
        """What was decided, for the services to check."""
        cleaned = self.cleaned_data
        header = self.source.layout["header"]
        provenance = {part: str(cleaned.get(part) or "") for part in PROVENANCE}
        informed = {part: str(cleaned.get(f"informed_{part}") or "") for part in INFORMED}
        return ImportPlan(
            mapping={column: cleaned[f"column_{number}"] for number, column in enumerate(header)},
            topic=cleaned["topic"],
            basis=cleaned["basis"],
            subscription_source=cleaned["subscription_source"],
            subscription_wording=cleaned["subscription_wording"],
            campaign=cleaned["campaign"],
            provenance=provenance,
            scope=cleaned["scope"],
            informed=informed if informed["ground"] else {},
            informed_notice=cleaned["informed_notice"],
        )
