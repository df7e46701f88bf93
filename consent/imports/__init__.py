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
from consent.imports.subscriptions import end_subscriptions, subscribe_people

__all__ = [
    "VERDICTS_TABLE",
    "Answers",
    "ChoicesChanged",
    "end_subscriptions",
    "judge_choices",
    "prepare_answers",
    "record_choices",
    "subscribe_people",
]
