"""`cxflow read`: a stream's first records, raw and conformed; nothing is loaded, nothing more is asked for."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runner import Answer, cxflow, edit

from cxflow.settings import load
from cxflow.testing.project import as_toml
from cxflow.testing.service import served
from cxflow.warehouse import transactions

sys.path.insert(0, str(Path(__file__).parents[1] / "connect" / "http"))

from invented_desk import PAGE, TOKEN, Desk, configuration, ticket


def read(project: Path, name: str, *options: object) -> Answer:
    answer = cxflow("read", name, *options, "--json", project=project)
    assert answer.code == 0, answer.err
    return answer


def test_records_are_shown_as_they_are_and_as_the_rows_they_become(fresh: Path) -> None:
    found = read(fresh, "surveys.answers", "--limit", 3).json
    assert [each["values"]["response_id"] for each in found["raw"]] == ["A001", "A002", "A003"]
    assert found["raw"][0]["values"]["score"] == "10"
    assert [row["rating_value"] for row in found["tables"]["survey_response"]] == [10.0, 9.0, 7.0]
    assert [row["record"] for row in found["tables"]["touchpoint"]] == [1, 2, 3]


def test_nothing_is_landed_and_no_warehouse_is_made(fresh: Path) -> None:
    before = sorted(path for path in fresh.rglob("*"))
    read(fresh, "surveys")
    assert sorted(path for path in fresh.rglob("*")) == before
    assert not transactions.exists(load(fresh))


def test_a_cursor_is_neither_used_nor_moved(own: Path) -> None:
    before = cxflow("state", "list", "--json", project=own).json
    assert len(read(own, "surveys.answers").json["raw"]) == 20, "the run before has read them all"
    assert cxflow("state", "list", "--json", project=own).json == before


def test_personal_values_are_masked_unless_they_are_to_be_revealed(fresh: Path) -> None:
    csv = (fresh / "exports" / "answers.csv").read_text().splitlines()
    email = csv[1].split(",")[1]
    assert "@" in email
    for options in ((), ("--json",)):
        masked = cxflow("read", "surveys", "--limit", 5, *options, project=fresh)
        assert email not in masked.out + masked.err
        assert "Arrived early" not in masked.out + masked.err
        assert "A001" in masked.out
    shown = cxflow("read", "surveys", "--limit", 5, "--reveal", project=fresh)
    assert email in shown.out
    assert "Arrived early" in shown.out


def test_a_mapping_that_does_not_fit_shows_the_records_and_the_fault(fresh: Path) -> None:
    edit(fresh, 'rating_value = "score"', 'rating_value = "scor"')
    answer = cxflow("read", "surveys", "--limit", 2, "--json", project=fresh)
    assert answer.code == 78
    assert len(answer.json["raw"]) == 2
    assert answer.json["tables"] == {}
    [problem] = answer.errors
    assert (problem["connection"], problem["stream"]) == ("surveys", "answers")
    assert "did you mean 'score'" in problem["message"]


def test_a_refused_record_says_why_and_has_no_row(fresh: Path) -> None:
    path = fresh / "exports" / "answers.csv"
    path.write_text(path.read_text().replace("email,10,", "email,ten,", 1))
    found = read(fresh, "surveys", "--limit", 2).json
    assert found["raw"][0]["refused"] == ["cast of survey_response.rating_value"]
    assert [row["record"] for row in found["tables"]["touchpoint"]] == [2]
    assert "record 1 would be refused" in cxflow("read", "surveys", "--limit", 2, project=fresh).err


def test_raw_shows_records_alone_and_table_one_table_alone(fresh: Path) -> None:
    edit(fresh, 'rating_value = "score"', 'rating_value = "scor"')
    assert read(fresh, "surveys", "--raw").json["tables"] == {}
    edit(fresh, 'rating_value = "scor"', 'rating_value = "score"')
    one = read(fresh, "surveys", "--table", "survey_response").json
    assert (list(one["tables"]), one["raw"]) == (["survey_response"], [])
    assert "fills no table 'review'" in cxflow("read", "surveys", "--table", "review", project=fresh).err


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("survey.answers", "no connection 'survey'; did you mean 'surveys'"),
        ("surveys.answer", "no stream 'answer'; did you mean 'answers'"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(fresh: Path, name: str, says: str) -> None:
    answer = cxflow("read", name, project=fresh)
    assert answer.code == 78
    assert says in answer.err


def test_a_database_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_URL", "sqlite:///erp.db")
    with sqlite3.connect(tmp_path / "erp.db") as erp:
        erp.execute("CREATE TABLE orders (id integer, mail text, placed text)")
        erp.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)",
            [(number, f"p{number}@example.org", f"2026-03-{number:02}T10:00:00Z") for number in range(1, 10)],
        )
    erp.close()
    (tmp_path / "cxflow.toml").write_text(
        '[connections.erp]\nconnector = "sql"\nurl = { env = "ERP_URL" }\n'
        '[connections.erp.streams.orders]\ntable = "orders"\nprimary_key = "id"\npii = "mail"\n'
        "[connections.erp.streams.orders.to.touchpoint]\n"
        'activity = "\'placed_order\'"\nchannel = "\'web\'"\noccurred_at = "placed"\n'
    )
    found = read(tmp_path, "erp.orders", "--limit", 2).json
    assert len(found["raw"]) == 2
    assert found["raw"][0]["values"]["mail"] == "x9@xxxxxxx.xxx"
    assert found["tables"]["touchpoint"][0]["activity"] == "placed_order"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The invented desk with 30 tickets, ten pages, each with a comment; `tmp_path` is a project that reads it."""
    service = Desk([ticket(number, number % 28 + 1) for number in range(1, 31)])
    service.comments = {
        number: [{"id": f"c{number}", "written_at": "2026-03-10T00:00:00Z", "text": "thanks"}]
        for number in range(1, 31)
    }
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    with served(service.application()) as url:
        (tmp_path / "cxflow.toml").write_text(as_toml(configuration(url)))
        yield service


def test_a_service_is_asked_for_no_page_more_than_is_shown(desk: Desk, tmp_path: Path) -> None:
    assert PAGE == 3
    found = read(tmp_path, "desk.tickets", "--limit", 5).json
    assert len(found["raw"]) == 5
    assert found["raw"][0]["values"]["requester"] == {"email": "xxxxxx9@xxxxxxx.xxx"}
    assert len(desk.asked) == 2, desk.asked


def test_a_childs_records_are_asked_for_as_soon_as_a_parent_is_known(desk: Desk, tmp_path: Path) -> None:
    found = read(tmp_path, "desk.comments", "--limit", 2).json
    assert [each["values"]["id"] for each in found["raw"]] == ["c1", "c2"]
    paths = [asked.partition("?")[0] for asked in desk.asked]
    assert paths.count("/v1/tickets") == 1, "one of ten pages of parents"
    assert len(paths) <= 4, "each comment's page, and the empty one that ends the first ticket's"


def test_a_record_seen_since_an_instant_is_the_first(desk: Desk, tmp_path: Path) -> None:
    found = read(tmp_path, "desk.tickets", "--since", "2026-03-28", "--limit", 1).json
    assert found["raw"][0]["values"]["updated_at"] == "2026-03-28T10:00:00Z"


def test_a_dry_run_asks_for_no_page_more_either(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxflow.sources.try_first.__defaults__", (2,))
    assert cxflow("run", "desk.comments", "--dry-run", project=tmp_path).code == 0
    assert [asked for asked in desk.asked if "comments" not in asked] == desk.asked[:1]


def test_what_is_made_of_a_customers_id_is_shown_and_the_id_is_not(desk: Desk, tmp_path: Path) -> None:
    direction = "CASE WHEN requester.email IS NOT NULL THEN 'inbound' END"
    changes = {"tickets": {"pii": [], "to": {"touchpoint": {"direction": direction}}}}
    address = load(tmp_path).connections["desk"]["base_url"]
    (tmp_path / "cxflow.toml").write_text(as_toml(configuration(address, streams=changes)))
    found = read(tmp_path, "desk.tickets", "--limit", 1).json
    assert found["raw"][0]["values"]["requester"] == {"email": "xxxxxx9@xxxxxxx.xxx"}
    assert found["tables"]["touchpoint"][0]["direction"] == "inbound"
