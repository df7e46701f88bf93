"""The forms of Publishing > Websites. One file per page; everybody imports from here."""

from consent.forms.texts import (
    LOOSENED,
    NOTICE_LANGUAGES,
    ConfirmForm,
    JustificationForm,
    MoveForm,
    NoteForm,
    NoticeForm,
    StopForm,
    notice_texts,
    starting_text,
)
from consent.forms.websites import CHOICES, SENTENCES, ChangeTrackingForm, WebsiteForm, effect_of

__all__ = [
    "CHOICES",
    "LOOSENED",
    "NOTICE_LANGUAGES",
    "SENTENCES",
    "ChangeTrackingForm",
    "ConfirmForm",
    "JustificationForm",
    "MoveForm",
    "NoteForm",
    "NoticeForm",
    "StopForm",
    "WebsiteForm",
    "effect_of",
    "notice_texts",
    "starting_text",
]
