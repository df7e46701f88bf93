"""Choices and subscriptions of many people at once, as sets in the database."""

from __future__ import annotations

from consent.imports.choices import (
    VERDICTS_TABLE,
    Answers,
    ChoicesChanged,
    judge_choices,
    prepare_answers,
    record_choices,
)
from consent.imports.informed import INFORMED_TABLE, InformedPeople, record_informed_people
from consent.imports.subscriptions import end_subscriptions, subscribe_people

__all__ = [
    "INFORMED_TABLE",
    "VERDICTS_TABLE",
    "Answers",
    "ChoicesChanged",
    "InformedPeople",
    "end_subscriptions",
    "judge_choices",
    "prepare_answers",
    "record_choices",
    "record_informed_people",
    "subscribe_people",
]
