"""Human, machine or unsure: judged from headers, in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracking import models, rules
from tracking.asgi import judge_headers
from tracking.rules import Actor, AgentKind, judge, load_agents

THUNDERBIRD = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Thunderbird/145.0"
OUTLOOK = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
BINGBOT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
PHONE = "Mozilla/5.0 (Linux; Android 9; CUBOT_NOTE_20) AppleWebKit/537.36 Chrome/99.0 Mobile Safari/537.36"


def actor_of(user_agent: str, language: str = "fr", **others: str) -> Actor:
    headers = {"user-agent": user_agent, "accept-language": language}
    headers |= {name.replace("_", "-"): value for name, value in others.items()}
    return judge_headers([(name.encode(), value.encode()) for name, value in headers.items() if value]).actor


def test_the_words_are_those_of_the_stored_hits() -> None:
    assert {actor.name: actor.value for actor in rules.Actor} == {actor.name: actor.value for actor in models.Actor}


@pytest.mark.parametrize(
    ("user_agent", "language", "expected"),
    [
        (THUNDERBIRD, "fr", Actor.HUMAN),
        (PHONE, "fr", Actor.HUMAN),
        # Some mail programs name no language; that alone says nothing.
        (OUTLOOK, "", Actor.HUMAN),
        # Fetches when somebody reads, mostly.
        (GMAIL, "", Actor.UNSURE),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "", Actor.UNSURE),
        # Apple fetches whether anybody reads or not.
        ("Mozilla/5.0", "", Actor.MACHINE),
        ("Mozilla/5.0", "fr", Actor.UNSURE),
        (GMAIL_AHEAD, "", Actor.MACHINE),
        (BINGBOT, "", Actor.MACHINE),
        ("curl/8.5.0", "", Actor.MACHINE),
        ("python-requests/2.32", "fr", Actor.UNSURE),
        ("", "", Actor.MACHINE),
        ("", "fr", Actor.UNSURE),
    ],
)
def test_h5_known_programs_are_told_from_people(user_agent: str, language: str, expected: Actor) -> None:
    assert actor_of(user_agent, language) is expected
    # The second time it is told from memory.
    assert actor_of(user_agent, language) is expected


@pytest.mark.parametrize("header", ["purpose", "sec_purpose", "x_purpose", "x_moz"])
def test_a_browser_that_fetches_ahead_says_so(header: str) -> None:
    assert actor_of(THUNDERBIRD, **{header: "prefetch;prerender"}) is Actor.UNSURE
    assert actor_of(THUNDERBIRD, language="", **{header: "prefetch"}) is Actor.MACHINE
    assert actor_of(GMAIL, **{header: "prefetch"}) is Actor.MACHINE
    assert actor_of(THUNDERBIRD, **{header: "something else"}) is Actor.HUMAN


@pytest.mark.parametrize("agent", [*AgentKind, None])
@pytest.mark.parametrize("names_itself", [True, False])
@pytest.mark.parametrize("names_language", [True, False])
@pytest.mark.parametrize("fetches_ahead", [True, False])
def test_at_least_two_signals_make_a_machine(
    agent: AgentKind | None, names_itself: bool, names_language: bool, fetches_ahead: bool
) -> None:
    actor = judge(agent, names_itself=names_itself, names_language=names_language, fetches_ahead=fetches_ahead)
    strong = (agent is not None) + (not names_itself) + fetches_ahead
    if strong == 0:
        assert actor is Actor.HUMAN
    elif agent is AgentKind.RELAY:
        assert (actor is Actor.MACHINE) == fetches_ahead
    else:
        assert (actor is Actor.MACHINE) == (strong + (not names_language) >= 2)


def test_every_entry_of_the_list_is_found_and_names_its_source() -> None:
    agents = load_agents()
    assert len(agents.whole) + len(agents.parts) >= 30
    for text, kind in [*agents.whole.items(), *agents.parts]:
        assert agents.kind_of(text.upper()) is kind


def test_an_entry_without_a_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "agents.toml"
    path.write_text('agents = [{ name = "x", contains = "x", what = "tool", source = "hearsay" }]\n[sources]\n')
    with pytest.raises(ValueError, match="names no source"):
        load_agents(path)
