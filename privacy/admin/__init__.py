"""Console > Privacy: requests of persons, erasure, retention, sealed proofs, inactivity, departure."""

from privacy.admin.requests import PersonRequestAdmin

__all__ = ["PersonRequestAdmin"]
