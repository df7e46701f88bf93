"""Sentences about people's data, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from participants.rules import EmailFault

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

EMAIL_FAULTS: Mapping[EmailFault, _StrPromise] = {
    EmailFault.EMPTY: _("There is no email address."),
    EmailFault.LINE_BREAK: _("The email address holds a line break or another control character."),
    EmailFault.TOO_LONG: _("The email address is longer than mail servers accept."),
    EmailFault.NO_AT: _("The email address has no @."),
    EmailFault.NOT_ASCII: _("Most mail servers do not accept accents or other special letters before the @."),
    EmailFault.NOT_AN_ADDRESS: _("This is not a valid email address."),
}
