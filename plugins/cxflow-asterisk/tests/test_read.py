"""`cxflow read` on the logs of a morning."""

from __future__ import annotations

from pathlib import Path

from cxflow import sources
from cxflow.testing import TestProject
from test_flow import CONNECTION, PROJECT, write


def test_the_first_offers_are_shown_and_callers_are_not(tmp_path: Path) -> None:
    write(tmp_path)
    project = TestProject(tmp_path, {**PROJECT, "connections": {"pbx": CONNECTION}})
    first = sources.read_first(project.settings, "pbx", "queue_calls", 2)
    assert len(first.raw) == 2
    assert [row["queue_id"] for row in first.rows["interaction"]] == ["pbx:care", "pbx:care"]
    assert "0791112310" not in str(first)
    assert "0791112310" in str(sources.read_first(project.settings, "pbx", "queue_calls", 2, reveal=True))
    assert project.query("SELECT count(*) FROM load_run") == [(0,)]
