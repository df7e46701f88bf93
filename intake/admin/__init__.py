"""Console: People > Imports and People > Participants."""

from intake.admin.imports import ImportAdmin
from intake.admin.participants import ParticipantAdmin

__all__ = ["ImportAdmin", "ParticipantAdmin"]
