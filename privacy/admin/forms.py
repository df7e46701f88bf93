"""Forms of the officer's pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from accounts.models import Organization
from participants.models import Participant
from participants.rules import normalise_email
from privacy.models import Keeping, RequestChannel, RequestKind
from tracking.models import HitKeeping, PastHits
from websites.models import Website

NOT_THE_PERSON = gettext_lazy("Do not name the person here: it stays when they are erased.")


def _text(label: Any, *, rows: int = 0, required: bool = True, help_text: Any = "") -> forms.CharField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": rows}) if rows else UnfoldAdminTextInputWidget()
    return forms.CharField(
        label=label, required=required, max_length=5000 if rows else 500, widget=widget, help_text=help_text
    )


def _number(label: Any, *, least: int, most: int, required: bool = True, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        required=required,
        help_text=help_text,
        widget=UnfoldAdminIntegerFieldWidget(),
    )


class RequestForm(forms.Form):
    """A request that came by letter, email or telephone."""

    kind = forms.ChoiceField(label=gettext_lazy("Request"), choices=RequestKind.choices, widget=UnfoldAdminSelectWidget)
    channel = forms.ChoiceField(
        label=gettext_lazy("Came by"),
        choices=[choice for choice in RequestChannel.choices if choice[0] != RequestChannel.PAGE],
        widget=UnfoldAdminSelectWidget,
    )
    received_on = forms.DateField(
        label=gettext_lazy("Received on"),
        widget=UnfoldAdminDateWidget(),
        help_text=gettext_lazy("The month to answer begins on this day."),
    )
    email = _text(
        gettext_lazy("Address of the person"),
        required=False,
        help_text=gettext_lazy("Empty when nobody with their address is here."),
    )
    details = _text(gettext_lazy("What was asked"), rows=4, required=False)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization
        self.person: Participant | None = None

    def clean_email(self) -> str:
        address = str(self.cleaned_data["email"])
        if address:
            norm = normalise_email(address)
            self.person = Participant.objects.filter(organization=self.organization, email_norm=norm).first()
            if self.person is None:
                raise forms.ValidationError(_("Nobody with this address is here. Leave it empty."))
        return address


class ExtendForm(forms.Form):
    reason = _text(gettext_lazy("Why more time is needed"), help_text=gettext_lazy("The person has to be told."))


class AnswerForm(forms.Form):
    answer = _text(gettext_lazy("What the person was answered"), rows=4)
    evidence = _text(
        gettext_lazy("Where the answer can be seen"),
        required=False,
        help_text=gettext_lazy("The number of a letter or a ticket."),
    )
    declined = forms.BooleanField(label=gettext_lazy("The request was declined"), required=False)


class EraseForm(forms.Form):
    """The address typed again, so that nobody is erased by a slip of the hand."""

    typed = _text(gettext_lazy("Type the address of the person"))
    reason = _text(gettext_lazy("Reason"), help_text=NOT_THE_PERSON)

    def __init__(self, *args: Any, person: Participant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_typed(self) -> str:
        if normalise_email(self.cleaned_data["typed"]) != self.person.email_norm:
            raise forms.ValidationError(_("This is not the address of this person."))
        return str(self.cleaned_data["typed"])


class KeepingForm(forms.ModelForm):
    """How long everything is kept. Hits can only be kept for less than the rule allows."""

    hits_months = _number(
        gettext_lazy("Opens and clicks, in months"),
        least=1,
        most=HitKeeping.LONGEST_MONTHS,
        help_text=gettext_lazy("25 at most. Reports keep their totals, which name nobody."),
    )
    on_withdrawal = forms.ChoiceField(
        label=gettext_lazy("Opens and clicks of somebody who withdraws"),
        choices=PastHits.choices,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "Anonymous ones keep the email, the link and the day. They are deleted all the same where fewer than ten"
            " people could be measured."
        ),
    )

    class Meta:
        model = Keeping
        fields = (
            "participants_months",
            "participations_months",
            "requests_months",
            "proofs_months",
            "service_messages_days",
            "imports_days",
            "mailbox_days",
        )
        widgets = dict.fromkeys(fields, UnfoldAdminIntegerFieldWidget)
        help_texts = {
            "participants_months": gettext_lazy(
                "A click, a participation, a subscription or an answer counts as activity; an open never does."
                " Empty: they are kept."
            ),
            "participations_months": gettext_lazy(
                "With what people typed into forms and answered to emails. Empty: they are kept as long as the"
                " participant."
            ),
            "proofs_months": gettext_lazy("Counts for proofs that are sealed from now on."),
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in self.Meta.fields:
            if cleaned.get(name) == 0:
                self.add_error(name, _("Write 1 or more."))
        return cleaned


class InactivityForm(forms.Form):
    months = _number(gettext_lazy("Months without declared activity"), least=3, most=120)
    answer_days = _number(gettext_lazy("Days to answer"), least=7, most=180)


class SlowDownForm(forms.Form):
    prefix = "slow"

    months = _number(gettext_lazy("Months without declared activity"), least=1, most=120)
    cap = _number(gettext_lazy("Marketing emails a week from then on"), least=1, most=50)


class ReasonForm(forms.Form):
    reason = _text(gettext_lazy("Reason"), help_text=gettext_lazy("It is kept, with your name."))


class FindProofForm(forms.Form):
    address = _text(gettext_lazy("Address of the erased person"))


class DepartureForm(forms.Form):
    typed_name = _text(gettext_lazy("Type the name of the organization"))
    reason = _text(gettext_lazy("Reason"))


def websites_of(organization: Organization) -> list[Website]:
    return list(Website.objects.filter(organization=organization).order_by("name"))
