"""The pages below a website: its notices and its legal justifications."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, get_language_info
from django.utils.translation import gettext as _

from accounts.models import Role
from accounts.signed_in import member_of, organization_of, role_of
from consent.admin.proposals import ProposalPages
from consent.forms import (
    NOTICE_LANGUAGES,
    ConfirmForm,
    JustificationForm,
    NoticeForm,
    notice_texts,
    starting_text,
)
from consent.models import LegalJustification, Notice, Topic
from consent.reasons import MEASUREMENTS, RULE_KEYS
from consent.rules import Measurement
from consent.selectors import country_name, justifications_of, local_day, measurements_in_use, notices_of
from consent.services import (
    PolicyRefused,
    confirm_justification,
    give_justification_opinion,
    propose_justification,
    publish_notice,
    why_not_confirm,
    withdraw_justification,
)
from consent.views import proposal_rows
from websites.models import Website
from websites.rules import RuleKey
from websites.selectors import running_stop
from websites.services import lock_website

WRITERS = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})


class WebsitePages(ProposalPages):
    """Mixed into the admin of websites, whose queryset is the lookup door."""

    class Media:
        css = {"all": ("console/websites.css",)}

    def find(self, request: HttpRequest, pk: int | str) -> Website:
        """The website by its number; 404 for those of others and for what is no number."""
        website = self.get_object(request, str(pk))
        if website is None:
            raise Http404
        return website

    def get_urls(self) -> list[URLPattern]:
        pages: list[tuple[str, str, Callable[..., HttpResponse]]] = [
            ("<int:pk>/notice/", "notice", self.notice_view),
            ("<int:pk>/justification/", "justification", self.justification_view),
            ("<int:pk>/justification/<int:number>/confirm/", "confirm", self.confirm_view),
            ("<int:pk>/justification/<int:number>/opinion/", "opinion", self.opinion_view),
            ("<int:pk>/justification/<int:number>/withdraw/", "withdraw", self.withdraw_view),
        ]
        own = [
            path(address, self.admin_site.admin_view(view), name=f"websites_website_{name}")
            for address, name, view in pages
        ]
        return own + super().get_urls()

    def sections(self, request: HttpRequest, website: Website, *, now: datetime) -> dict[str, Any]:
        """What the page of a website shows below its form."""
        organization, role = organization_of(request), role_of(request)
        return {
            "proposals": proposal_rows(organization, member_of(request), now=now, website=website),
            "notices": [_notice_row(one) for one in notices_of(organization, website)],
            "justifications": [
                self._justification_row(request, one, now=now) for one in justifications_of(organization, website)
            ],
            "topics": Topic.objects.filter(organization=organization, website=website).order_by("name"),
            "may_write": role in WRITERS,
            "may_edit": self.has_change_permission(request, website),
            "may_propose": role == Role.OWNER,
        }

    def _justification_row(
        self, request: HttpRequest, justification: LegalJustification, *, now: datetime
    ) -> dict[str, Any]:
        organization = organization_of(request)
        ended = justification.ends_on < local_day(organization, now)
        waits = not (justification.confirmed_at or justification.withdrawn_at or ended)
        # Asked as if something were typed, since that can still be done.
        refusal = why_not_confirm(organization, justification, member_of(request), now=now, note="…") if waits else None
        if justification.withdrawn_at:
            state = _("Withdrawn")
        elif ended:
            state = _("Ended")
        else:
            state = _("Counts") if justification.confirmed_at else _("Waits for a second person")
        return {
            "it": justification,
            "state": state,
            "counts": bool(justification.confirmed_at and not justification.withdrawn_at and not ended),
            "countries": ", ".join(country_name(code) for code in justification.countries),
            "loosens": [RULE_KEYS[RuleKey(key)] for key in justification.rule_keys],
            "days_left": (justification.ends_on - local_day(organization, now)).days,
            "why_not": refusal or "",
            "may_confirm": waits and refusal is None,
            "may_give_opinion": waits and role_of(request) == Role.DPO,
            "may_withdraw": role_of(request) in WRITERS and not justification.withdrawn_at and not ended,
            "form": ConfirmForm(prefix=f"confirm-{justification.pk}"),
        }

    # --- Pages --------------------------------------------------------------------------------------------------------

    def notice_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        website = self.find(request, pk)
        if role_of(request) not in WRITERS:
            raise PermissionDenied
        language, covers = self._notice_to_write(request, website)
        form = NoticeForm(
            request.POST or None,
            initial={
                "language": language,
                "covers": covers,
                "text": self._text_to_start_from(request, website, language, covers),
                "url": f"https://{website.domain}/",
            },
        )
        if form.is_valid():
            lock_website(organization_of(request), website.pk)
            notice = publish_notice(
                organization_of(request), website, **form.cleaned_data, author=member_of(request), now=timezone.now()
            )
            said = _("Version %(version)s of the notice in %(language)s is published.")
            messages.success(request, said % {"version": notice.version, "language": _language_name(notice.language)})
            return self._back(website)
        return self._form_page(request, website, form, title=_("Publish a notice"), kind="notice")

    def _notice_to_write(self, request: HttpRequest, website: Website) -> tuple[str, list[str]]:
        """The language asked for, and what the website is set to measure."""
        asked = request.GET.get("language", "")
        language = asked if asked in NOTICE_LANGUAGES.split() else (get_language() or "en")[:2]
        return language, [one.value for one in measurements_in_use(website)]

    def _text_to_start_from(self, request: HttpRequest, website: Website, language: str, covers: list[str]) -> str:
        """The latest text of the language when it tells of everything; else one of ours, which the member edits."""
        organization = organization_of(request)
        latest = notices_of(organization, website).filter(language=language).order_by("-version").first()
        if latest is not None and set(covers) <= set(latest.covers):
            return latest.text
        name = organization.legal_name or organization.name
        return starting_text(language, covers, name=name, website=website.name) or (latest.text if latest else "")

    def justification_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        website = self.find(request, pk)
        if role_of(request) != Role.OWNER:
            raise PermissionDenied
        organization, now = organization_of(request), timezone.now()
        form = JustificationForm(
            request.POST or None,
            today=local_day(organization, now),
            initial={
                "countries": [str(website.country)],
                "rule_keys": request.GET.getlist("key") or [RuleKey.INDIVIDUAL_OPENS, RuleKey.INDIVIDUAL_CLICKS],
            },
        )
        if form.is_valid():
            try:
                propose_justification(organization, website, **form.cleaned_data, author=member_of(request), now=now)
            except PolicyRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(
                    request, _("The justification is proposed. It counts once a second person confirms it.")
                )
                return self._back(website)
        return self._form_page(request, website, form, title=_("Propose a legal justification"), kind="justification")

    def confirm_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        said = _("The justification is confirmed and counts from now on.")
        return self._second_person(request, pk, number, confirm_justification, said)

    def opinion_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        said = _("Your opinion is kept with the proposal. %(change)s.")
        return self._second_person(request, pk, number, give_justification_opinion, said)

    def _second_person(
        self, request: HttpRequest, pk: int, number: int, act: Callable[..., LegalJustification], said: str
    ) -> HttpResponse:
        website, justification = self._find_justification(request, pk, number)
        if role_of(request) not in {Role.OWNER, Role.DPO}:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = ConfirmForm(request.POST, prefix=f"confirm-{justification.pk}")
        note = form.cleaned_data["note"] if form.is_valid() else ""
        lock_website(organization_of(request), website.pk)
        try:
            act(organization_of(request), justification, author=member_of(request), now=timezone.now(), note=note)
        except PolicyRefused as refusal:
            messages.error(request, str(refusal))
        else:
            places = ", ".join(country_name(code) for code in justification.countries)
            messages.success(request, said % {"change": f"{website.name}: {places}"})
        return self._back(website)

    def withdraw_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        website, justification = self._find_justification(request, pk, number)
        if role_of(request) not in WRITERS:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        lock_website(organization_of(request), website.pk)
        withdraw_justification(organization_of(request), justification, author=member_of(request), now=timezone.now())
        messages.success(request, _("The justification is withdrawn. Nobody is measured by it any more."))
        return self._back(website)

    def _find_justification(self, request: HttpRequest, pk: int, number: int) -> tuple[Website, LegalJustification]:
        website = self.find(request, pk)
        justification = justifications_of(organization_of(request), website).filter(pk=number).first()
        if justification is None:
            raise Http404
        return website, justification

    def _form_page(
        self, request: HttpRequest, website: Website, form: forms.Form, *, title: str, kind: str
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "website": website,
            "form": form,
            "kind": kind,
            "languages": [(code, _language_name(code)) for code in notice_texts()],
            "stop": running_stop(organization_of(request), website),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "consent/website_form.html", context)

    def _back(self, website: Website) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:websites_website_change", args=[website.pk]))


def _notice_row(notice: Notice) -> dict[str, Any]:
    return {
        "it": notice,
        "language": _language_name(notice.language),
        "covers": [MEASUREMENTS[Measurement(one)] for one in notice.covers],
    }


def _language_name(code: str) -> str:
    """A language in the language of the interface; its code where Django cannot name it."""
    try:
        return str(get_language_info(code)["name_translated"])
    except KeyError:
        return code
