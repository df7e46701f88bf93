"""Console: who works in the organization."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin.base import TenantAdmin
from accounts.models import Membership, Role


@admin.register(Membership)
class MembershipAdmin(TenantAdmin):
    """Who works here. Operators add members by ``manage.py create_member``."""

    editors: ClassVar[frozenset[str]] = frozenset({Role.OWNER})
    list_display = ("user", "role", "created_at")
    fields = ("user", "role", "created_at")
    readonly_fields = ("user", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
