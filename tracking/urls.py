from __future__ import annotations

from django.urls import path

from tracking import views

urlpatterns = [
    path("o/<path:rest>", views.hit, name="pixel"),
    path("c/<path:rest>", views.hit, name="click"),
]
