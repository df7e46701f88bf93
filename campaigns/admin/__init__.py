"""Console: campaigns, their emails with preview and sending, segments, and the list of reports."""

from campaigns.admin.campaigns import CampaignAdmin
from campaigns.admin.emails import EmailAdmin
from campaigns.admin.launches import LaunchAdmin
from campaigns.admin.segments import SegmentAdmin, TrialGroupAdmin
from campaigns.admin.unknown import UncertainMessageAdmin

__all__ = ["CampaignAdmin", "EmailAdmin", "LaunchAdmin", "SegmentAdmin", "TrialGroupAdmin", "UncertainMessageAdmin"]
