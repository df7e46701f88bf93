"""Privacy > Retention and > Inactivity: limits, a count before anything happens, and what was done (rules U4, U6)."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Organization
from accounts.signed_in import member_of, organization_of
from privacy.admin.base import DutyPages, back_to
from privacy.admin.forms import InactivityForm, KeepingForm, SlowDownForm, websites_of
from privacy.models import InactivityRule
from privacy.reasons import counted_sentences
from privacy.registers import keeping_of, keeping_runs
from privacy.services.inactivity import count_rule, set_rule, set_slow_down, switch_rule, switch_slow_down
from privacy.services.retention import apply_retention, save_keeping
from tracking.forgetting import hit_keeping
from websites.models import Website


class KeepingPages(DutyPages):
    def keeping_urls(self) -> list[URLPattern]:
        return [
            self.duty("retention/", self.keeping_view, "retention"),
            self.duty("inactivity/", self.inactivity_view, "inactivity"),
            self.duty("inactivity/<int:website>/", self.inactivity_rule_view, "inactivity_rule"),
        ]

    def keeping_view(self, request: HttpRequest) -> HttpResponse:
        """The limits and the reports. A count is made at once, since it removes nothing."""
        organization, now = organization_of(request), timezone.now()
        if request.method == "POST" and "count" in request.POST:
            apply_retention(organization, now=now, only_count=True, actor=member_of(request))
            return back_to("privacy_personrequest_retention")
        hits = hit_keeping(organization)
        form = KeepingForm(
            request.POST or None,
            instance=keeping_of(organization),
            initial={"hits_months": hits.months, "on_withdrawal": hits.on_withdrawal},
        )
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            save_keeping(
                organization,
                form.save(commit=False),
                hits_months=given["hits_months"],
                on_withdrawal=given["on_withdrawal"],
                actor=member_of(request),
                now=now,
            )
            messages.success(request, _("Saved. It is carried out every night."))
            return back_to("privacy_personrequest_retention")
        runs = [(run, counted_sentences(run.counts)) for run in keeping_runs(organization)]
        status = 422 if form.errors else 200
        return self.page(request, "retention.html", _("Retention"), status, form=form, media=form.media, runs=runs)

    def inactivity_view(self, request: HttpRequest) -> HttpResponse:
        organization, now = organization_of(request), timezone.now()
        rules = {
            rule.website_id: rule
            for rule in InactivityRule.objects.filter(organization=organization).select_related("website")
        }
        rows = []
        for website in websites_of(organization):
            rule = rules.get(website.pk)
            rows.append((website, rule, count_rule(organization, rule, now=now) if rule else None))
        return self.page(request, "inactivity.html", _("Inactivity"), rows=rows)

    def inactivity_rule_view(self, request: HttpRequest, website: int) -> HttpResponse:
        """The rule of one website. Each half can be switched on once it was saved, and its counts were shown."""
        organization, now = organization_of(request), timezone.now()
        site = _website_or_404(organization, website)
        rule = InactivityRule.objects.filter(organization=organization, website=site).first()
        if request.method == "POST" and rule is not None and {"switch", "switch_slow"} & request.POST.keys():
            self._switch(request, organization, rule)
            return back_to("privacy_personrequest_inactivity_rule", site.pk)
        kept = rule or InactivityRule()
        typed = request.POST if request.method == "POST" else None
        is_slow = typed is not None and "slow-months" in typed
        form = InactivityForm(
            None if is_slow else typed, initial={"months": kept.months, "answer_days": kept.answer_days}
        )
        slow_form = SlowDownForm(typed if is_slow else None, initial={"months": kept.slow_months, "cap": kept.slow_cap})
        changed: InactivityForm | SlowDownForm = slow_form if is_slow else form
        if changed.is_valid():
            keep: Callable[..., InactivityRule] = set_slow_down if is_slow else set_rule
            keep(organization, site, **changed.cleaned_data, actor=member_of(request), now=now)
            return back_to("privacy_personrequest_inactivity_rule", site.pk)
        return self.page(
            request,
            "inactivity_rule.html",
            _("Inactivity on %(website)s") % {"website": site.name},
            422 if changed.errors else 200,
            form=form,
            slow_form=slow_form,
            media=form.media + slow_form.media,
            website=site,
            rule=rule,
            counts=count_rule(organization, rule, now=now) if rule else None,
        )

    def _switch(self, request: HttpRequest, organization: Organization, rule: InactivityRule) -> None:
        actor, now = member_of(request), timezone.now()
        if "switch_slow" in request.POST:
            on = request.POST["switch_slow"] == "on"
            switch_slow_down(organization, rule, on=on, actor=actor, now=now)
            said = _("It counts from the next email on.") if on else _("Everybody gets as many emails as before.")
        else:
            on = request.POST["switch"] == "on"
            switch_rule(organization, rule, on=on, actor=actor, now=now)
            said = _("It asks people from tonight on.") if on else _("It asks nobody any more.")
        messages.success(request, said)


def _website_or_404(organization: Organization, pk: int) -> Website:
    website = Website.objects.filter(organization=organization, pk=pk).first()
    if website is None:
        raise Http404
    return website
