"""Bringing a file into the database, chunk by chunk."""

from intake.imports.run import QUIET_SECONDS, open_import, run_import

__all__ = ["QUIET_SECONDS", "open_import", "run_import"]
