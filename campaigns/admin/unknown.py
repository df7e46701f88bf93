"""Results > May have been sent: messages of which nobody knows, and what somebody makes of them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Model, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from accounts.admin import DropdownFilter
from accounts.models import Organization, Role
from accounts.signed_in import member_of, organization_of
from campaigns.admin.base import PagesBelowRowsAdmin, role_may_not_change
from campaigns.models import Launch
from delivery.models import Message, MessageStatus, UncertainMessage
from delivery.unknown import Resolved, decisions_about, may_be_sent_again, resolve_unknown, what_would_settle
from delivery.unknown_service import may_still_leave, resolve_unknown_service, unknown_service_messages

# As many single messages as are shown at once, above the copies of launches.
SINGLE = 20
LIST = "admin:delivery_uncertainmessage_changelist"


class LaunchFilter(DropdownFilter):
    """Launches of which something is in doubt."""

    title = gettext_lazy("launch")
    parameter_name = "launch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        doubtful = Launch.objects.filter(
            organization=organization_of(request), mailing__messages__status=MessageStatus.UNKNOWN
        )
        names = doubtful.order_by("-pk").values_list("pk", "email__name").distinct()[:100]
        return [(str(pk), f"{name} ({pk})") for pk, name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(mailing__launch=int(value)) if value and value.isdecimal() else queryset


@admin.register(UncertainMessage)
class UncertainMessageAdmin(PagesBelowRowsAdmin):
    # Who may see the mail of single persons.
    readers: ClassVar[frozenset[str]] = frozenset({Role.OWNER, Role.MARKETER, Role.DPO})
    list_display = ("address", "email", "since", "way", "words")
    list_display_links = ("address",)
    list_filter: ClassVar[list[Any]] = [LaunchFilter]
    list_filter_submit = True
    list_select_related = ("participant", "connection", "mailing__launch__email")
    list_per_page = 50
    ordering = ("uncertain_at", "pk")
    actions = ("count_as_sent", "send_again")
    list_before_template = "campaigns/unknown_intro.html"

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["console/campaigns-email.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(status=MessageStatus.UNKNOWN)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A message is never edited; the buttons ask for the role themselves."""
        return False

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return not role_may_not_change(self, request)

    # --- Columns

    @display(description=gettext_lazy("address"))
    def address(self, message: Message) -> str:
        return message.participant.email if message.participant is not None else _("(erased)")

    @display(description=gettext_lazy("email"))
    def email(self, message: Message) -> str:
        launch = getattr(message.mailing, "launch", None)
        return launch.email.name if launch is not None else message.mailing.get_purpose_display()

    @display(description=gettext_lazy("when"), ordering="uncertain_at")
    def since(self, message: Message) -> Any:
        return message.uncertain_at

    @display(description=gettext_lazy("connection"))
    def way(self, message: Message) -> str:
        return message.connection.name if message.connection is not None else _("Mail server of this installation")

    @display(description=gettext_lazy("what happened"))
    def words(self, message: Message) -> str:
        return message.error or _("The program that sent it ended before it heard the answer.")

    # --- Pages

    def get_urls(self) -> list[URLPattern]:
        single = path(
            "single/<int:pk>/",
            self.admin_site.admin_view(self.single_view),
            name="delivery_uncertainmessage_single",
        )
        return [single, self.button("count", self._count), self.button("again", self._again), *super().get_urls()]

    def find(self, organization: Organization, pk: int) -> Any:
        mine = UncertainMessage.objects.filter(organization=organization, pk=pk, status=MessageStatus.UNKNOWN)
        return mine.select_related("participant", "connection", "mailing__launch__email", "mailing__website").first()

    def address_of(self, row: Model) -> str:
        """It has left the list, and so has its page."""
        return reverse(LIST)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With the messages to single persons, which no launch sent."""
        organization, now = organization_of(request), timezone.now()
        single = unknown_service_messages(organization)
        context = {
            "single": single.annotate(may_leave=Case(When(may_still_leave(now), then=True), default=False))[:SINGLE],
            "single_total": single.count(),
            "may_decide": self.has_resolve_permission(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def single_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What somebody makes of a message to one person."""
        organization = organization_of(request)
        is_there = unknown_service_messages(organization).filter(pk=pk).exists()
        if not is_there or not self.has_view_permission(request):
            raise Http404
        if not self.has_resolve_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        resend, now = request.POST.get("decision") == "again", timezone.now()
        done = resolve_unknown_service(organization, pk, resend=resend, actor=member_of(request), now=now)
        self._say(request, (Resolved(resent=1) if resend else Resolved(counted=1)) if done else Resolved(left=1))
        return HttpResponseRedirect(reverse(LIST))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        message = self.find_or_404(request, int(object_id) if object_id.isdecimal() else 0)
        organization = organization_of(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.address(message),
            "message": message,
            "email_name": self.email(message),
            "way": self.way(message),
            "words": self.words(message),
            "settles": what_would_settle(message),
            "decisions": decisions_about(organization, message),
            "may_decide": self.has_resolve_permission(request),
            "may_be_sent_again": may_be_sent_again(organization, message),
        }
        return TemplateResponse(request, "campaigns/unknown_message.html", context)

    # --- One

    def _count(self, request: HttpRequest, message: Message) -> None:
        self._resolve(request, [message.pk], resend=False)

    def _again(self, request: HttpRequest, message: Message) -> None:
        self._resolve(request, [message.pk], resend=True)

    # --- Many

    @admin.action(description=gettext_lazy("Count as sent"), permissions=["resolve"])
    def count_as_sent(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._resolve(request, list(queryset.values_list("pk", flat=True)), resend=False)

    @admin.action(description=gettext_lazy("Send again…"), permissions=["resolve"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Only after somebody has read what it may do."""
        ids = list(queryset.order_by("pk").values_list("pk", flat=True))
        if request.POST.get("confirmed"):
            self._resolve(request, ids, resend=True)
            return HttpResponseRedirect(request.get_full_path())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Send again?"),
            "number": len(ids),
            "fields": [
                (name, value)
                for name in ("action", "select_across", "index", "_selected_action")
                for value in request.POST.getlist(name)
            ],
        }
        return TemplateResponse(request, "campaigns/unknown_again.html", context)

    def _resolve(self, request: HttpRequest, ids: list[int], *, resend: bool) -> None:
        resolved = resolve_unknown(
            organization_of(request), ids, resend=resend, actor=member_of(request), now=timezone.now()
        )
        self._say(request, resolved)
        if resolved == Resolved():
            messages.info(request, _("Nothing was left to decide: news came first, or somebody else."))

    def _say(self, request: HttpRequest, resolved: Resolved) -> None:
        for level, sentence in _sentences(resolved):
            messages.add_message(request, level, sentence)


def _sentences(resolved: Resolved) -> list[tuple[int, str]]:
    found = []
    if resolved.counted:
        words = ngettext("%(n)s message counts as sent.", "%(n)s messages count as sent.", resolved.counted)
        found.append((messages.SUCCESS, words % {"n": resolved.counted}))
    if resolved.resent:
        words = ngettext("%(n)s message is sent again.", "%(n)s messages are sent again.", resolved.resent)
        found.append((messages.SUCCESS, words % {"n": resolved.resent}))
    if resolved.left:
        words = ngettext(
            "%(n)s message cannot be sent again: its launch was cancelled, its person erased, or its data forgotten.",
            "%(n)s messages cannot be sent again: their launch was cancelled, their person erased, or their data "
            "forgotten.",
            resolved.left,
        )
        found.append((messages.WARNING, words % {"n": resolved.left}))
    return found
