"""All addresses. Recipients' pages have one letter each, so that links in mails stay short."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("console/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("delivery.urls")),
    path("", include("tracking.urls")),
    path("", include("intake.urls")),
    path("", include("privacy.urls")),
]
