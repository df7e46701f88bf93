"""The people of the tests; tests/conftest.py introduces them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from accounts.models import Organization, User
from accounts.services import add_member, create_organization

PASSWORD = "correct horse battery staple"
ADDRESS = "Rue du Four 1, 1000 Bruxelles"


@dataclass(frozen=True)
class Cast:
    bakery: Organization
    cinema: Organization
    ana: User
    max: User
    dana: User
    ben: User
    cleo: User


def make_member(organization: Organization, name: str, role: str, *, now: datetime) -> User:
    email = f"{name}@{organization.name.lower()}.example"
    user = User.objects.create_user(email, PASSWORD, full_name=name.title())
    add_member(organization, user, role=role, now=now)
    return user


def make_cast(now: datetime) -> Cast:
    bakery = create_organization(name="Bakery", legal_name="Bakery SA", legal_address=ADDRESS, now=now)
    cinema = create_organization(name="Cinema", legal_name="Cinema SA", legal_address=ADDRESS, now=now)
    return Cast(
        bakery=bakery,
        cinema=cinema,
        ana=make_member(bakery, "ana", "owner", now=now),
        max=make_member(bakery, "max", "marketer", now=now),
        dana=make_member(bakery, "dana", "dpo", now=now),
        ben=make_member(bakery, "ben", "viewer", now=now),
        cleo=make_member(cinema, "cleo", "owner", now=now),
    )


def days_around(cast: Cast, first_kept: datetime) -> tuple[datetime, datetime]:
    """The last moment before a day, and its first, on the clock of the bakery."""
    begin = datetime.combine(first_kept, time.min, tzinfo=ZoneInfo(cast.bakery.timezone))
    return begin - timedelta(seconds=1), begin
