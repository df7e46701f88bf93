"""The page on which people answer a question of an email."""

from __future__ import annotations

from django.urls import path

from campaigns import views

urlpatterns = [path("a/<str:key>/<int:question>/<int:answer>", views.reply, name="reply")]
