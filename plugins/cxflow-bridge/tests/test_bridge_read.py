"""`cxflow read` through a program: its first records, without its state."""

from __future__ import annotations

from pathlib import Path

import bridge_programs as programs
import pytest
from cxflow import flow
from test_bridge import FIRST, project


@pytest.mark.parametrize("connector", ["singer", "airbyte"])
def test_the_first_records_of_a_program_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connector: str
) -> None:
    monkeypatch.setenv("DESK_KEY", "a-key-of-the-desk")
    if connector == "singer":
        catalogue, record, state = programs.SINGER, programs.singer, programs.singer_state
    else:
        catalogue, record, state = programs.AIRBYTE, programs.airbyte, programs.airbyte_state
    lines = [record(1), record(2), record(3), state(3)]
    log = programs.write(tmp_path, "tap-desk", catalogue, lines)
    found = project(tmp_path, connector)
    found.run(end=FIRST)
    cursor = found.query("SELECT * FROM stream_state")
    first = flow.read_first(found.settings, "desk", "tickets", 2)
    assert [record["id"] for record in first.raw.values()] == [1, 2]
    assert [row["activity"] for row in first.rows["touchpoint"]] == ["contacted_support"] * 2
    assert "@example.org" not in str(first)
    assert programs.runs(log)[-1]["state"] is None
    assert found.query("SELECT * FROM stream_state") == cursor
