"""Members, invitations, and several organizations, through the pages that they are changed on."""

from __future__ import annotations

import re
from threading import Thread
from typing import Any

import pytest
from django.core import mail
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import invitations
from accounts.members import MembersRefused, remove_member
from accounts.models import AuditEntry, Invitation, Membership, Organization, Role, User
from accounts.selectors import memberships_of
from accounts.services import add_member
from accounts.tasks import look_after_members
from common.tenancy import tenant
from tests.support.cast import PASSWORD, Cast
from tests.support.wait import somebody_waits_for_a_row, wait_until

pytestmark = pytest.mark.django_db
MEMBERS = "/console/accounts/membership/"
NEW = "a long pass phrase of three oaks"


@pytest.fixture(autouse=True)
def _mail_stays_here(settings: Any) -> None:
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def membership(organization: Organization, user: User) -> Membership:
    with tenant(organization.pk):
        return Membership.objects.get(organization=organization, user=user)


def is_member(organization: Organization, user: User) -> bool:
    with tenant(organization.pk):
        return Membership.objects.filter(organization=organization, user=user).exists()


def done_in(organization: Organization) -> list[tuple[str, str, str]]:
    with tenant(organization.pk):
        entries = AuditEntry.objects.exclude(action__startswith="session:").order_by("pk")
        return [(entry.actor_name, entry.action, entry.target) for entry in entries]


def link_to(cast: Cast, email: str, *, role: str = "viewer") -> str:
    """Ana invites, the worker mails, and somebody reads the mail."""
    signed_in(cast.ana).post(f"{MEMBERS}invite/", {"email": email, "role": role})
    return mailed_link(cast)


def mailed_link(cast: Cast) -> str:
    with tenant(cast.bakery.pk):
        (invitation,) = Invitation.objects.filter(mailed_at=None)
    assert invitations.mail_invitation(cast.bakery.pk, invitation.pk, now=timezone.now())
    (found,) = re.findall(r"https?://[^/\s]+(/accounts/invitation/\S+)", str(mail.outbox[-1].body))
    return found


# --- Owners -----------------------------------------------------------------------------------------------------------


def test_the_last_owner_stays_and_stays_an_owner(cast: Cast) -> None:
    ana, own = signed_in(cast.ana), membership(cast.bakery, cast.ana)
    page = ana.post(f"{MEMBERS}{own.pk}/role/", {"role": "viewer"}, follow=True).content.decode()
    assert "at least one owner" in page
    ana.post(f"{MEMBERS}{own.pk}/remove/")
    assert membership(cast.bakery, cast.ana).role == Role.OWNER
    other = membership(cast.bakery, cast.max)
    ana.post(f"{MEMBERS}{other.pk}/role/", {"role": "owner"})
    ana.post(f"{MEMBERS}{own.pk}/remove/")
    assert not is_member(cast.bakery, cast.ana)
    assert done_in(cast.bakery) == [
        ("ana@bakery.example", "member:role:change", "max@bakery.example"),
        ("ana@bakery.example", "member:leave", "ana@bakery.example"),
    ]


@pytest.mark.parametrize("who", ["max", "dana", "ben"])
def test_only_an_owner_says_who_works_here(cast: Cast, who: str) -> None:
    client, ana = signed_in(getattr(cast, who)), membership(cast.bakery, cast.ana)
    assert 'action="/console/accounts/membership/invite/"' not in client.get(MEMBERS).content.decode()
    for address in (f"{ana.pk}/role/", f"{ana.pk}/remove/", "invite/"):
        answer = client.post(MEMBERS + address, {"role": "viewer", "email": "eve@home.example"})
        assert answer.status_code in (302, 403)
    assert membership(cast.bakery, cast.ana).role == Role.OWNER
    with tenant(cast.bakery.pk):
        assert not Invitation.objects.exists()


def test_whoever_is_removed_sees_nothing_from_the_next_click_on(cast: Cast) -> None:
    ben, row = signed_in(cast.ben), membership(cast.bakery, cast.ben)
    assert ben.get("/console/").status_code == 200
    signed_in(cast.ana).post(f"{MEMBERS}{row.pk}/remove/")
    assert ben.get("/console/").status_code == 302


# --- Invitations ------------------------------------------------------------------------------------------------------


def test_somebody_new_is_invited_and_sets_a_password(cast: Cast) -> None:
    link = link_to(cast, "Eve@Home.example", role="marketer")
    assert mail.outbox[-1].to == ["eve@home.example"]
    eve = Client()
    for _time in range(2):
        assert 'name="password"' in eve.get(link).content.decode(), "looking uses nothing up"
    assert eve.post(link, {"full_name": "Eve", "password": "short"}).status_code == 422
    answer = eve.post(link, {"full_name": "Eve", "password": NEW})
    assert answer.headers["Location"] == "/console/"
    assert "Bakery" in eve.get("/console/").content.decode()
    user = User.objects.get(email="eve@home.example")
    assert user.check_password(NEW)
    assert membership(cast.bakery, user).role == Role.MARKETER
    assert Client().get(link).status_code == 404, "a key works once"
    assert done_in(cast.bakery) == [
        ("ana@bakery.example", "member:invite", "eve@home.example"),
        ("eve@home.example", "member:join", "eve@home.example"),
    ]


def test_the_key_stands_in_no_table(cast: Cast) -> None:
    key = link_to(cast, "eve@home.example").rstrip("/").rsplit("/", 1)[1]
    with tenant(cast.bakery.pk):
        row = Invitation.objects.values().get()
    assert bytes(row["key_hash"]) == invitations.hash_of(key)
    assert key not in str(row)


def test_a_person_with_an_account_signs_in_accepts_and_switches(cast: Cast) -> None:
    link = link_to(cast, "cleo@cinema.example", role="dpo")
    assert "There is an account" in Client().get(link).content.decode()
    assert Client().post(link, {"full_name": "Not Cleo", "password": NEW}).status_code == 422
    stranger = signed_in(cast.max)
    assert stranger.post(link).status_code == 422, "it is for another address"
    cleo = signed_in(cast.cleo)
    assert cleo.post(link).headers["Location"] == "/console/"
    assert membership(cast.bakery, cast.cleo).role == Role.DPO
    assert "<b>Bakery</b>" in cleo.get("/console/").content.decode()
    choose = reverse("account_organizations")
    assert cleo.get(choose, {"organization": cast.cinema.pk}).status_code == 200
    assert "<b>Bakery</b>" in cleo.get("/console/").content.decode(), "looking switches nothing"
    cleo.post(choose, {"organization": cast.cinema.pk})
    assert "<b>Cinema</b>" in cleo.get("/console/").content.decode()
    assert signed_in(cast.ben).post(choose, {"organization": cast.cinema.pk}).status_code == 404


def test_sent_again_withdrawn_or_old_a_link_opens_nothing(cast: Cast) -> None:
    first = link_to(cast, "eve@home.example")
    with tenant(cast.bakery.pk):
        pk = Invitation.objects.get().pk
    ana = signed_in(cast.ana)
    ana.post(f"{MEMBERS}invitations/{pk}/resend/")
    assert Client().get(first).status_code == 404
    second = mailed_link(cast)
    assert second != first
    assert Client().get(second).status_code == 200
    with tenant(cast.bakery.pk):
        Invitation.objects.update(expires_at=timezone.now())
    assert Client().get(second).status_code == 404
    look_after_members()
    with tenant(cast.bakery.pk):
        assert not Invitation.objects.exists()
    third = link_to(cast, "eve@home.example")
    with tenant(cast.bakery.pk):
        pk = Invitation.objects.get().pk
    ana.post(f"{MEMBERS}invitations/{pk}/withdraw/")
    assert Client().get(third).status_code == 404


def test_inviting_does_not_tell_who_has_an_account(cast: Cast) -> None:
    ana = signed_in(cast.ana)
    said = []
    for email in ("cleo@cinema.example", "nobody@home.example"):
        page = ana.post(f"{MEMBERS}invite/", {"email": email, "role": "viewer"}, follow=True).content.decode()
        assert "Invited. The mail is on its way." in page
        said.append(re.sub(r"\d+", "", page.split('id="invitations-heading"')[1]).count("<form"))
    assert said[1] == said[0] + 2, "one row with its two buttons more, whoever it is"


# --- Signing up -------------------------------------------------------------------------------------------------------


def test_sign_up_is_closed_unless_the_operator_opens_it(cast: Cast) -> None:
    form = {"email": "fay@home.example", "password1": NEW, "password2": NEW}
    Client().post(reverse("account_signup"), form)
    assert not User.objects.filter(email="fay@home.example").exists()
    assert signed_in(cast.ana).post(reverse("account_organizations"), {"name": "Mill"}).status_code == 404


def test_whoever_signs_up_confirms_the_address_and_founds_an_organization(settings: Any) -> None:
    settings.SIGN_UP_OPEN = True
    fay = Client()
    fay.post(reverse("account_signup"), {"email": "fay@home.example", "password1": NEW, "password2": NEW})
    assert fay.get("/console/").status_code == 302
    (link,) = re.findall(r"https?://[^/\s]+(/accounts/confirm-email/\S+/)", str(mail.outbox[-1].body))
    fay.get(link)
    Client().post(reverse("account_login"), {"login": "fay@home.example", "password": NEW})
    fay.post(link)
    fay.post(reverse("account_login"), {"login": "fay@home.example", "password": NEW})
    assert fay.get("/console/", follow=True).redirect_chain[-1][0].startswith(reverse("account_organizations"))
    given = {"name": "Mill", "legal_address": "Mill Road 1", "timezone": "Europe/Paris"}
    assert fay.post(reverse("account_organizations"), given).headers["Location"] == "/console/"
    assert "<b>Mill</b>" in fay.get("/console/").content.decode()
    (door,) = memberships_of(User.objects.get(email="fay@home.example"))
    with tenant(door.organization_id):
        assert done_in(Organization.objects.get()) == [("fay@home.example", "organization:create", "Mill")]


def test_signing_up_says_the_same_of_every_address(cast: Cast, settings: Any) -> None:
    settings.SIGN_UP_OPEN = True
    answers = [
        Client().post(reverse("account_signup"), {"email": email, "password1": NEW, "password2": NEW})
        for email in ("ana@bakery.example", "fay@home.example")
    ]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert User.objects.get(email="ana@bakery.example").check_password(PASSWORD)


# --- Sign-ins ---------------------------------------------------------------------------------------------------------


def test_sign_ins_are_in_the_trail_of_each_organization_of_the_person(cast: Cast) -> None:
    add_member(cast.cinema, cast.ana, role=Role.VIEWER, now=timezone.now())
    assert (
        Client()
        .post(reverse("account_login"), {"login": "ana@bakery.example", "password": PASSWORD})
        .headers["Location"]
        == "/console/"
    )
    for organization in (cast.bakery, cast.cinema):
        with tenant(organization.pk):
            (entry,) = AuditEntry.objects.filter(action="session:sign_in")
            assert (entry.actor_name, entry.details) == ("ana@bakery.example", {"by": ["password"]})


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_two_owners_who_leave_at_once_do_not_both_go(cast: Cast) -> None:
    add_member(cast.bakery, cast.max, role=Role.OWNER, now=timezone.now())
    own = {user: membership(cast.bakery, user) for user in (cast.ana, cast.max)}
    told: list[str] = []

    def max_leaves() -> None:
        try:
            remove_member(cast.bakery, own[cast.max].pk, actor=cast.max, now=timezone.now())
        except MembersRefused as refusal:
            told.append(str(refusal))
        finally:
            connection.close()

    second = Thread(target=max_leaves)
    with tenant(cast.bakery.pk):
        remove_member(cast.bakery, own[cast.ana].pk, actor=cast.ana, now=timezone.now())
        second.start()
        wait_until(lambda: not second.is_alive() or _waits_for_a_lock(), what="the second to wait for the first")
    second.join()
    assert told == ["An organization keeps at least one owner. Make another member an owner first."]
    assert is_member(cast.bakery, cast.max)


def _waits_for_a_lock() -> bool:
    with connections["owner"].cursor() as cursor:
        return somebody_waits_for_a_row(cursor)
