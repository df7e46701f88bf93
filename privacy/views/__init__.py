"""Public pages of a person. GET and HEAD change nothing (rule H2); tests crawl all of them."""

from privacy.views.own_data import own_data
from privacy.views.preferences import preferences
from privacy.views.stay import stay
from privacy.views.unsubscribe import unsubscribe
from privacy.views.web_version import web_version

__all__ = ["own_data", "preferences", "stay", "unsubscribe", "web_version"]
