"""What allauth asks us."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Members are added by an owner or by ``manage.py create_member``."""
        return False

    def get_from_email(self) -> str:
        return str(settings.DEFAULT_FROM_EMAIL)
