"""Console: campaigns, their emails with preview and sending, and the list of reports."""

from campaigns.admin.campaigns import CampaignAdmin
from campaigns.admin.emails import EmailAdmin
from campaigns.admin.launches import LaunchAdmin
from campaigns.admin.unknown import UncertainMessageAdmin

__all__ = ["CampaignAdmin", "EmailAdmin", "LaunchAdmin", "UncertainMessageAdmin"]
