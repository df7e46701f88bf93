"""Console: Publishing > Forms, People > Imports and People > Participants."""

from intake.admin.entry_forms import EntryFormAdmin
from intake.admin.imports import ImportAdmin
from intake.admin.participants import ParticipantAdmin

__all__ = ["EntryFormAdmin", "ImportAdmin", "ParticipantAdmin"]
