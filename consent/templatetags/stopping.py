"""The banner of Stop measuring now, for every page about the mail of a website. A tag, since most are of other apps."""

from __future__ import annotations

from typing import Any

from django import template

from websites.models import Website
from websites.selectors import running_stop

register = template.Library()


@register.inclusion_tag("consent/_stopped.html")
def measuring_stopped(website: Website | None) -> dict[str, Any]:
    """Who stopped the measuring of this website, when and why; nothing where it is not stopped."""
    stop = running_stop(website.organization, website) if website and website.stopped_at else None
    return {"stop": stop, "website": website, "elsewhere": True}
