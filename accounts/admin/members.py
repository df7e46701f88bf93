"""Console: who works in the organization, who is asked in, and which operators are inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget

from accounts.admin.base import TenantAdmin
from accounts.forms import InviteForm
from accounts.impersonation import current_impersonations, end_impersonation
from accounts.invitations import invite, resend_invitation, withdraw_invitation
from accounts.members import MembersRefused, NothingThere, change_role, remove_member
from accounts.models import Invitation, Membership, Organization, Role, User
from accounts.signed_in import member_of, organization_of, role_of

type Work = Callable[[Organization, User], str]


class ConsoleInviteForm(InviteForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget = UnfoldAdminEmailInputWidget()
        self.fields["role"].widget = UnfoldAdminSelectWidget(choices=Role.choices)


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """One page for all of it. Every change has an address of its own, takes POST alone, and passes the services."""

    editors: ClassVar[frozenset[str]] = frozenset()
    fields = ("user", "role", "created_at")
    readonly_fields = fields

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        own = [
            self._post("invite/", self.invite_view, "invite"),
            self._post("invitations/<int:pk>/resend/", self.resend_view, "resend"),
            self._post("invitations/<int:pk>/withdraw/", self.withdraw_view, "withdraw"),
            self._post("operators/<int:pk>/end/", self.end_impersonation_view, "end_impersonation"),
            self._post("<int:pk>/role/", self.role_view, "role"),
            self._post("<int:pk>/remove/", self.remove_view, "remove", everybody=True),
        ]
        return own + super().get_urls()

    def _post(
        self, address: str, view: Callable[..., HttpResponse], name: str, *, everybody: bool = False
    ) -> URLPattern:
        def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not self._may_change(request) and not everybody:
                raise PermissionDenied
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            return view(request, **kwargs)

        return path(address, self.admin_site.admin_view(checked), name=f"accounts_membership_{name}")

    @staticmethod
    def _may_change(request: HttpRequest) -> bool:
        """Owners; not an operator in an owner's place."""
        return role_of(request) == Role.OWNER and getattr(request, "impersonation", None) is None

    # --- The page -----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._page(request, ConsoleInviteForm(initial={"role": Role.VIEWER}))

    def _page(self, request: HttpRequest, form: ConsoleInviteForm) -> HttpResponse:
        organization, now = organization_of(request), timezone.now()
        may_change = self._may_change(request)
        invitations = Invitation.objects.filter(organization=organization).order_by("invited_at")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Members"),
            "members": self.get_queryset(request).select_related("user").order_by("user__email"),
            "invitations": invitations if may_change else [],
            "impersonations": current_impersonations(organization, now=now),
            "may_change": may_change,
            "organization": organization,
            "roles": Role.choices,
            "form": form,
            "now": now,
        }
        return TemplateResponse(request, "accounts/members.html", context, status=422 if form.errors else 200)

    # --- Changes ------------------------------------------------------------------------------------------------------

    def invite_view(self, request: HttpRequest) -> HttpResponse:
        form = ConsoleInviteForm(request.POST)
        if not form.is_valid():
            return self._page(request, form)
        given, now = form.cleaned_data, timezone.now()

        def work(organization: Organization, actor: User) -> str:
            invite(organization, given["email"], role=given["role"], actor=actor, now=now)
            return _("Invited. The mail is on its way.")

        return self._do(request, work)

    def resend_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def work(organization: Organization, actor: User) -> str:
            resend_invitation(organization, pk, actor=actor, now=timezone.now())
            return _("Sent again. The link of the mail before opens nothing any more.")

        return self._do(request, work)

    def withdraw_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def work(organization: Organization, actor: User) -> str:
            withdraw_invitation(organization, pk, actor=actor, now=timezone.now())
            return _("Withdrawn.")

        return self._do(request, work)

    def role_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def work(organization: Organization, actor: User) -> str:
            change_role(organization, pk, role=request.POST.get("role", ""), actor=actor, now=timezone.now())
            return _("Changed.")

        return self._do(request, work)

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def work(organization: Organization, actor: User) -> str:
            remove_member(organization, pk, actor=actor, now=timezone.now())
            return _("Removed.")

        return self._do(request, work)

    def end_impersonation_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        def work(organization: Organization, actor: User) -> str:
            if not end_impersonation(organization, pk, actor=actor, now=timezone.now()):
                raise Http404
            return _("Ended.")

        return self._do(request, work)

    @staticmethod
    def _do(request: HttpRequest, work: Work) -> HttpResponse:
        try:
            messages.success(request, work(organization_of(request), member_of(request)))
        except NothingThere as gone:
            raise Http404 from gone
        except MembersRefused as refusal:
            messages.error(request, str(refusal))
        return HttpResponseRedirect(reverse("admin:accounts_membership_changelist"))
