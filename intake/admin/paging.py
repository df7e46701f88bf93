"""Lists of people, who may be a million: counted and paged as far as anybody reads."""

from __future__ import annotations

from typing import ClassVar, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from participants.models import Participant


class PeoplePaginator(Paginator):
    """Stops counting at a limit. Whoever looks for one person among more searches or filters."""

    limit: ClassVar[int] = 10_000
    template_name = "intake/people_counted.html"

    @cached_property
    def counted(self) -> int:
        """How many there are, or one more than the limit."""
        rows = cast("QuerySet[Participant]", self.object_list)
        return rows.order_by()[: self.limit + 1].count()

    @property
    def count(self) -> int:
        return min(self.counted, self.limit)

    @property
    def has_more(self) -> bool:
        return self.counted > self.limit


class PeopleList(ChangeList):
    """The heading counts what was found only where something was looked for and all of it is counted."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        narrowed = bool(self.query) or self.has_active_filters
        if self.paginator.has_more or not narrowed:
            self.full_result_count = self.result_count
