"""Publishing > Forms: the participation page of a campaign, its questions, what came in."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone, translation
from django.utils.csp import CSP
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from unfold.decorators import display

from accounts.models import Organization
from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from campaigns.selectors import get_campaign
from common.keys import encode_key
from common.policies import with_policy
from common.public_pages import PUBLIC_CSP, language_links
from intake import form_editing as editing
from intake.admin.imports import READERS
from intake.builder_forms import FieldForm, PageForm, language_name
from intake.entry_form import PublicEntryForm, label_of
from intake.form_selectors import (
    effective_variant,
    entries_of,
    entry_lines,
    fields_of,
    get_form,
    page_shown,
    scopes_of,
    status_of,
    text_of,
    wordings_shown,
)
from intake.models import EntryForm, FieldKind, FormField

ENTRIES_SHOWN = 50
PAGE_TEXTS = ("title", "intro", "button", "exit_title", "exit_text")


@admin.register(EntryForm)
class EntryFormAdmin(PagesBelowRowsAdmin):
    """One form for each campaign; it is made from the campaign's page."""

    # Entries are people's data; the rest of a form is on the public page.
    readers: ClassVar[frozenset[str]] = READERS
    list_display = ("campaign_name", "website", "published", "entries")
    list_select_related = ("campaign__website",)
    search_fields = ("campaign__name",)
    ordering = ("-created_at",)
    list_per_page = 50
    actions = None

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["console/websites.css", "console/campaigns-email.css", "console/forms.css"]
        }

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[EntryForm]:
        return super().get_queryset(request).annotate(entry_number=Count("submissions"))

    @display(description=gettext_lazy("campaign"), ordering="campaign__name")
    def campaign_name(self, form: EntryForm) -> str:
        return form.campaign.name

    @display(description=gettext_lazy("website"), ordering="campaign__website__name")
    def website(self, form: EntryForm) -> str:
        return form.campaign.website.name

    @display(description=gettext_lazy("published"), label={"yes": "success", "no": "default"})
    def published(self, form: EntryForm) -> tuple[str, str]:
        return ("yes", _("Published")) if form.published_at else ("no", _("Not published"))

    @display(description=gettext_lazy("entries"), ordering="entry_number")
    def entries(self, form: EntryForm) -> int:
        return int(form.entry_number)  # type: ignore[attr-defined]

    def find(self, organization: Organization, pk: int) -> EntryForm | None:
        if not EntryForm.objects.filter(organization=organization, pk=pk).exists():
            return None
        return get_form(organization.pk, pk)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        own = [
            path(
                "of-campaign/<int:pk>/", self.admin_site.admin_view(self.of_campaign_view), name=f"{name}_of_campaign"
            ),
            self.page("preview", xframe_options_sameorigin(self.preview_view)),
            self.page("entries", self.entries_view),
            self.page("export", self.export_view, "entries.csv"),
            self.button("publish", self._publish),
            self.button("withdraw", self._withdraw),
            self.button("renew_exit_email", self._renew_exit_email),
            self.button("add_field", self._add_field),
            path("<int:pk>/fields/<int:field>/", self.admin_site.admin_view(self.field_view), name=f"{name}_field"),
            path(
                "<int:pk>/fields/<int:field>/press/",
                self.admin_site.admin_view(self.press_view),
                name=f"{name}_press",
            ),
        ]
        return own + super().get_urls()

    # --- The form's own page

    def of_campaign_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """From a campaign to its form; a button makes it where there is none."""
        campaign = get_campaign(organization_of(request), pk)
        if campaign is None:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = EntryForm.objects.filter(organization=organization_of(request), campaign=campaign).first()
        if known is not None:
            return HttpResponseRedirect(self.address_of(known))
        if request.method == "POST":
            if role_may_not_change(self, request):
                raise PermissionDenied
            made = editing.create_form(
                organization_of(request), campaign, author=member_of(request), now=timezone.now()
            )
            self.note(request, made, "row:add")
            return HttpResponseRedirect(self.address_of(made))
        context = {
            **self._context(request, _("Form of %(campaign)s") % {"campaign": campaign.name}),
            "campaign": campaign,
            "may_change": not role_may_not_change(self, request),
        }
        return TemplateResponse(request, "intake/form_new.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404
        form = self.find_or_404(request, int(object_id))
        organization = organization_of(request)
        may_change = not role_may_not_change(self, request)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        page = PageForm(organization, form, request.POST if request.method == "POST" else None)
        if request.method == "POST" and page.is_valid():
            try:
                editing.change_page(organization, form, page.change(), author=member_of(request), now=timezone.now())
            except editing.FormRefused as refusal:
                page.add_error(refusal.field_name if refusal.field_name in page.fields else None, str(refusal))
            else:
                self.note(request, form, "row:change", {"fields": ["page"]})
                messages.success(request, _("The form was saved."))
                return HttpResponseRedirect(self.address_of(form))
        context = {
            **self._context(request, _("Form of %(campaign)s") % {"campaign": form.campaign.name}),
            **self._form_context(form),
            "page": page,
            "may_change": may_change,
        }
        return TemplateResponse(request, "intake/form.html", context, status=422 if page.errors else 200)

    def _form_context(self, form: EntryForm) -> dict[str, Any]:
        organization = form.organization
        address = f"{settings.BASE_URL}/f/{encode_key(form.key)}"
        first = form.languages[0]
        questions = fields_of(organization, form)
        return {
            "entry_form": form,
            "questions": [
                {
                    "field": question,
                    "label": _shown_label(question, first),
                    "note": _note(form, question),
                    "first": question == questions[0],
                    "last": question == questions[-1],
                }
                for question in questions
            ],
            "kinds": [
                (kind.value, kind.label)
                for kind in FieldKind
                if kind is not FieldKind.EMAIL
                and not (kind is FieldKind.TRACKING_CONSENT and any(one.kind == kind for one in questions))
            ],
            "asks_for_tracking": any(one.kind == FieldKind.TRACKING_CONSENT for one in questions),
            "entry_count": entries_of(organization, form).count(),
            "status": status_of(form, now=timezone.now()),
            "address": address,
            **_embed_codes(form, address),
            "language_links": [link for link in language_links(first) if link.code in form.languages],
            "exit_email_is_older": _exit_email_is_older(form),
        }

    def _publish(self, request: HttpRequest, form: EntryForm) -> None:
        editing.publish_form(organization_of(request), form, now=timezone.now())
        self.note(request, form, "form:publish")
        messages.success(request, _("Published. People can take part while the campaign is open."))

    def _withdraw(self, request: HttpRequest, form: EntryForm) -> None:
        editing.withdraw_form(organization_of(request), form)
        self.note(request, form, "form:withdraw")
        messages.success(request, _("Withdrawn. Nobody finds the form any more; what came in stays."))

    def _renew_exit_email(self, request: HttpRequest, form: EntryForm) -> None:
        try:
            editing.renew_exit_email(organization_of(request), form, author=member_of(request), now=timezone.now())
        except editing.FormRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("From now on people get the exit-screen email as it is now."))

    def _add_field(self, request: HttpRequest, form: EntryForm) -> None:
        kind = request.POST.get("kind", "")
        if kind not in FieldKind.values:
            messages.error(request, _("Choose a type."))
            return
        try:
            editing.add_field(organization_of(request), form, kind, author=member_of(request), now=timezone.now())
        except editing.FormRefused as refusal:
            messages.error(request, str(refusal))
        else:
            self.note(request, form, "row:change", {"fields": ["questions"]})
            messages.success(request, _("A field was added at the end."))

    # --- One question

    def _find_field(self, request: HttpRequest, pk: int, field: int) -> FormField:
        form = self.find_or_404(request, pk)
        question = (
            FormField.objects.select_related("form__campaign__website", "topic", "organization")
            .filter(organization=organization_of(request), form=form, pk=field)
            .first()
        )
        if question is None:
            raise Http404
        if role_may_not_change(self, request):
            raise PermissionDenied
        return question

    def field_view(self, request: HttpRequest, pk: int, field: int) -> HttpResponse:
        question = self._find_field(request, pk, field)
        form = FieldForm(question, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                editing.change_field(
                    organization_of(request), question, form.change(), author=member_of(request), now=timezone.now()
                )
            except editing.FormRefused as refusal:
                form.add_error(refusal.field_name if refusal.field_name in form.fields else None, str(refusal))
            else:
                self.note(request, question, "row:change")
                messages.success(request, _("The field was saved."))
                return HttpResponseRedirect(self.address_of(question.form))
        context = {
            **self._context(
                request, _("Field: %(label)s") % {"label": _shown_label(question, question.form.languages[0])}
            ),
            "form": form,
            "question": question,
            "entry_form": question.form,
        }
        return TemplateResponse(request, "intake/form_field.html", context, status=422 if form.errors else 200)

    def press_view(self, request: HttpRequest, pk: int, field: int) -> HttpResponse:
        """Up, down, remove: buttons, so that no link changes anything."""
        question = self._find_field(request, pk, field)
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        organization, now = organization_of(request), timezone.now()
        act = request.POST.get("act")
        try:
            if act in ("up", "down"):
                editing.move_field(organization, question, up=act == "up", now=now)
            elif act == "remove":
                editing.remove_field(organization, question, now=now)
                messages.success(request, _("The field was removed. What was answered stays in the entries."))
        except editing.FormRefused as refusal:
            messages.error(request, str(refusal))
        else:
            if act in ("up", "down", "remove"):
                self.note(request, question.form, "row:change", {"fields": ["questions"]})
        return HttpResponseRedirect(f"{self.address_of(question.form)}#fields")

    # --- Looking

    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The page as people get it, under the same policy. It takes no entry."""
        form = self.find_or_404(request, pk)
        page = HttpResponse(_preview(form, request.GET.get("lang", ""), now=timezone.now()))
        return with_policy(page, {**PUBLIC_CSP, "form-action": [CSP.NONE], "frame-ancestors": [CSP.SELF]})

    def entries_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = self.find_or_404(request, pk)
        entries = entries_of(form.organization, form)
        context = {
            **self._context(request, _("Entries of %(campaign)s") % {"campaign": form.campaign.name}),
            "entry_form": form,
            "entries": entries[:ENTRIES_SHOWN],
            "entry_count": entries.count(),
        }
        return TemplateResponse(request, "intake/form_entries.html", context)

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        form = self.find_or_404(request, pk)
        out = io.StringIO()
        csv.writer(out).writerows(entry_lines(form.organization, form))
        # A mark at the start, since spreadsheets else take accents for something different.
        response = HttpResponse("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
        self.note(request, form, "form:entries:export")
        response["Content-Disposition"] = f'attachment; filename="entries-{form.pk}.csv"'
        return response

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media + forms.Media(),
            "title": title,
        }


def _shown_label(question: FormField, language: str) -> str:
    if question.kind == FieldKind.TOPIC and question.topic is not None:
        return question.topic.name
    if question.kind in (FieldKind.TRACKING_CONSENT, FieldKind.HIDDEN):
        return str(question.get_kind_display())
    return label_of(question, language, language)


def _note(form: EntryForm, question: FormField) -> str:
    """What the list says of a question beside its type."""
    if question.kind == FieldKind.TRACKING_CONSENT:
        shown = effective_variant(form.campaign.website, question)
        if shown != question.variant:
            return _("The ticked box has no effect here any more: people see an empty one.")
        return str(shown.label)
    if question.kind in (FieldKind.TOPIC, FieldKind.HIDDEN):
        return ""
    missing = [code for code in form.languages if not question.texts.get(code, {}).get("label")]
    if not missing:
        return ""
    return _("no label yet in: %(languages)s") % {"languages": ", ".join(map(language_name, missing))}


def _embed_codes(form: EntryForm, address: str) -> dict[str, str]:
    """What a website puts into its page."""
    context = {"base": settings.BASE_URL, "form": form, "key": encode_key(form.key), "address": address}
    return {name: render_to_string(f"intake/embed_{name}.html", context).strip() for name in ("script", "frame")}


def _exit_email_is_older(form: EntryForm) -> bool:
    if form.exit_email is None or form.exit_launch is None:
        return False
    return form.exit_email.updated_at > form.exit_launch.created_at


def _preview(form: EntryForm, language: str, *, now: datetime) -> str:
    organization = form.organization
    language = language if language in form.languages else form.languages[0]
    questions = fields_of(organization, form)
    shown = page_shown(form, questions, language, now=now)
    with translation.override(language):
        context: dict[str, Any] = {
            "organization": organization,
            "entry_form": form,
            "language": language,
            "form_languages": [],
            "texts": {name: text_of(form, language, name) for name in PAGE_TEXTS},
            "form": PublicEntryForm(
                form, questions, shown, wordings=wordings_shown(organization, shown), scopes=scopes_of(organization)
            ),
            # A preview cannot be sent: nothing signs it.
            "page_token": "",
        }
        return render_to_string("intake/public/participation.html", context)
