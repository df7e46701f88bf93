"""Console: Publishing > Websites, and what people can subscribe to there."""

from consent.admin.scopes import ConsentScopeAdmin
from consent.admin.topics import TopicAdmin
from consent.admin.websites import WebsiteAdmin

__all__ = ["ConsentScopeAdmin", "TopicAdmin", "WebsiteAdmin"]
