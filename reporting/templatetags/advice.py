"""The website advisor on the page of a website. A tag, since that page belongs to an app below this one."""

from __future__ import annotations

from typing import Any

from django import template
from django.template import Context
from django.utils import timezone

from accounts.signed_in import organization_of
from reporting.advisor import Topic, advise

register = template.Library()

# What the page says already, in places of its own.
SAID_THERE = {Topic.STOPPED, Topic.NO_NOTICE, Topic.WAITING}


@register.inclusion_tag("reporting/_website_advice.html", takes_context=True)
def website_advice(context: Context) -> dict[str, Any]:
    """What the member should see to on this website."""
    request, website = context["request"], context["website"]
    found = advise(organization_of(request), now=timezone.now(), website=website)
    return {"items": [one for one in found if one.topic not in SAID_THERE]}
