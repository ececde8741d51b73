"""Durations of a contact follow from its times where they are not mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from trip_bench import conformed

from cxflow.settings import Settings

TIMES = {
    "offered_at": "2026-03-29T01:59:50+01:00",  # clocks are put forward ten seconds later
    "answered_at": "2026-03-29T03:00:10+02:00",
    "ended_at": "2026-03-29T03:05:10+02:00",
}


def durations(settings: Settings, folder: Path, record: dict[str, Any], *mapped: str) -> tuple[Any, ...]:
    columns = {name: name for name in ("interaction_id", "offered_at", *mapped)}
    declaration = {"primary_key": ["interaction_id"], "to": {"interaction": columns}}
    keys = dict.fromkeys(("answered_at", "abandoned_at", "ended_at", *mapped))
    records = [{"interaction_id": "1", **keys, **record}]
    with conformed(settings, folder, declaration, records) as scratch:
        found = scratch.database.execute("SELECT wait_seconds, talk_seconds FROM interaction").fetchone()
    assert found is not None
    return tuple(found)


@pytest.mark.parametrize(
    ("mapped", "record", "expected"),
    [
        (("answered_at", "ended_at"), TIMES, (20, 300)),
        (("answered_at", "ended_at", "hold_seconds"), TIMES | {"hold_seconds": 60}, (20, 240)),
        (("answered_at", "ended_at", "hold_seconds"), TIMES | {"hold_seconds": None}, (20, 300)),
        (("answered_at", "wait_seconds"), TIMES | {"wait_seconds": 25}, (25, None)),
        (("answered_at", "wait_seconds"), TIMES | {"wait_seconds": None}, (20, None)),
        (("abandoned_at",), {**TIMES, "abandoned_at": "2026-03-29T01:00:00Z"}, (10, None)),
        (("answered_at", "abandoned_at"), {"offered_at": TIMES["offered_at"]}, (None, None)),
        ((), TIMES, (None, None)),
    ],
    ids=[
        "answered", "held", "hold unknown", "wait mapped", "wait mapped and null", "abandoned", "waiting", "no times",
    ],
)  # fmt: skip
def test_durations(
    settings: Settings,
    tmp_path: Path,
    mapped: tuple[str, ...],
    record: dict[str, Any],
    expected: tuple[Any, ...],
) -> None:
    assert durations(settings, tmp_path, record, *mapped) == expected
