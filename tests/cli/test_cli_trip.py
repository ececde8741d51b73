"""`cxflow run`, `backfill`, `migrate`, `publish`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_runner import cxflow, edit

from cxflow.settings import load
from cxflow.warehouse import transactions

pytestmark = pytest.mark.usefixtures("database")

BROKEN = """
[connections.surveys.streams.gone]
path = "exports/gone-*.csv"
primary_key = ["id"]

[connections.surveys.streams.gone.to.touchpoint]
activity = "'answered_survey'"
channel = "'web'"
occurred_at = "seen_at"
"""


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, byte by byte."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_dry_run_touches_nothing(fresh: Path) -> None:
    before = files_of(fresh)
    answer = cxflow("run", "--dry-run", "--json", project=fresh)
    assert answer.code == 0
    (plan,) = answer.json
    assert plan["fills"] == ["touchpoint", "survey_response"]
    assert plan["window"]["start"] is None
    (line,) = plan["reads"]
    assert "answers.csv" in line
    assert plan["tried"] == {
        "records": 20,
        "rows": {"touchpoint": 19, "survey_response": 19},
        "refused": 1,
        "reasons": {"rating_within_scale of survey_response": 1},
        "stopped": "",
        "examples": {
            "rating_within_scale of survey_response": ["rating_value 11.0, worst_rating 0, best_rating 10"]
        },
        "suggestions": [],
    }
    assert files_of(fresh) == before


def test_a_dry_run_knows_what_was_read(loaded: Path) -> None:
    before = files_of(loaded)
    (plan,) = cxflow("run", "--dry-run", "--json", project=loaded).json
    assert plan["reads"] == []
    assert plan["tried"]["records"] == 0
    assert files_of(loaded) == before


def test_a_dry_run_lists_ten_files_and_counts_the_rest(fresh: Path) -> None:
    answers = (fresh / "exports" / "answers.csv").read_text()
    (fresh / "exports" / "answers.csv").unlink()
    for number in range(1, 13):
        (fresh / "exports" / f"a{number:02d}.csv").write_text(answers)
    shown = cxflow("run", "--dry-run", project=fresh).out
    assert [f"a{number:02d}.csv" in shown for number in range(1, 13)] == [True] * 10 + [False] * 2
    assert "and 2 more" in shown
    (plan,) = cxflow("run", "--dry-run", "--json", project=fresh).json
    assert len(plan["reads"]) == 12
    (fresh / "exports" / "a12.csv").unlink()
    (fresh / "exports" / "a11.csv").unlink()
    shown = cxflow("run", "--dry-run", project=fresh).out
    assert "a10.csv" in shown
    assert " more" not in shown


def test_one_stream_that_fails_stops_no_other(fresh: Path) -> None:
    with (fresh / "cxflow.toml").open("a") as file:
        file.write(BROKEN)
    answer = cxflow("run", "--json", project=fresh)
    assert answer.code == 66
    said = answer.json
    assert [(load["stream"], load["counts"]["inserted"]) for load in said["streams"]] == [("answers", 19)]
    assert said["kpis"]["published"] > 0
    (error,) = answer.errors
    assert said["errors"] == [error]
    assert (error["error"], error["connection"], error["stream"]) == ("SourceError", "surveys", "gone")
    assert "no file matches" in error["message"]
    assert error["fix"]


def test_only_the_streams_that_were_named_are_read(fresh: Path) -> None:
    with (fresh / "cxflow.toml").open("a") as file:
        file.write(BROKEN)
    answer = cxflow("run", "surveys.answers", "--no-kpis", "--json", project=fresh)
    assert answer.code == 0
    assert [load["stream"] for load in answer.json["streams"]] == ["answers"]
    assert answer.json["kpis"] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [("survey", "did you mean 'surveys'?"), ("surveys.answer", "did you mean 'answers'?")],
)
def test_a_misspelt_name_is_told(fresh: Path, name: str, message: str) -> None:
    answer = cxflow("run", name, project=fresh)
    assert answer.code == 78
    assert message in answer.err
    assert not (fresh / "warehouse.duckdb").exists()


def test_a_backfill_reads_again_and_leaves_the_cursor_alone(own: Path) -> None:
    before = cxflow("state", "list", "--json", project=own).json
    answer = cxflow("backfill", "--from", "2020-01-01", "--to", "2100-01-01", "--json", project=own)
    assert answer.code == 0
    total = answer.json["total"]
    assert (total["extracted"], total["unchanged"], total["inserted"]) == (20, 19, 0)
    after = cxflow("state", "list", "--json", project=own).json
    assert [(row["cursor"], row["position"]) for row in after] == [
        (row["cursor"], row["position"]) for row in before
    ]


def test_a_backfill_that_reads_nothing_says_when_there_is_something(fresh: Path) -> None:
    arguments = ("backfill", "--from", "2026-01-12", "--to", "2026-02-10", "--no-kpis")  # of the events
    answers = fresh / "exports" / "answers.csv"
    os.utime(answers, (1_772_445_600, 1_772_445_600))
    told = (
        "nothing is in [2026-01-12T00:00:00+00:00, 2026-02-10T00:00:00+00:00): its {}. A window goes by when"
    )
    assert told.format("file was delivered at 2026-03-02T10:00:00Z") in cxflow(*arguments, project=fresh).out
    more = answers.with_name("b.csv")
    more.write_bytes(answers.read_bytes())
    os.utime(more, (1_772_532_000, 1_772_532_000))
    answer = cxflow(*arguments, "--json", project=fresh).json
    between = "its 2 files were delivered from 2026-03-02T10:00:00Z to 2026-03-03T10:00:00Z"
    assert [stream["available"] for stream in answer["streams"]] == [between]
    found = cxflow("backfill", "--from", "2026-03-02", "--to", "2026-03-03", "--json", project=fresh).json
    assert [stream["available"] for stream in found["streams"]] == [None]
    assert found["total"]["extracted"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--until", "2100-01-01"], "is in the future"),
        (["run", "--until", "tomorrow"], "not an ISO 8601 date or time: 'tomorrow'"),
        (["backfill", "--from", "2026-02-01", "--to", "2026-01-01"], "is empty"),
    ],
)
def test_impossible_instants_are_refused(fresh: Path, arguments: list[str], message: str) -> None:
    answer = cxflow(*arguments, project=fresh)
    assert answer.code == 78
    assert message in answer.err


def test_dates_are_on_the_projects_clock(fresh: Path) -> None:
    edit(fresh, 'timezone = "UTC"       # in', 'timezone = "America/Sao_Paulo"       # in')
    answer = cxflow("backfill", "--from", "2026-01-01", "--to", "2026-02-01", "--json", project=fresh)
    assert answer.json["streams"][0]["window"]["start"] == "2026-01-01T03:00:00+00:00"


def test_a_quiet_run_says_nothing(own: Path) -> None:
    answer = cxflow("run", "--quiet", project=own)
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_a_run_for_people_shows_books_and_reasons(fresh: Path) -> None:
    answer = cxflow("run", project=fresh)
    assert answer.code == 0
    for word in ("surveys.answers", "extracted", "rating_within_scale", "Customers: 18", "KPIs: "):
        assert word in answer.out
    assert answer.err == ""


def test_logs_go_to_stderr_and_only_on_request(own: Path) -> None:
    answer = cxflow("run", "--verbose", "--json", project=own)
    assert answer.json["mode"] == "scheduled"
    assert [line["event"] for line in answer.errors] == ["extracted", "prepared", "loaded"]


def test_migrate_says_from_where_to_where(fresh: Path) -> None:
    first = cxflow("migrate", "--json", project=fresh).json
    assert first["before"] is None
    again = cxflow("migrate", "--json", project=fresh).json
    assert again["before"] == again["after"] == first["after"]


def test_publish_makes_the_views_anew(own: Path) -> None:
    with transactions.transaction(load(own)) as warehouse:
        warehouse.exec_driver_sql("DROP VIEW mart_kpi")
    answer = cxflow("publish", "--json", project=own)
    assert answer.code == 0
    assert answer.json["bi_role"] is None
    assert {"mart_kpi", "masked_survey_response"} <= set(answer.json["views"])
    with transactions.transaction(load(own)) as warehouse:
        assert warehouse.exec_driver_sql("SELECT count(*) > 0 FROM mart_kpi").scalar() is True


def test_publish_shows_its_sql_and_then_changes_nothing(own: Path) -> None:
    before = files_of(own)
    answer = cxflow("publish", "--sql", project=own)
    assert answer.code == 0
    assert files_of(own) == before
    with transactions.transaction(load(own)) as warehouse:
        warehouse.exec_driver_sql("DROP VIEW mart_kpi")
        for statement in answer.out.split(";\n"):
            if statement.strip():
                # A % is no placeholder in it.
                warehouse.exec_driver_sql(statement, execution_options={"no_parameters": True})
        assert warehouse.exec_driver_sql("SELECT count(*) > 0 FROM mart_kpi").scalar() is True


def test_there_is_nothing_to_publish_before_the_first_run(fresh: Path) -> None:
    answer = cxflow("publish", project=fresh)
    assert answer.code == 78
    assert "the warehouse has no tables yet" in answer.err
