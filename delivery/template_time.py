"""The time that a template may take. Loops and output have limits of their own (``templating``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import thread_time

from liquid import BoundTemplate, RenderContext
from liquid.exceptions import ResourceLimitError
from liquid.token import Token

# For one recipient, of the processor's time: a busy machine makes nobody's template fail.
MAX_SECONDS = 1.0
# So many parts are printed between two looks at the clock.
STEPS = 16


class TimedContext(RenderContext):
    """Ends a template that takes too long. Many loops one after the other, each within its limit, would take hours.

    Every part of a template asks for ``disabled_tags`` before it is printed, and for each filter that it calls.
    """

    __slots__ = ("_ends_at", "_steps")

    def __init__(self, template: BoundTemplate, variables: Mapping[str, object]) -> None:
        self._steps, self._ends_at = 0, thread_time() + MAX_SECONDS
        super().__init__(template, globals=variables)

    @property
    def disabled_tags(self) -> list[str]:
        self._step()
        return []

    @disabled_tags.setter
    def disabled_tags(self, tags: list[str]) -> None:
        """None are: those that authors may not use are not even known."""

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self._step()
        return super().filter(name, token)

    def _step(self) -> None:
        self._steps += 1
        if self._steps % STEPS == 0 and thread_time() > self._ends_at:
            raise ResourceLimitError("time", token=None)
