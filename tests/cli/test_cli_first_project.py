"""`cxflow init`, `cxflow run`, `cxflow kpis`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import Answer, cxflow


def test_a_first_run_loads_the_sample_and_keeps_what_cannot_be(first_run: tuple[Path, Answer]) -> None:
    _, answer = first_run
    assert (answer.code, answer.err) == (0, "")
    said = answer.json
    assert said["total"] == {
        "extracted": 20,
        "inserted": 19,
        "updated": 0,
        "unchanged": 0,
        "deleted": 0,
        "deduplicated": 0,
        "quarantined": 1,
    }
    (stream,) = said["streams"]
    assert (stream["connection"], stream["stream"]) == ("surveys", "answers")
    assert stream["rules"] == {"rating_within_scale": 1}
    assert said["identity"]["customers"] == 18
    assert said["kpis"]["published"] > 0
    assert said["errors"] == []


def test_its_kpis_are_there_at_once(loaded: Path) -> None:
    (nps,) = [value for value in cxflow("kpis", "--json", project=loaded).json if value["kpi"] == "nps"]
    # 19 answers: 11 of 9 or 10, 4 of 6 or less.
    assert nps["value"] == pytest.approx(100 * (11 - 4) / 19)
    assert (nps["n"], nps["grain"], nps["period_start"], nps["title"]) == (
        19,
        "all",
        None,
        "Net Promoter Score",
    )


def test_a_second_run_finds_nothing_new(own: Path) -> None:
    before = cxflow("kpis", "--json", "--grain", "month", project=own).json
    said = cxflow("run", "--json", project=own).json
    assert said["total"] == dict.fromkeys(said["total"], 0)
    assert said["kpis"]["kpis"] == []
    assert cxflow("kpis", "--json", "--grain", "month", project=own).json == before


def test_init_never_overwrites(fresh: Path) -> None:
    before = (fresh / "cxflow.toml").read_text()
    answer = cxflow("init", fresh)
    assert answer.code == 78
    assert "already exists" in answer.err
    assert (fresh / "cxflow.toml").read_text() == before


def test_init_leaves_a_gitignore_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    assert cxflow("init", tmp_path).code == 0
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
