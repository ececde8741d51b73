"""`cxflow read` through a program: its first records, without its state."""

from __future__ import annotations

from pathlib import Path

import bridge_programs as programs
import pytest
from cxflow import ConfigError, CxflowError, SourceError, sources
from test_bridge import FIRST, NEXT, project, records


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
    first = sources.read_first(found.settings, "desk", "tickets", 2)
    assert [record["id"] for record in first.raw.values()] == [1, 2]
    assert [row["activity"] for row in first.rows["touchpoint"]] == ["contacted_support"] * 2
    assert "@example.org" not in str(first)
    assert programs.runs(log)[-1]["state"] is None
    assert found.query("SELECT * FROM stream_state") == cursor


@pytest.mark.parametrize(
    ("is_there", "error", "said"),
    [(True, SourceError, "writes a line that is no message"), (False, ConfigError, "there is no program")],
)
def test_a_program_that_is_gone_or_writes_garbage_leaves_the_state_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool, error: type[CxflowError], said: str
) -> None:
    monkeypatch.setenv("DESK_KEY", "a-key-of-the-desk")
    good = [programs.singer(1), programs.singer_state(1)]
    programs.write(tmp_path, "tap-desk", programs.SINGER, good)
    found = project(tmp_path, "singer")
    found.run(end=FIRST)
    before = found.query("SELECT * FROM stream_state")
    if is_there:
        programs.write(tmp_path, "tap-desk", programs.SINGER, [programs.singer(2), "{garbage"])
    else:
        (tmp_path / ".cxflow" / "bridges" / "tap-desk" / "bin" / "tap-desk").unlink()
    with pytest.raises(error, match=said):
        found.run(end=NEXT)
    assert found.query("SELECT * FROM stream_state") == before
    assert records(found) == ["1"]
    programs.write(
        tmp_path,
        "tap-desk",
        programs.SINGER,
        [programs.singer(2), programs.singer(3), programs.singer_state(3)],
    )
    found.run(end=NEXT)
    assert records(found) == ["1", "2", "3"]
