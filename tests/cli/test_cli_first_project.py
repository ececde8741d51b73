"""`cxflow init`, a CSV, `cxflow run`, `cxflow kpis`."""

from __future__ import annotations

import gzip
import re
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


OWN_CSV = 'Response ID;E-Mail;Rating;At;Comment\n1;a@example.com;9;2026-01-01T10:00:00Z;"fine; thanks"\n'


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A project described from somebody's own CSV."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Export 2026.csv").write_text(OWN_CSV)
    assert cxflow("init", folder, "--csv", folder / "Export 2026.csv").code == 0
    return folder


def test_init_with_a_csv_decides_nothing_about_its_meaning(described: Path) -> None:
    said = (described / "cxflow.toml").read_text()
    assert 'path = "Export 2026.csv"' in said
    assert 'delimiter = ";"' in said
    assert "primary_key" not in "".join(line for line in said.splitlines() if not line.startswith("#"))
    answer = cxflow("lint", project=described)
    assert answer.code == 78
    assert "export-2026.primary_key: this setting is required" in answer.err
    assert "export-2026.to: this setting is required" in answer.err


def test_its_suggestions_make_a_project_that_runs(described: Path) -> None:
    path = described / "cxflow.toml"
    suggested = re.compile(
        r"^# (?=\[conn|(primary_key|identifiers|pii|activity|channel|occurred_at)\b)", re.MULTILINE
    )
    suggested_too = re.compile(
        r"^# (?=(response_id|question_id|metric_type|rating_value|responded_at)\b)", re.MULTILINE
    )
    path.write_text(suggested_too.sub("", suggested.sub("", path.read_text())))
    assert cxflow("lint", project=described).code == 0
    answer = cxflow("run", "--json", project=described)
    assert (answer.code, answer.json["total"]["inserted"]) == (0, 1)


@pytest.mark.parametrize(
    ("name", "encoding", "said"),
    [
        ("answers.csv", "cp1252", 'encoding = "cp1252"   # not UTF-8: check that accents are right'),
        ("answers.csv", "utf-16", None),
        ("answers.csv.gz", "utf-8", None),
    ],
)
def test_init_finds_how_a_csv_is_written(tmp_path: Path, name: str, encoding: str, said: str | None) -> None:
    content = OWN_CSV.replace("Comment", "Razón").encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert cxflow("init", tmp_path, "--csv", tmp_path / name).code == 0
    lines = (tmp_path / "cxflow.toml").read_text().splitlines()
    assert [line for line in lines if line.startswith("encoding")] == ([said] if said else [])
    assert any(line.endswith(".streams.answers]") for line in lines)
    assert 'delimiter = ";"' in lines
    assert any('"Razón"' in line for line in lines)


@pytest.mark.parametrize(("content", "message"), [("", "has no header"), (None, "there is no file")])
def test_init_says_what_is_wrong_with_a_csv(tmp_path: Path, content: str | None, message: str) -> None:
    csv = tmp_path / "answers.csv"
    if content is not None:
        csv.write_text(content)
    answer = cxflow("init", tmp_path / "mine", "--csv", csv)
    assert answer.code == 78
    assert message in answer.err
    assert not (tmp_path / "mine").exists()
