"""/s/<key>: a person who has been silent says that they want to go on getting the emails of a website (rule U6)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from common.public_pages import language_of, public_page
from common.tenancy import tenant
from privacy.selectors import inactivity_check_of_key, load_inactivity_check
from privacy.services.inactivity import answer_check
from privacy.views.pages import masked, show, too_many_changes, unknown_key


@public_page
def stay(request: HttpRequest, key: str) -> HttpResponse:
    """A button, and after it a word of thanks. Opening the page is no answer: programs open links too (rule H2)."""
    found = inactivity_check_of_key(key)
    if found is None:
        return unknown_key(request)
    if request.method == "POST" and (refused := too_many_changes(request, key)):
        return refused
    with tenant(found[0]):
        check = load_inactivity_check(*found)
        if check is None:
            return unknown_key(request)
        stays, over = check.stayed_at is not None, check.ended_at is not None
        if request.method == "POST":
            stays = answer_check(check.organization, check, now=timezone.now())
            over = not stays
        context = {
            "website": check.rule.website,
            "masked_email": masked(check.participant.email),
            "answer_by": check.answer_by,
            "stays": stays,
            "over": over,
        }
        return show("stay.html", check.organization, language_of(request, check.participant.locale), context)
