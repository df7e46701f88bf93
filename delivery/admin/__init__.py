"""Console pages of delivery, found by Django."""

from delivery.admin.connections import ConnectionAdmin, WebsiteConnectionAdmin
from delivery.admin.mail import CaughtMessageAdmin, SuppressionAdmin
from delivery.admin.sending import SendingRulesAdmin
from delivery.admin.signing import DkimKeyAdmin

__all__ = [
    "CaughtMessageAdmin",
    "ConnectionAdmin",
    "DkimKeyAdmin",
    "SendingRulesAdmin",
    "SuppressionAdmin",
    "WebsiteConnectionAdmin",
]
