from __future__ import annotations

from django.urls import path

from intake import views

urlpatterns = [
    path("f/embed.js", views.embed_script, name="embed-script"),
    path("f/<str:key>", views.participation, name="participation"),
    path("d/<str:key>", views.confirmation, name="confirm-address"),
]
