"""Console: what every list and form has in common, the organization and its members."""

from accounts.admin.base import ConsoleAdmin, TenantAdmin, TenantRelatedFilter
from accounts.admin.cells import ChoicesDropdownFilter, DropdownFilter, labelled
from accounts.admin.members import MembershipAdmin
from accounts.admin.organizations import OrganizationAdmin
from accounts.admin.trail import AuditEntryAdmin

__all__ = [
    "AuditEntryAdmin",
    "ChoicesDropdownFilter",
    "ConsoleAdmin",
    "DropdownFilter",
    "MembershipAdmin",
    "OrganizationAdmin",
    "TenantAdmin",
    "TenantRelatedFilter",
    "labelled",
]
