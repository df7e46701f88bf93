"""Console: Publishing > Forms, People > Imports, Participants, moved consents and exports."""

from intake.admin.entry_forms import EntryFormAdmin
from intake.admin.imports import ImportAdmin
from intake.admin.moves import ConsentMoveAdmin, PeopleExportAdmin
from intake.admin.participants import ParticipantAdmin

__all__ = ["ConsentMoveAdmin", "EntryFormAdmin", "ImportAdmin", "ParticipantAdmin", "PeopleExportAdmin"]
