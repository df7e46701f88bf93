"""Every public address, asked in every way that is no person's: does looking change anything?

Addresses come from the resolver and from what the ASGI application answers by itself, so a new one without an example
here is an error. ``make prove-consent`` crawls the same addresses.
"""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import product
from urllib.parse import quote, urlsplit
from uuid import UUID

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.db import connections
from django.test import Client
from django.urls import Resolver404, URLResolver, get_resolver, resolve, reverse

from common.keys import encode_key, link_secrets, new_key, sign_link
from common.tenancy import tenant
from config import asgi
from delivery.connection_models import Connection
from intake.models import Confirmation
from tests.campaigns.world import ask_reader
from tests.intake.forms_world import make_form_world
from tests.privacy.pages import Home, ask_to_stay, make_home, page_of_copy
from tests.support.cast import Cast
from tests.support.hits import LONG_AGO, Copies, changed_rows, make_copies, row_versions
from tests.support.wait import wait_until
from tracking.models import TrackedContent

SHOP = "https://bread.example/rye?a=1"
PERSON = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept-Language": "fr",
}
AHEAD: Mapping[str, Mapping[str, str]] = {
    "Purpose: prefetch": PERSON | {"Purpose": "prefetch"},
    "Sec-Purpose: prefetch": PERSON | {"Sec-Purpose": "prefetch;prerender"},
    "X-Moz: prefetch": PERSON | {"X-Moz": "prefetch"},
    "X-Purpose: preview": PERSON | {"X-Purpose": "preview"},
}
SCANNERS: Mapping[str, Mapping[str, str]] = {
    name: {"User-Agent": name} if name else {}
    for name in (
        "",
        "Mozilla/5.0 (compatible; LinkScanner/1.0)",
        "BarracudaCentral/1.0",
        "Microsoft Office Existence Discovery",
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "facebookexternalhit/1.1",
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "curl/8.5.0",
    )
}
# Two signs make a machine (tracking/rules.py, ``judge``): they fetch ahead and name no language.
MACHINES = [{name: value for name, value in one.items() if name != "Accept-Language"} for one in AHEAD.values()]
ASKERS = {"a person": PERSON, **AHEAD, **SCANNERS}
METHODS = ("GET", "HEAD")
QUERIES = ("lang=de", "do=leave&both=no&act=everything&page=x&confirm=1")


@dataclass(frozen=True)
class Page:
    """An address, and what it answers to GET where it is what we take it for."""

    path: str
    statuses: tuple[int, ...] = (200,)


# --- What there is ----------------------------------------------------------------------------------------------------


def public_patterns() -> set[str]:
    """The names of all addresses that are not the console's."""
    return set(_names(get_resolver()))


def _names(resolver: URLResolver) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if not isinstance(pattern, URLResolver):
            # One without a name is found by its pattern, for which there can be no example: it fails.
            yield pattern.name or str(pattern.pattern)
        elif pattern.namespace != "admin":
            yield from _names(pattern)


def public_routes() -> set[str]:
    """The same by what they match, since two may have one name, or none."""
    return set(_routes(get_resolver(), ""))


def _routes(resolver: URLResolver, before: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern).replace("^", "")
        if not isinstance(pattern, URLResolver):
            yield route
        elif pattern.namespace != "admin":
            yield from _routes(pattern, route)


def missing_examples(pages: Mapping[str, Page]) -> set[str]:
    """Public addresses of which no page is an example, by name and by what leads there."""
    answered = set()
    for page in pages.values():
        with suppress(Resolver404):
            answered.add(resolve(page.path.partition("?")[0]).route.replace("^", ""))
    return ((public_patterns() | asgi_paths()) - set(pages)) | (public_routes() - answered)


def asgi_paths() -> set[str]:
    """What is answered before Django: the prefixes of hits, and each path that the code names."""
    named = asgi.Application._application_for.__code__.co_consts
    return {*asgi.HIT_PREFIXES, *(one for one in named if isinstance(one, str) and one.startswith("/"))}


# --- Where it is ------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """Somebody with a way to every page, and copies that may and may not be measured."""

    home: Home
    pages: dict[str, Page]
    silent: list[str]
    # A person's open of it would leave a day; a machine's must not.
    silent_to_machines: str
    # By the table in which a GET leaves something.
    measured: dict[str, list[str]]


def make_world(cast: Cast, now: datetime) -> World:
    home = make_home(cast, now)
    copies = make_copies(cast.bakery)
    silent, measured = _silent(copies), _measured(make_copies(cast.bakery))
    pages = {**_pages_of_machines(cast), **_pages_of_accounts(cast), **_pages_of_people(cast, home, now)}
    pages |= {"pixel": Page(silent[0]), "click": Page(silent[1], (302,))}
    pages |= {"/o/": Page("/o/"), "/c/": Page("/c/", (404,))}
    return World(home, pages, silent, _last_open_day(copies), measured)


def _pages_of_people(cast: Cast, home: Home, now: datetime) -> dict[str, Page]:
    client = Client()
    used, _key, _page = home.open_data(client)
    client.post(home.preferences, {"do": "link"})
    # Of Cinema: Bakery has a website of that name already.
    form = make_form_world(replace(cast, bakery=cast.cinema, ana=cast.cleo, max=cast.cleo), now)
    with tenant(cast.bakery.pk):
        confirmation = Confirmation.objects.create(
            organization=cast.bakery,
            website=home.website,
            participant=home.zoe,
            language="en",
            waiting={"attributes": {"city": "Lyon"}},
            asked_at=now,
            expires_at=now + timedelta(days=2),
        )
        confirmation.refresh_from_db()
    found = {
        "preferences": home.preferences,
        "unsubscribe": home.unsubscribe,
        "own_data": home.link(),
        "own_data, used": used,
        "stay": f"/s/{encode_key(ask_to_stay(home).key)}",
        "web_version": page_of_copy(home),
        "reply": ask_reader(home.message),
        "participation": form.address,
        "confirm-address": f"/d/{encode_key(confirmation.key)}",
        "embed-script": "/f/embed.js",
    }
    unknown = {f"{letter}, unknown": f"/{letter}/{'A' * 22}" for letter in ("p", "u", "me", "s", "f", "d", "w")}
    unknown["a, unknown"] = f"/a/{'A' * 22}/1/1"
    return {name: Page(path) for name, path in found.items()} | {
        name: Page(path, (200, 404)) for name, path in unknown.items()
    }


def _pages_of_accounts(cast: Cast) -> dict[str, Page]:
    """Whoever is not signed in gets the page, or is sent to sign in; the page of a failed sign-in answers 401."""
    key = default_token_generator.make_token(cast.ana)
    arguments = {
        "account_confirm_email": {"key": "unknown"},
        "account_invitation": {"key": "unknown"},
        "account_reset_password_from_key": {"uidb36": user_pk_to_url_str(cast.ana), "key": key},
    }
    for name in ("openid_connect_login", "openid_connect_callback"):
        arguments[name] = {"provider_id": str(UUID(int=1))}
    for name in ("mfa_edit_webauthn", "mfa_remove_webauthn"):
        arguments[name] = {"pk": "1"}
    kinds = ("account_", "mfa_", "openid_connect_", "sign_on", "socialaccount_", "usersessions_")
    names = [name for name in public_patterns() if name.startswith(kinds)]
    return {name: Page(reverse(name, kwargs=arguments.get(name)), (200, 302, 401, 404)) for name in names}


def _pages_of_machines(cast: Cast) -> dict[str, Page]:
    with tenant(cast.bakery.pk):
        connection = Connection.objects.create(organization=cast.bakery, name="Service", kind="esp", provider="brevo")
        connection.refresh_from_db()
    hook = f"/hooks/{connection.hook_key.hex}/"
    return {
        "home": Page("/", (302,)),
        "console": Page("/console/", (302,)),
        "console, sign in": Page("/console/login/", (200, 302)),
        "healthz": Page("/healthz"),
        "/healthz": Page("/healthz"),
        "readyz": Page("/readyz", (200, 503)),
        "metrics": Page("/metrics"),
        "/tls/ask": Page("/tls/ask?domain=bread.example", (200, 404)),
        # They take reports and mail by POST alone.
        "hook": Page(hook, (405,)),
        "hook_mail": Page(f"{hook}mail/", (405,)),
        "nowhere": Page("/nowhere", (404,)),
    }


def _pixel(key: UUID) -> str:
    return f"/o/{encode_key(key)}"


def _link(key: UUID) -> str:
    signature = sign_link(key, 1, SHOP, secrets=link_secrets())
    return f"/c/{encode_key(key)}/1/{signature}?to={quote(SHOP, safe='')}"


def _silent(copies: Copies) -> list[str]:
    """Pictures and links of copies that may not be measured, each for a reason of its own."""
    refused = copies.person(opens="no", clicks="no", opens_yes_since=None, opens_not_no_since=None)
    copies.permit("FR")
    keys = [
        copies.copy(refused).key,
        copies.copy(country="FR").key,
        copies.copy(country="IT").key,
        copies.copy(opens="none", clicks="none").key,
        copies.copy(decided_at=LONG_AGO - timedelta(days=1)).key,
        _shared(copies, "FR"),
        _shared(copies, "BE", "IT"),
        new_key(),
    ]
    return [address for key in keys for address in (_pixel(key), _link(key))]


def _last_open_day(copies: Copies) -> str:
    copies.permit("CH", last_open_day_since=LONG_AGO)
    return _pixel(copies.copy(country="CH", opens="last_open_day", clicks="none", subscribed=True).key)


def _shared(copies: Copies, *countries: str) -> UUID:
    """The address under which copies of one more content are counted."""
    with tenant(copies.organization.pk):
        content = TrackedContent.objects.create(organization=copies.organization, website=copies.website)
    return Copies(copies.organization, copies.website, content).shared(*countries).key


def _measured(copies: Copies) -> dict[str, list[str]]:
    """Pictures and links that may be measured, by the table in which a GET leaves something."""
    copy = copies.copy()
    copies.permit("IT", opens_anonymous_since=LONG_AGO, clicks_anonymous_since=LONG_AGO)
    shared = _shared(copies, "IT")
    return {
        "tracking_hit": [_pixel(copy.key), _link(copy.key)],
        "tracking_anonymoustotal": [_pixel(shared), _link(shared)],
    }


# --- Asking -----------------------------------------------------------------------------------------------------------


@dataclass
class Crawled:
    """How many addresses were asked how often, and what came of it."""

    addresses: int = 0
    requests: int = 0
    # What changed by looking although nothing may, by table: rows, or sequences that moved.
    changed: Counter[str] = field(default_factory=Counter)
    # Rows that the decision permits, and those that are there; the last number for whom nothing was permitted is 0.
    permitted: int = 0
    recorded: int = 0
    unexpected: list[str] = field(default_factory=list)


class Crawler:
    """Asks one server, and looks at every table before and after."""

    def __init__(self, base: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=60)
        self.crawled = Crawled()

    def ask(self, path: str, method: str = "GET", headers: Mapping[str, str] = PERSON) -> int:
        self._connection.request(method, path, headers=dict(headers))
        answer = self._connection.getresponse()
        answer.read()
        self.crawled.requests += 1
        # 429: signing in and asking for a new password are held back after some tries.
        if answer.status >= 500 and not path.startswith("/readyz"):
            self.crawled.unexpected.append(f"{method} {path} answers {answer.status}")
        return answer.status

    def close(self) -> None:
        self._connection.close()

    def waiting(self) -> int:
        """Hits that the server has taken and not stored."""
        self._connection.request("GET", "/metrics")
        lines = self._connection.getresponse().read().decode().splitlines()
        return int(float(next(line for line in lines if line.startswith("pli_hits_waiting ")).split()[1]))

    def settle(self) -> None:
        wait_until(lambda: self.waiting() == 0, what="the hits to be stored")

    def crawl(self, world: World) -> Crawled:
        """Everything in every way. Only hits of copies that may be measured may be there afterwards."""
        self._crawl_what_is_silent(world)
        for table, paths in world.measured.items():
            self._crawl_what_is_measured(table, paths)
        return self.crawled

    def _crawl_what_is_silent(self, world: World) -> None:
        self._require_examples(world)
        before = row_versions()
        for page in world.pages.values():
            status = self.ask(page.path)
            if status not in page.statuses:
                self.crawled.unexpected.append(f"{page.path} answers {status}")
            self._ask_in_every_way(page.path)
            self.crawled.addresses += 1
        for path in world.silent:
            for method, headers in product(METHODS, ASKERS.values()):
                self.ask(path, method, headers)
        for headers in MACHINES:
            self.ask(world.silent_to_machines, "GET", headers)
        self.settle()
        self.crawled.changed.update(changed_rows(before, row_versions()))

    def _require_examples(self, world: World) -> None:
        self.crawled.unexpected += [f"{name} has no example" for name in sorted(missing_examples(world.pages))]

    def _ask_in_every_way(self, path: str) -> None:
        mark = "&" if "?" in path else "?"
        for method in METHODS:
            for headers in ASKERS.values():
                self.ask(path, method, headers)
            for query in QUERIES:
                self.ask(f"{path}{mark}{query}", method)

    def _crawl_what_is_measured(self, table: str, paths: Iterable[str]) -> None:
        """HEAD leaves nothing. GET leaves a hit each, or one more on each total; and nothing else anywhere."""
        before, counted = row_versions(), _counted(table)
        asked = 0
        for path, headers in product(paths, ASKERS.values()):
            self.ask(path, "HEAD", headers)
        self.settle()
        self.crawled.changed.update(changed_rows(before, row_versions()))
        # Each from an address of its own: the same request again within seconds raises no total a second time.
        for path, (place, headers) in product(paths, enumerate(ASKERS.values(), start=1)):
            self.ask(path, "GET", {**headers, "X-Forwarded-For": f"198.51.100.{place}"})
            asked += 1
        self.settle()
        allowed = ("sequences", "tracking_hitbatch", table)
        found = changed_rows(before, row_versions())
        self.crawled.changed.update({name: rows for name, rows in found.items() if not name.startswith(allowed)})
        self.crawled.permitted += asked
        self.crawled.recorded += _counted(table) - counted


def _counted(table: str) -> int:
    """How many hits there are, or how many the totals say."""
    what = "coalesce(sum(hits), 0)" if table == "tracking_anonymoustotal" else "count(*)"
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"SELECT {what} FROM {table}")  # noqa: S608
        return int(cursor.fetchone()[0])
