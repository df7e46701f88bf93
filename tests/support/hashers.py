"""Passwords of the tests."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class QuickHasher(PBKDF2PasswordHasher):
    """One round instead of a million: a server started with the real settings reads it all the same."""

    iterations = 1
