from __future__ import annotations

from django.urls import path

from privacy import views

urlpatterns = [
    path("p/<str:key>", views.preferences, name="preferences"),
    path("u/<str:key>", views.unsubscribe, name="unsubscribe"),
    path("me/<str:key>", views.own_data, name="own_data"),
    path("s/<str:key>", views.stay, name="stay"),
    path("w/<str:key>", views.web_version, name="web_version"),
]
