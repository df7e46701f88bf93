"""The doors of sending services."""

from __future__ import annotations

from django.urls import path

from delivery import webhooks

urlpatterns = [
    path("hooks/<str:key>/", webhooks.hook, name="hook"),
    path("hooks/<str:key>/mail/", webhooks.returned_mail, name="hook_mail"),
]
