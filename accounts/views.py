"""Where looking at allauth's pages would change something (rule H2)."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import UserTokenForm
from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


@method_decorator(never_cache, name="dispatch")
class PasswordFromKeyView(PasswordResetFromKeyView):
    """The link in the mail of a forgotten password, without a session: scanners open it before the person does.

    allauth puts the key into a session to keep it out of Referer headers. Ours tell other sites nothing
    (``SECURE_REFERRER_POLICY``), and a key works once.
    """

    def dispatch(self, request: HttpRequest, uidb36: str, key: str, **kwargs: Any) -> HttpResponseBase:
        self.request, self.key = request, key
        token = UserTokenForm(data={"uidb36": uidb36, "key": key})
        self.reset_user = token.reset_user if token.is_valid() else None
        if self.reset_user is None:
            return self.render_to_response(self.get_context_data(token_fail=True))
        if request.method == "POST" and request.user.is_authenticated and request.user.pk != self.reset_user.pk:
            self.logout()
        return super(PasswordResetFromKeyView, self).dispatch(request, uidb36, key, **kwargs)
