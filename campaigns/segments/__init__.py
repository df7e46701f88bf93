"""Segments: a closed grammar of conditions about people, and the queries that it becomes.

``grammar`` reads what was typed or stored and refuses everything that it does not name; ``conditions`` and
``engagement`` turn it into queries; ``narrowing`` is what a launch keeps of it.
"""

from campaigns.segments.conditions import people_in
from campaigns.segments.engagement import count_non_trackable
from campaigns.segments.grammar import (
    ABOUT,
    Definition,
    Row,
    SegmentError,
    answer_of,
    needs_value,
    read_definition,
    read_row,
)
from campaigns.segments.narrowing import EVERYBODY, Narrowing, narrow

__all__ = [
    "ABOUT",
    "EVERYBODY",
    "Definition",
    "Narrowing",
    "Row",
    "SegmentError",
    "answer_of",
    "count_non_trackable",
    "narrow",
    "needs_value",
    "people_in",
    "read_definition",
    "read_row",
]
