"""`cxflow up`: what it needs, and how it ends."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from cli_runner import cxflow

HAS_AIRFLOW = importlib.util.find_spec("airflow") is not None


def test_without_airflow_the_extra_is_named(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    answer = cxflow("up", project=fresh)
    assert answer.code == 78
    assert "Airflow is not installed" in answer.err
    assert "pip install 'cxflow-framework[airflow]'" in answer.err
    assert not (fresh / "warehouse.duckdb").exists()


@pytest.mark.skipif(not HAS_AIRFLOW, reason="Airflow is not installed")
def test_up_hands_over_the_project_and_ends_as_airflow_does(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxflow.airflow import standalone

    asked: list[object] = []

    def stand_in(project: Path, port: int, say: object, *, database: str | None) -> int:
        asked.extend((project, port, database))
        return 70

    monkeypatch.setattr(standalone, "up", stand_in)
    assert cxflow("up", "--port", "8123", project=fresh).code == 70
    assert asked == [fresh, 8123, None]
    monkeypatch.setenv("CXFLOW_AIRFLOW_DATABASE", "postgresql://airflow@localhost/airflow")
    assert cxflow("up", project=fresh).code == 70
    assert asked[3:] == [fresh, 8080, "postgresql://airflow@localhost/airflow"]
