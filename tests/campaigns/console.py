"""Short ways through the console."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(row: Any, name: str = "change", *more: Any) -> str:
    return reverse(f"admin:campaigns_{row._meta.model_name}_{name}", args=[row.pk, *more])


def said(response: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))  # type: ignore[attr-defined]
