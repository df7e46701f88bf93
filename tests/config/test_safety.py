"""Unsafe settings stop the start with a sentence; each answer carries our headers."""

from __future__ import annotations

import pytest
from django.test import Client

from config.safety import unsafe_settings

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
