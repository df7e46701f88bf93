"""The words of the consent history: what an event is about, who said it, and by which way it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from consent.rules import Source

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

ABOUT: Mapping[str, _StrPromise] = {"opens": _("Opens"), "clicks": _("Clicks"), "anonymous": _("Anonymous totals")}
SOURCES: Mapping[Source, _StrPromise] = {
    Source.PERSON: _("the person"),
    Source.MEMBER: _("a member"),
    Source.IMPORT: _("an import"),
    Source.API: _("the API"),
}
