"""People > Participants: who they are, what they chose, what they got, and why it was measured or not."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django_countries import countries
from unfold.decorators import display

from accounts.admin import DropdownFilter, labelled
from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of, role_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from consent.dossier import build_dossier, pack_dossier
from consent.models import Choice, ChoiceLabel, Topic
from consent.reasons import VERDICTS
from consent.rules import Kind, Source, Verdict
from consent.seals import PROVERS
from consent.selectors import active_subscriptions, why
from consent.services import record_choice
from consent.words import ABOUT, SOURCES
from intake import services
from intake.admin.imports import READERS
from intake.admin.paging import PeopleList, PeoplePaginator
from intake.forms import ChoiceForm, ParticipantForm
from intake.selectors import (
    MESSAGES_SHOWN,
    Wordings,
    choices_of,
    find_people,
    history_of,
    imports_named,
    messages_of,
    scopes_of,
    subscription_history_of,
    subscriptions_of,
    suppressions_of,
)
from participants.models import Participant

LABELS: dict[str, str] = {
    ChoiceLabel.YES: "success",
    ChoiceLabel.NO: "danger",
    ChoiceLabel.UNKNOWN: "default",
    ChoiceLabel.INFORMED: "info",
}
KINDS = {Kind.OPENS: gettext_lazy("Opens"), Kind.CLICKS: gettext_lazy("Clicks")}

# How an answer came. Those of imports are named by their file.
METHODS = {
    "preference_page": gettext_lazy("on the preference page"),
    "console": gettext_lazy("in this console"),
    "form": gettext_lazy("on a form"),
    "form_confirmed": gettext_lazy("on a form, and confirmed by a link sent to the address"),
}


class ChoiceFilter(DropdownFilter):
    """By the current choice about one kind."""

    kind: ClassVar[Kind]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ChoiceLabel.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Participant]) -> QuerySet[Participant]:
        value = self.value()
        if value not in ChoiceLabel.values:
            return queryset
        chosen = Choice.objects.filter(participant=OuterRef("pk"), scope__is_default=True)
        if value == ChoiceLabel.UNKNOWN:
            # Who never answered has no row.
            return queryset.exclude(Exists(chosen.exclude(**{self.kind.value: value})))
        return queryset.filter(Exists(chosen.filter(**{self.kind.value: value})))


class OpensFilter(ChoiceFilter):
    kind = Kind.OPENS
    title = gettext_lazy("tracking consent: opens")
    parameter_name = "opens"


class ClicksFilter(ChoiceFilter):
    kind = Kind.CLICKS
    title = gettext_lazy("tracking consent: clicks")
    parameter_name = "clicks"


class CountryFilter(DropdownFilter):
    title = gettext_lazy("country")
    parameter_name = "country"
    UNKNOWN = "ZZ"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(self.UNKNOWN, _("Unknown")), *countries]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Participant]) -> QuerySet[Participant]:
        code = self.value()
        return queryset.filter(country="" if code == self.UNKNOWN else code) if code else queryset


class TopicFilter(DropdownFilter):
    title = gettext_lazy("subscribed to")
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        topics = Topic.objects.filter(organization=organization_of(request)).select_related("website")
        return [(str(topic.pk), str(topic)) for topic in topics.order_by("website__name", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Participant]) -> QuerySet[Participant]:
        topic = self.value()
        if not topic or not topic.isdecimal():
            return queryset
        subscribed = active_subscriptions(organization_of(request)).filter(topic=int(topic))
        return queryset.filter(pk__in=subscribed.values("participant"))


@admin.register(Participant)
class ParticipantAdmin(PagesBelowRowsAdmin):
    form = ParticipantForm
    readers: ClassVar[frozenset[str]] = READERS
    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})
    fieldsets = (
        (
            None,
            {"fields": ("email", ("first_name", "last_name"), ("country", "locale"), "external_id", "attributes")},
        ),
    )
    list_display = ("address", "name", "shown_country", "opens", "clicks", "created_at")
    # Only what an index can sort, however many there are.
    sortable_by = ("address",)
    ordering = ("email_norm",)
    paginator = PeoplePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_filter = (CountryFilter, OpensFilter, ClicksFilter, TopicFilter)
    list_filter_submit = True
    list_per_page = 30
    search_fields = ("email_norm",)
    search_help_text = gettext_lazy("An address or how it begins, or the whole external contact id")
    actions = None
    change_form_outer_after_template = "intake/participant_sections.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["console/websites.css", "console/intake.css", "console/participants.css"]
        }

    @display(description=gettext_lazy("email address"), ordering="email_norm")
    def address(self, participant: Participant) -> str:
        return participant.email

    @display(description=gettext_lazy("name"))
    def name(self, participant: Participant) -> str:
        return f"{participant.first_name} {participant.last_name}".strip() or "–"

    @display(description=gettext_lazy("country"))
    def shown_country(self, participant: Participant) -> str:
        return countries.name(str(participant.country)) or _("Unknown")

    @display(description=gettext_lazy("opens"))
    @labelled(LABELS)
    def opens(self, participant: Participant) -> tuple[str, str]:
        return _shown_choice(participant, Kind.OPENS)

    @display(description=gettext_lazy("clicks"))
    @labelled(LABELS)
    def clicks(self, participant: Participant) -> tuple[str, str]:
        return _shown_choice(participant, Kind.CLICKS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Participant]:
        """With what each person chose in the organization's default scope, which the list shows."""
        chosen = Prefetch("choices", Choice.objects.filter(scope__is_default=True), to_attr="default_choices")
        return super().get_queryset(request).prefetch_related(chosen)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PeopleList]:
        return PeopleList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Participant], search_term: str
    ) -> tuple[QuerySet[Participant], bool]:
        return find_people(queryset, search_term), False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.organization = organization_of(request)
        return form

    def save_model(self, request: HttpRequest, obj: Participant, form: ModelForm[Participant], change: bool) -> None:
        """Only what was typed is written: an import may have changed the rest since the page was opened."""
        names = form.changed_data if change else form.cleaned_data
        changes = {name: form.cleaned_data[name] for name in names}
        if not changes:
            return
        person = Participant(pk=obj.pk)
        saved = services.save_participant(organization_of(request), person, now=timezone.now(), **changes)
        obj.pk, obj.organization = saved.pk, saved.organization

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form looked for the address; this is for somebody who took it between that look and the write."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except services.ParticipantRefused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.path)

    def find(self, organization: Organization, pk: int) -> Participant | None:
        return Participant.objects.filter(organization=organization, pk=pk).first()

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("choice", self.choice_view),
            self.page("dossier", self.dossier_view),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        sections = self._sections(request, object_id) if object_id.isdecimal() else {}
        return super().change_view(request, object_id, form_url, {**sections, **(extra_context or {})})

    def _sections(self, request: HttpRequest, object_id: str) -> dict[str, Any]:
        organization = organization_of(request)
        participant = self.find(organization, int(object_id))
        if participant is None or not self.has_view_permission(request, participant):
            return {}
        events = history_of(organization, participant)
        imports = imports_named(organization, events)
        choices = choices_of(organization, participant)
        all_scopes = scopes_of(organization)
        scopes = [scope for scope in all_scopes if scope.is_default or scope.pk in choices]
        received = messages_of(organization, participant, Wordings(events, all_scopes), now=timezone.now())
        return {
            "participant": participant,
            "choices": [
                {
                    "scope": scope.name if len(scopes) > 1 else "",
                    "kinds": [_current_choice(choices.get(scope.pk), kind) for kind in Kind],
                    "objected_at": choices[scope.pk].anonymous_objected_at if scope.pk in choices else None,
                }
                for scope in scopes
            ]
            or [{"scope": "", "kinds": [_current_choice(None, kind) for kind in Kind], "objected_at": None}],
            "history": [
                {
                    "event": event,
                    "kind": ABOUT[event.kind],
                    "source": SOURCES[Source(event.source)],
                    "method": METHODS.get(event.method, ""),
                    "import": imports.get(_import_number(event.method)),
                    "scope": event.scope.name if len(scopes) > 1 else "",
                }
                for event in events
            ],
            "subscriptions": subscriptions_of(organization, participant),
            "subscription_history": subscription_history_of(organization, participant),
            "suppressions": suppressions_of(organization, participant),
            "received": received,
            "older_received": len(received) == MESSAGES_SHOWN,
            "why": why(organization, participant, now=timezone.now()),
            "may_record": not role_may_not_change(self, request),
            "may_prove": role_of(request) in PROVERS,
            "may_answer_for_rights": role_of(request) in (Role.OWNER, Role.DPO),
        }

    def dossier_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The proof of consent of one person, to keep or to hand over. By POST: it seals what is not sealed yet."""
        if role_of(request) not in PROVERS:
            raise PermissionDenied
        organization, now = organization_of(request), timezone.now()
        participant = self.find(organization, pk)
        if participant is None:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        dossier = build_dossier(organization, participant, now=now)
        self.note(request, participant, "person:dossier")
        language = get_language() or settings.LANGUAGE_CODE
        response = HttpResponse(pack_dossier(dossier, language=language), content_type="application/zip")
        response["Content-Disposition"] = f'attachment; filename="proof-of-consent-{participant.pk}.zip"'
        response["Cache-Control"] = "no-store"
        return response

    def choice_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record what a person chose: a letter, a call. A yes that was not given is not made by typing it here."""
        if role_may_not_change(self, request):
            raise PermissionDenied
        organization, now = organization_of(request), timezone.now()
        participant = self.find(organization, pk)
        if participant is None:
            raise Http404
        form = ChoiceForm(request.POST or None, initial={"happened_on": timezone.localdate(now)})
        if request.method == "POST" and form.is_valid():
            verdicts = record_choice(
                organization,
                participant,
                opens=form.answer("opens"),
                clicks=form.answer("clicks"),
                source=Source.MEMBER,
                method="console",
                happened_at=form.happened_at(now),
                now=now,
                wording=form.cleaned_data["wording"],
                evidence={"note": form.cleaned_data["evidence"]} if form.cleaned_data["evidence"] else {},
                actor=member_of(request),
            )
            self.note(request, participant, "person:choice")
            _say_verdicts(request, verdicts)
            return HttpResponseRedirect(self.address_of(participant))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("Record a choice of %(person)s") % {"person": participant.email},
            "participant": participant,
            "form": form,
        }
        return TemplateResponse(request, "intake/choice.html", context, status=422 if form.errors else 200)


def _shown_choice(participant: Participant, kind: Kind) -> tuple[str, str]:
    chosen: list[Choice] = getattr(participant, "default_choices", [])
    value = getattr(chosen[0], kind.value) if chosen else ChoiceLabel.UNKNOWN.value
    return value, str(ChoiceLabel(value).label)


def _current_choice(choice: Choice | None, kind: Kind) -> dict[str, Any]:
    """What stands now, from when and whom, and from when on a yes counts."""
    if choice is None:
        return {"kind": KINDS[kind], "value": ChoiceLabel.UNKNOWN}
    source = getattr(choice, f"{kind}_source")
    return {
        "kind": KINDS[kind],
        "value": ChoiceLabel(getattr(choice, kind)),
        "at": getattr(choice, f"{kind}_at"),
        "source": SOURCES[Source(source)] if source else "",
        "counts_since": getattr(choice, f"{kind}_yes_since"),
    }


def _import_number(method: str) -> int:
    return int(method.removeprefix("import:")) if method.startswith("import:") else 0


def _say_verdicts(request: HttpRequest, verdicts: dict[Kind, Verdict]) -> None:
    for kind, verdict in verdicts.items():
        say = messages.success if verdict is Verdict.APPLIED else messages.warning
        say(request, f"{KINDS[kind]}: {VERDICTS[verdict]}")
