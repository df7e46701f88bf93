"""Unsafe settings stop the start with a sentence; each answer carries our headers."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from config.safety import unsafe_settings
from tests.support.cast import PASSWORD, Cast

SETTINGS = Path(__file__).parents[2] / "config" / "settings.py"
# What follows from the scheme of the base address.
BY_SCHEME = (
    "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SECURE_SSL_REDIRECT",
    "SECURE_PROXY_SSL_HEADER", "SECURE_HSTS_SECONDS", "ALLOWED_HOSTS", "BASE_URL",
)  # fmt: skip

SAFE = {
    "PLI_BASE_URL": "https://pli.example.org",
    "PLI_ALLOWED_HOSTS": "pli.example.org",
    "PLI_SECRET_KEY": f"{'n' * 40},{'o' * 40}",
}


def test_safe_settings_start() -> None:
    assert list(unsafe_settings(SAFE)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PLI_BASE_URL", "http://pli.example.org"),
        ("PLI_BASE_URL", ""),
        ("PLI_ALLOWED_HOSTS", "*"),
        ("PLI_ALLOWED_HOSTS", ".example.org,*"),
        ("PLI_ALLOWED_HOSTS", ""),
        ("PLI_SECRET_KEY", ""),
        ("PLI_SECRET_KEY", f"{'n' * 40},short"),
        ("PLI_DEBUG", "true"),
        ("PLI_DEBUG", " OK"),
    ],
)
def test_an_unsafe_setting_is_named(name: str, value: str) -> None:
    (sentence,) = unsafe_settings(SAFE | {name: value})
    assert sentence.startswith(name)


@pytest.mark.django_db
def test_pages_carry_our_headers() -> None:
    answer = Client().get("/accounts/login/")
    assert "camera=()" in answer["Permissions-Policy"]
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.django_db
def test_over_https_cookies_are_of_this_host_alone_and_browsers_come_back_the_same_way(
    cast: Cast, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLI_BASE_URL", "https://pli.example.org")
    monkeypatch.setenv("PLI_ALLOWED_HOSTS", "pli.example.org")
    told = runpy.run_path(str(SETTINGS))
    for name in BY_SCHEME:
        setattr(settings, name, told[name])
    host = {"host": "pli.example.org"}
    plain = Client().get("/accounts/login/", headers=host)
    assert (plain.status_code, plain["Location"]) == (301, "https://pli.example.org/accounts/login/")
    client = Client()
    page = client.get("/accounts/login/", secure=True, headers=host)
    assert page["Strict-Transport-Security"] == "max-age=31536000"
    form = {"login": cast.ana.email, "password": PASSWORD}
    answer = client.post("/accounts/login/", form, secure=True, headers=host)
    cookies = {**page.cookies, **answer.cookies}
    assert set(cookies) == {"__Host-sessionid", "__Host-csrftoken"}
    for cookie in cookies.values():
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
        assert cookie["samesite"] == "Lax"
    assert cookies["__Host-sessionid"]["httponly"]
