"""What cannot be done with campaigns, in the words of whoever tries."""

from __future__ import annotations

from collections.abc import Iterable


class CampaignRefused(Exception):  # noqa: N818 - the words of the person who is refused, not a fault
    """Something that cannot be done with a campaign or an email now; the message is for the person who asked."""


class LaunchRefused(CampaignRefused):
    """An email that cannot be sent as it is: every reason, in the words of the person who tried."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(self.problems))
