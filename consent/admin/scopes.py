"""Consent scopes: which websites one yes covers (rules C8)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.admin import TenantAdmin
from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of, role_of
from consent.forms import MoveForm
from consent.models import ProposalKind
from consent.selectors import open_proposals
from consent.services import PolicyRefused, create_scope, propose_change, rename_scope
from websites.models import ConsentScope, Website
from websites.services import lock_website


class ScopeForm(forms.ModelForm):
    """The name of a scope."""

    # Set by the admin, per request.
    organization: ClassVar[Organization]

    class Meta:
        model = ConsentScope
        fields = ("name",)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        same = ConsentScope.objects.filter(organization=self.organization, name=name).exclude(pk=self.instance.pk)
        if same.exists():
            raise ValidationError(_("There is a consent scope with this name already."))
        return name


@admin.register(ConsentScope)
class ConsentScopeAdmin(TenantAdmin):
    """An owner makes and names scopes; a website moves with two people."""

    class Media:
        css = {"all": ("console/websites.css",)}

    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER})
    form = ScopeForm
    list_display = ("name", "count", "is_default")
    search_fields = ("name",)
    ordering = ("-is_default", "name")
    fields = ("name",)
    change_form_outer_after_template = "consent/scope_sections.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConsentScope]:
        return super().get_queryset(request).annotate(number=Count("websites"))

    @display(description=gettext_lazy("Websites"), ordering="number")
    def count(self, scope: Any) -> int:
        return cast("int", scope.number)

    def get_form(self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.organization = organization_of(request)
        return form

    def save_model(self, request: HttpRequest, obj: ConsentScope, form: Any, change: bool) -> None:
        organization, author = organization_of(request), member_of(request)
        if change:
            rename_scope(organization, obj, name=obj.name, author=author)
            return
        made = create_scope(organization, name=obj.name, author=author, now=timezone.now())
        obj.__dict__.update(made.__dict__)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        organization = organization_of(request)
        scope = self.get_object(request, object_id)
        context = {
            **(extra_context or {}),
            "scope": scope,
            "covered": Website.objects.filter(organization=organization, consent_scope=scope).order_by("name"),
            "coming": [
                one
                for one in open_proposals(organization).filter(kind=ProposalKind.CONSENT_SCOPE)
                if scope is not None and one.wanted.get("consent_scope") == scope.pk
            ],
            "move_form": self._move_form(request, scope),
            "may_move": role_of(request) == Role.OWNER,
        }
        return super().change_view(request, object_id, form_url, context)

    def _move_form(self, request: HttpRequest, scope: ConsentScope | None) -> MoveForm:
        others = Website.objects.filter(organization=organization_of(request)).exclude(consent_scope=scope)
        return MoveForm(request.POST or None, websites=others.order_by("name"))

    def get_urls(self) -> list[URLPattern]:
        move = path("<int:pk>/move/", self.admin_site.admin_view(self.move_view), name="websites_consentscope_move")
        return [move, *super().get_urls()]

    def move_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a website to belong to this scope; it takes a second person."""
        organization = organization_of(request)
        scope = self.get_object(request, str(pk))
        if scope is None:
            self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        if not self.has_change_permission(request, scope):
            return HttpResponse(status=403)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = self._move_form(request, scope)
        if form.is_valid():
            website = form.cleaned_data["website"]
            lock_website(organization, website.pk)
            try:
                propose_change(
                    organization,
                    website,
                    kind=ProposalKind.CONSENT_SCOPE,
                    wanted={"consent_scope": scope.pk},
                    reason=form.cleaned_data["reason"],
                    author=member_of(request),
                    now=timezone.now(),
                )
            except PolicyRefused as refusal:
                messages.error(request, str(refusal))
            else:
                messages.warning(request, _("Waits for a second person: %(website)s.") % {"website": website.name})
        else:
            messages.error(request, _("Choose a website and say why it moves."))
        return HttpResponseRedirect(reverse("admin:websites_consentscope_change", args=[scope.pk]))
