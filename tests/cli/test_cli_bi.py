"""`cxflow bi`, over the project that `cxflow init` writes."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cli_runner import cxflow, edit


def test_superset_gets_a_bundle_in_the_project_or_where_it_is_wanted(own: Path, tmp_path: Path) -> None:
    answer = cxflow("bi", "superset", project=own)
    assert answer.code == 0, answer.err
    assert answer.out.startswith(f"wrote {own / 'superset.zip'}: ")
    with zipfile.ZipFile(own / "superset.zip") as archive:
        assert "superset/dashboards/cxflow.yaml" in archive.namelist()
    folder = tmp_path / "new" / "bundle"
    answer = cxflow("bi", "superset", "--output", folder, "--language", "es", "--json", project=own)
    assert answer.json == {
        "path": str(folder),
        "datasets": 27,
        "charts": len(list((folder / "charts").iterdir())),
    }
    assert "Experiencia de cliente" in (folder / "dashboards" / "cxflow.yaml").read_text(encoding="utf-8")


def test_bad_input_writes_nothing_and_loads_nothing(own: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in own.rglob("*") if path.is_file()}
    out = tmp_path / "bundle.zip"
    for arguments, told in (
        (("--superset-version", "5.0.0"), "the bundle is for Superset 6, not 5.0.0"),
        (("--uri", "postgresql://ada:canary@db/cx"), "--uri holds a password"),
    ):
        answer = cxflow("bi", "superset", "--output", out, *arguments, project=own)
        assert answer.code == 78
        assert told in answer.err
        assert "canary" not in answer.err
    out.mkdir()
    answer = cxflow("bi", "superset", "--output", out, project=own)
    assert answer.code == 78
    assert "--output is a folder" in answer.err
    assert {path: path.stat().st_mtime_ns for path in own.rglob("*") if path.is_file()} == before


def test_a_project_without_a_warehouse_is_told_so(own: Path) -> None:
    edit(own, "[project]", '[warehouse]\nurl = "duckdb:///other.duckdb"\n\n[project]')
    answer = cxflow("bi", "superset", project=own)
    assert answer.code != 0
    assert "the warehouse has no tables yet" in answer.err
    assert not (own / "superset.zip").exists()


def test_semantic_models_are_written_where_they_are_wanted(own: Path, tmp_path: Path) -> None:
    answer = cxflow("bi", "ossie", project=own)
    assert answer.code == 0, answer.err
    assert "version: 0.2.0.dev0\n" in (own / "ossie.yaml").read_text(encoding="utf-8")
    answer = cxflow("bi", "metricflow", "--output", tmp_path / "dbt", "--json", project=own)
    assert answer.json["metrics"] > 10
    assert "source('cxflow', 'mart_kpi')" in (tmp_path / "dbt" / "models" / "kpi_month.sql").read_text()
    answer = cxflow("bi", "ossie", "--output", tmp_path, project=own)
    assert answer.code == 78
    assert "--output is a folder" in answer.err
