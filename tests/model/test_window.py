"""Which window a scheduled run reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cxflow.model.window import Window, scheduled

HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
DAY = datetime(2026, 3, 2, tzinfo=UTC)
"""The end of the run."""


@pytest.mark.parametrize(
    ("position", "look_back", "first", "start"),
    [
        (None, HOUR, None, None),
        (None, HOUR, DAY - 30 * HOUR, DAY - 30 * HOUR),
        (None, HOUR, DAY + HOUR, DAY - INSTANT),
        (DAY - 24 * HOUR, HOUR, None, DAY - 25 * HOUR),
        (DAY - 24 * HOUR, HOUR, DAY - 24 * HOUR, DAY - 24 * HOUR),
        (DAY - 24 * HOUR, HOUR, DAY - 12 * HOUR, DAY - 25 * HOUR),
        (DAY, 0 * HOUR, None, DAY - INSTANT),
        (DAY + 24 * HOUR, HOUR, None, DAY - HOUR - INSTANT),
    ],
    ids=[
        "the first run reads everything",
        "or from the start that is set",
        "a start in the future leaves an instant",
        "then from the cursor, and a look-back before it",
        "which does not reach before the start",
        "a start after the cursor changes nothing",
        "what is loaded already still has a window",
        "and so has a past day",
    ],
)
def test_the_window_of_a_scheduled_run(
    position: datetime | None, look_back: timedelta, first: datetime | None, start: datetime | None
) -> None:
    assert scheduled(position, DAY, look_back, first) == Window(start, DAY)
