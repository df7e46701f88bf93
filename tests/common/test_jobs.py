"""What one organization has must not keep the others waiting."""

from __future__ import annotations

import pytest

from common.jobs import one_by_one


def test_a_scheduled_task_goes_on_with_the_others_and_writes_no_address_down(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    address = "ana@home.example"

    def step(number: int) -> int | None:
        seen.append(number)
        if number == 2:
            raise ValueError(address)
        return None if number == 3 else 10 * number

    assert one_by_one([(1,), (2,), (3,), (4,)], step) == 50
    assert seen == [1, 2, 3, 4]
    assert "ValueError" in caplog.text
    assert "(2,)" in caplog.text
    assert "home.example" not in caplog.text
