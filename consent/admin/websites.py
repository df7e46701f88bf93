"""Publishing > Websites: the list, the form, and one setting for several websites."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import RadioFilter
from unfold.decorators import display

from accounts.admin import DropdownFilter, TenantAdmin
from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of, role_of
from consent.admin.website_pages import WRITERS, WebsitePages
from consent.forms import CHOICES, SENTENCES, ChangeTrackingForm, StopForm, WebsiteForm
from consent.selectors import country_name, measured_now, people_abroad, people_in_france
from consent.services import (
    BulkChange,
    PolicyRefused,
    change_email_tracking_of_many,
    change_website_policy,
    open_website,
    sentence_of,
)
from consent.views import history_rows, missing_notices
from websites.models import VersionSource, Website
from websites.rules import EmailTracking, is_french
from websites.selectors import running_stop, with_latest_change
from websites.services import lock_website, save_details

DETAILS = ("name", "domain", "country", "declared_country", "tracking_domain", "sender_name", "sender_email")


class TrackingFilter(RadioFilter):
    title = gettext_lazy("email tracking")
    parameter_name = "tracking"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(CHOICES)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Website]) -> QuerySet[Website]:
        return queryset.filter(email_tracking=self.value()) if self.value() else queryset


class CountryFilter(DropdownFilter):
    title = gettext_lazy("country")
    parameter_name = "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The countries of the member's own websites."""
        own = Website.objects.filter(organization=organization_of(request)).order_by().values_list("country", flat=True)
        return sorted(((code, country_name(code)) for code in own.distinct()), key=lambda choice: choice[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Website]) -> QuerySet[Website]:
        return queryset.filter(country=self.value()) if self.value() else queryset


def locked_now(organization: Organization, websites: Sequence[Website]) -> datetime:
    """The moment of a change: asked once the websites are held, so that no change is older than the one before it."""
    for website in sorted(websites, key=lambda one: one.pk):
        lock_website(organization, website.pk)
    return timezone.now()


@admin.register(Website)
class WebsiteAdmin(WebsitePages, TenantAdmin):
    form = WebsiteForm
    list_display = ("name", "domain", "shown_country", "shown_tracking", "changed")
    list_filter = (TrackingFilter, CountryFilter)
    list_filter_submit = True
    list_per_page = 50
    search_fields = ("name", "domain")
    search_help_text = gettext_lazy("Name or domain")
    ordering = ("name",)
    actions = ("change_tracking_of_selected",)
    change_form_outer_before_template = "consent/website_warnings.html"
    change_form_outer_after_template = "consent/website_sections.html"

    # --- List ---------------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Website]:
        return with_latest_change(super().get_queryset(request))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        request.people_in_france = people_in_france(organization_of(request))  # type: ignore[attr-defined]
        return super().changelist_view(request, extra_context)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The flag needs numbers of this request; an admin object serves many at once."""
        numbers = getattr(request, "people_in_france", {})

        @display(description=gettext_lazy("People in France"))
        def flag(website: Website) -> SafeString | str:
            return _flag(numbers.get(website.pk, 0))

        return [*self.list_display, flag]

    @display(description=gettext_lazy("country"), ordering="country")
    def shown_country(self, website: Website) -> str:
        return country_name(str(website.country))

    @display(description=gettext_lazy("email tracking"), ordering="email_tracking")
    def shown_tracking(self, website: Website) -> SafeString:
        label = website.get_email_tracking_display()
        if website.stopped_at:
            return format_html('<span class="pli-pill pli-stop">{}</span>', _("Measuring stopped"))
        return format_html('<span class="pli-pill pli-{}">{}</span>', website.email_tracking, label)

    @display(description=gettext_lazy("last change"), ordering="changed_at")
    def changed(self, website: Any) -> SafeString | str:
        if website.changed_at is None:
            return "–"
        how = VersionSource(website.changed_how).label
        who = website.changed_by_name or website.changed_by_email or how
        return format_html("{} · {}", date_format(timezone.localtime(website.changed_at), "DATETIME_FORMAT"), who)

    # --- Form ---------------------------------------------------------------------------------------------------------

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.organization, form.author = organization_of(request), member_of(request)
        return form

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without the little buttons that open the scope's form in a window beside this one."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        for button in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if hasattr(getattr(formfield, "widget", None), button):
                setattr(formfield.widget, button, False)
        return formfield

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        if obj is None:
            starts = _("A new website starts on Never track. Choose what it measures on its page, once it is saved.")
            return [(None, {"fields": DETAILS, "description": starts})]
        tracking = ["email_tracking", "opens_fallback", "clicks_fallback", "for_professionals", "consent_scope"]
        if self.has_change_permission(request, obj):
            tracking.append("reason")
        return [
            (gettext_lazy("Email tracking"), {"fields": tracking}),
            (gettext_lazy("Website"), {"fields": DETAILS}),
        ]

    def save_model(self, request: HttpRequest, obj: Website, form: Any, change: bool) -> None:
        organization, author = organization_of(request), member_of(request)
        if not change:
            details = {name: form.cleaned_data[name] for name in DETAILS}
            opened = open_website(organization, **details, author=author, now=timezone.now())
            obj.__dict__.update(opened.__dict__)
            return
        now = locked_now(organization, [obj])
        before = Website.objects.get(organization=organization, pk=obj.pk).email_tracking
        save_details(organization, obj)
        outcome = change_website_policy(
            organization, obj, policy=form.policy(), author=author, reason=form.cleaned_data["reason"], now=now
        )
        for proposal in outcome.proposed:
            messages.warning(request, _("Waits for a second person: %(change)s.") % {"change": sentence_of(proposal)})
        after = Website.objects.get(organization=organization, pk=obj.pk).email_tracking
        if after != before:
            _say_new_setting(request, after)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The form said what the rules refuse; this is for what changed between the form's look and the write."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except PolicyRefused as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(request.path)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        website = self.find(request, object_id)
        organization, now = organization_of(request), timezone.now()
        context = {
            **(extra_context or {}),
            **self.sections(request, website, now=now),
            # Not the form's own object, which holds what was typed.
            "website": website,
            "warning": people_abroad(organization, website, now=now),
            "groups": measured_now(organization, website),
            "history": history_rows(organization, website),
            "missing": missing_notices(organization, website, now=now),
            "stop": running_stop(organization, website),
            "stop_form": StopForm(),
            "sentence": SENTENCES[EmailTracking(website.email_tracking)],
            "own_country": country_name(str(website.country)),
            "is_french": is_french(str(website.country)),
            "may_stop": role_of(request) == Role.DPO and website.email_tracking != EmailTracking.NEVER,
        }
        return super().change_view(request, object_id, form_url, context)

    # --- One setting for several websites -----------------------------------------------------------------------------

    def has_track_permission(self, request: HttpRequest) -> bool:
        return role_of(request) in WRITERS

    @admin.action(description=gettext_lazy("Change email tracking…"), permissions=["track"])
    def change_tracking_of_selected(self, request: HttpRequest, queryset: QuerySet[Website]) -> HttpResponse:
        return self._change_tracking(request, list(queryset))

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<int:pk>/tracking/", self.admin_site.admin_view(self.tracking_view), name="websites_website_tracking"
        )
        return [own, *super().get_urls()]

    def tracking_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One website's setting alone, for those who do not edit websites."""
        website = self.find(request, pk)
        if not self.has_track_permission(request):
            raise PermissionDenied
        return self._change_tracking(request, [website])

    def _change_tracking(self, request: HttpRequest, websites: list[Website]) -> HttpResponse:
        only_stop = role_of(request) == Role.DPO
        data = request.POST if "apply" in request.POST else None
        form = ChangeTrackingForm(
            data, only_stop=only_stop, initial={"tracking": EmailTracking.NEVER if only_stop else None}
        )
        if form.is_valid():
            organization = organization_of(request)
            result = change_email_tracking_of_many(
                organization,
                websites,
                tracking=form.cleaned_data["tracking"],
                author=member_of(request),
                reason=form.cleaned_data["reason"],
                now=locked_now(organization, websites),
            )
            _say_result(request, result, form.cleaned_data["tracking"])
            return HttpResponseRedirect(reverse("admin:websites_website_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Change email tracking"),
            "opts": self.opts,
            "form": form,
            "websites": websites,
            "only_stop": only_stop,
            "media": self.media,
        }
        return TemplateResponse(request, "consent/change_tracking.html", context)


def _flag(people: int) -> SafeString | str:
    if not people:
        return "–"
    text = ngettext("%(people)s person", "%(people)s people", people) % {"people": people}
    return format_html('<span class="pli-pill pli-always">{}</span>', text)


def _say_new_setting(request: HttpRequest, tracking: str) -> None:
    label = dict(CHOICES)[tracking]
    messages.info(request, f"{label}: {SENTENCES[EmailTracking(tracking)]}")


def _say_result(request: HttpRequest, result: BulkChange, tracking: str) -> None:
    label = dict(CHOICES)[tracking]
    if result.changed:
        changed = ngettext(
            "%(count)s website is now on %(setting)s.",
            "%(count)s websites are now on %(setting)s.",
            len(result.changed),
        )
        messages.success(request, changed % {"count": len(result.changed), "setting": label})
    if result.proposed:
        proposed = ngettext(
            "%(count)s website waits for a second person before it is on %(setting)s.",
            "%(count)s websites wait for a second person before they are on %(setting)s.",
            len(result.proposed),
        )
        messages.warning(request, proposed % {"count": len(result.proposed), "setting": label})
    if result.unchanged:
        unchanged = ngettext(
            "%(count)s website was there already.", "%(count)s websites were there already.", len(result.unchanged)
        )
        messages.info(request, unchanged % {"count": len(result.unchanged)})
    for website, why in result.refused:
        messages.error(request, _("%(website)s was not changed. %(why)s") % {"website": website.name, "why": why})
