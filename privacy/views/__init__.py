"""Public pages of a person. GET and HEAD change nothing (rule H2)."""

from privacy.views.pages import preferences, unsubscribe

__all__ = ["preferences", "unsubscribe"]
