"""Report pages."""

from __future__ import annotations

from typing import Any

from accounts.models import Organization


def dashboard_context(organization: Organization) -> dict[str, Any]:
    return {}
