"""`cxflow bi superset` at the prompt."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cli_runner import cxflow
from trip_bench import Bench

from cxflow import flow


def published(folder: Path) -> Path:
    """A project whose views are there, and empty."""
    bench = Bench(folder / "project", {})
    flow.publish(bench.settings)
    return bench.settings.folder


def test_it_writes_the_bundle_and_says_what_comes_next(tmp_path: Path) -> None:
    project = published(tmp_path)
    answer = cxflow("bi", "superset", project=project)
    assert answer.code == 0
    assert "next: import it in Superset under Dashboards" in answer.out
    with zipfile.ZipFile(project / "superset.zip") as bundle:
        assert "cxflow/metadata.yaml" in bundle.namelist()


def test_what_cannot_be_written_is_refused_before_anything_is(tmp_path: Path) -> None:
    project = published(tmp_path)
    for arguments, words in (
        (("--for", "5"), "for Superset 6, and not for 5"),
        (("--output", tmp_path), "--output is a folder"),
        (("--user", "ada"), "DuckDB has no users"),
    ):
        answer = cxflow("bi", "superset", *arguments, project=project)
        assert answer.code == 78
        assert words in answer.err
    assert not (project / "superset.zip").exists()


def test_views_that_are_not_published_are_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "project", {})
    answer = cxflow("bi", "superset", project=bench.settings.folder)
    assert answer.code == 78
    assert "`cxflow publish` publishes it" in answer.err
