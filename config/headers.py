"""What no page of ours asks a browser for."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_NEVER = (
    "accelerometer", "autoplay", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone",
    "midi", "payment", "usb", "xr-spatial-tracking",
)  # fmt: skip
# Passkeys are for pages of our own, and not for what stands in a frame.
PERMISSIONS = ", ".join(
    [*(f"{name}=()" for name in _NEVER), *(f"publickey-credentials-{what}=(self)" for what in ("get", "create"))]
)


class PermissionsPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response
