"""`cxflow status`, `state`, `kpis`: looking into the warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cli_runner import cxflow, edit
from sqlalchemy import insert

from cxflow.cli.units import with_unit
from cxflow.kpis import declared
from cxflow.settings import load
from cxflow.warehouse import transactions
from cxflow.warehouse.tables import kpi_value, order_header, touchpoint

pytestmark = pytest.mark.usefixtures("database")

KPIS = {kpi.name: kpi for kpi in declared.KPIS}


def test_status_balances_its_books(loaded: Path) -> None:
    (stream,) = cxflow("status", "--json", project=loaded).json["streams"]
    extracted, *parts = stream["counts"].values()
    assert extracted == sum(parts) == 20
    assert stream["name"] == "surveys.answers"
    assert stream["quarantine_open"] == 1
    assert stream["position"] is not None


def test_status_is_readable(loaded: Path) -> None:
    answer = cxflow("status", project=loaded)
    assert "surveys.answers" in answer.out
    assert "Latest loads" in answer.out


def test_a_forgotten_stream_is_read_again(own: Path) -> None:
    assert cxflow("state", "forget", "surveys.answers", project=own, typed="n\n").code == 1
    answer = cxflow("state", "forget", "surveys.answers", "--yes", "--json", project=own)
    assert answer.json == {"forgotten": 1, "dropped_pulls": 0}
    total = cxflow("run", "--json", project=own).json["total"]
    assert (total["extracted"], total["unchanged"]) == (20, 19)


@pytest.mark.parametrize(
    ("old", "new"),
    [("streams.answers", "streams.replies"), ("connections.surveys", "connections.polls")],
    ids=["a stream", "a connection"],
)
def test_what_is_left_of_a_removed_stream_is_listed_and_dropped_with_its_pages(
    own: Path, old: str, new: str
) -> None:
    def left() -> dict[str, bool]:
        found = cxflow("state", "list", "--json", project=own).json
        return {f"{each['source_system']}.{each['source_object']}": each["configured"] for each in found}

    pages = own / "landing" / "surveys" / "answers" / "20260301T000000Z-0000.partial"
    pages.mkdir()
    (pages / "records-00001.parquet").write_bytes(b"a page of an interrupted pull")
    batches = {path for path in pages.parent.iterdir() if path != pages}
    assert left() == {"surveys.answers": True}
    assert "not configured" not in cxflow("state", "list", project=own).out
    edit(own, old, new)
    assert left() == {"surveys.answers": False}
    assert (
        "surveys.answers is not configured any more; `cxflow state forget surveys.answers` drops its state"
        in cxflow("state", "list", project=own).out
    )
    answer = cxflow("state", "forget", "surveys.answers", "--yes", "--json", project=own)
    assert answer.json == {"forgotten": 1, "dropped_pulls": 1}
    assert left() == {}
    assert set((own / "landing" / "surveys" / "answers").iterdir()) == batches


def test_a_stream_that_only_leaves_out_is_not_read_any_more_and_one_with_a_fault_is(own: Path) -> None:
    def listed() -> str:
        return cxflow("state", "list", project=own).out

    edit(own, 'connector = "files"', 'connector = "filse"')
    assert "not configured" not in listed()
    edit(own, 'connector = "filse"', 'connector = "files"\nonly = ["others"]')
    with (own / "cxflow.toml").open("a") as toml:
        toml.write(
            '\n[connections.surveys.streams.others]\npath = "others.csv"\nprimary_key = "id"\n'
            """to = { review = { review_id = "id" } }\n"""
        )
    assert "surveys.answers is not configured any more" in listed()


def test_what_was_never_read_cannot_be_forgotten(loaded: Path) -> None:
    answer = cxflow("state", "forget", "surveys.answer", "--yes", project=loaded)
    assert answer.code == 78
    assert "did you mean 'surveys.answers'?" in answer.err


def test_a_kpi_by_channel_marks_what_is_too_few(loaded: Path) -> None:
    slices = cxflow("kpis", "nps", "--by", "channel", "--json", project=loaded).json
    assert {each["dimension_value"]: each["is_suppressed"] for each in slices} == {
        "email": False,
        "phone": True,
        "web": True,
    }
    shown = cxflow("kpis", "nps", "--by", "channel", project=loaded)
    assert "too few to say" in shown.out


def test_kpis_by_month_within_days(loaded: Path) -> None:
    months = cxflow("kpis", "nps", "--grain", "month", "--since", "2026-02-01", "--json", project=loaded).json
    assert [(each["period_start"], each["n"]) for each in months] == [("2026-02-01", 5)]
    days = cxflow(
        "kpis", "nps", "--since", "2026-01-12", "--until", "2026-01-14", "--json", project=loaded
    ).json
    assert [(each["grain"], each["period_start"]) for each in days] == [
        ("day", "2026-01-12"),
        ("day", "2026-01-13"),
    ]


def test_a_kpi_without_a_whole_time_is_shown_by_the_widest_period_that_has_values(own: Path) -> None:
    cell = {
        "kpi": "retention_rate",
        "version": 1,
        "dimension": "",
        "dimension_value": "",
        "is_suppressed": False,
    }
    with transactions.transaction(load(own)) as warehouse:
        for grain, month, n in (("week", 1, 3), ("quarter", 1, 7), ("year", 1, 0)):
            row = {"grain": grain, "period_start": date(2026, month, 1), "n": n, "as_of": datetime.now(UTC)}
            warehouse.execute(insert(kpi_value), cell | row)
    found = cxflow("kpis", "retention_rate", "--json", project=own).json
    assert [(each["grain"], each["n"]) for each in found] == [("quarter", 7)]


@pytest.mark.parametrize(
    ("grain", "start", "shown"), [("quarter", "2026-01-01", "2026-Q1"), ("year", "2026-01-01", "2026 ")]
)
def test_kpis_by_quarter_and_year(loaded: Path, grain: str, start: str, shown: str) -> None:
    found = cxflow("kpis", "nps", "--grain", grain, "--json", project=loaded).json
    assert [each["period_start"] for each in found] == [start]
    assert f" {shown}" in cxflow("kpis", "nps", "--grain", grain, project=loaded).out


def test_kpis_as_of_a_moment_before_the_first_run_are_none(loaded: Path) -> None:
    assert cxflow("kpis", "--as-of", "2026-01-01", "--json", project=loaded).json == []
    said = cxflow("kpis", "--as-of", "2026-01-01", project=loaded).out
    assert said.startswith("nothing was published by then; the first values are of 20")
    first = datetime.fromisoformat(said.split()[-1])
    assert cxflow(
        "kpis", "nps", "--as-of", (first + timedelta(seconds=1)).isoformat(), "--json", project=loaded
    ).json
    assert cxflow("kpis", "nps", "--as-of", "2099-01-01", "--since", "2098-01-01", project=loaded).out == (
        "no such values\n"
    )


def test_recomputing_changes_nothing_by_itself(own: Path) -> None:
    before = cxflow("kpis", "--json", project=own).json
    assert cxflow("kpis", "--recompute", "--json", project=own).json == before


def test_the_list_says_what_each_kpi_means(tmp_path: Path, loaded: Path) -> None:
    listed = cxflow("kpis", "--list", "--json", project=loaded).json
    assert {each["kpi"] for each in listed} >= set(KPIS)
    assert all(each["formula"] and each["unit"] for each in listed)


def test_an_unknown_kpi_is_told_with_the_nearest(loaded: Path) -> None:
    answer = cxflow("kpis", "npss", project=loaded)
    assert answer.code == 78
    assert "did you mean 'nps'?" in answer.err


def test_a_day_that_is_none_is_refused(loaded: Path) -> None:
    assert cxflow("kpis", "--since", "2026-02-31", project=loaded).code == 78


@pytest.mark.parametrize(
    ("kpi", "number", "written"),
    [
        ("nps", 36.84, "36.8"),
        ("nps", 0.0, "0.0"),
        ("ces", 5.678, "5.68"),
        ("csat", 0.8125, "81.2 %"),
        ("average_speed_of_answer", 1234.56, "1,234.6 s"),
        ("first_reply_minutes", 95.0, "95.0 min"),
        ("first_reply_minutes", 600.0, "10.0 h"),
        ("average_order_value", 1234.5, "1,234.50 EUR"),
        ("contact_rate", 12.345, "12.35 per 100 orders"),
        ("nps", None, None),
    ],
)
def test_values_are_written_in_their_unit(kpi: str, number: float | None, written: str | None) -> None:
    assert with_unit(number, KPIS[kpi], "EUR") == written


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("nps", "--by", "chanel"), "nps cannot be sliced by 'chanel'; did you mean 'channel'?"),
        (("--by", "quue"), "no KPI can be sliced by 'quue'; did you mean 'queue'?"),
        (
            ("nps", "--by", "agent"),
            "nps is not sliced by 'agent' in this project\nfix: add it to kpis.dimensions",
        ),
        (("--by", "agent"), "no KPI is sliced by 'agent' in this project\nfix: add it to kpis.dimensions"),
    ],
)
def test_a_dimension_that_has_no_slices_is_told(loaded: Path, asked: tuple[str, ...], told: str) -> None:
    answer = cxflow("kpis", *asked, project=loaded)
    assert answer.code == 78
    assert told in answer.err


def test_slices_are_shown_the_rest_last_and_the_past_may_have_had_others(own: Path) -> None:
    toml = own / "cxflow.toml"
    before = toml.read_text()
    toml.write_text(before + '\n[kpis]\ndimensions = ["channel", "stream"]\nmax_values = 1\n')
    assert cxflow("run", project=own).code == 0
    slices = cxflow("kpis", "nps", "--by", "channel", "--json", project=own).json
    assert [each["dimension_value"] for each in slices] == ["email", "(other)"]
    streams = cxflow("kpis", "nps", "--by", "stream", "--json", project=own).json
    assert [each["dimension_value"] for each in streams] == ["answers"]
    (listed,) = cxflow("kpis", "nps", "--list", "--json", project=own).json
    assert listed["dimensions"] == ["channel", "stream"]
    assert {"agent", "question", "signal.NAME"} <= set(listed["offers"])
    toml.write_text(before)
    assert cxflow("run", project=own).code == 0
    assert cxflow("kpis", "nps", "--by", "stream", project=own).code == 78
    assert cxflow("kpis", "nps", "--by", "stream", "--as-of", "2026-01-01", "--json", project=own).json == []


@pytest.mark.parametrize("command", [("lint",), ("run",), ("kpis",)])
def test_a_dimension_that_nothing_offers_is_a_fault_of_the_settings(
    own: Path, command: tuple[str, ...]
) -> None:
    toml = own / "cxflow.toml"
    toml.write_text(toml.read_text() + '\n[kpis.dimensions_of]\nces = ["chanel"]\n')
    answer = cxflow(*command, project=own)
    assert answer.code == 78
    assert "kpis.dimensions_of.ces: ces cannot be sliced by 'chanel'; did you mean 'channel'?" in answer.err


@pytest.mark.parametrize(
    "command", [("status",), ("kpis",), ("quarantine", "list"), ("state", "list"), ("kpis", "--recompute")]
)
def test_the_warehouse_is_read_without_what_its_sources_need(own: Path, command: tuple[str, ...]) -> None:
    before = cxflow(*command, project=own)
    edit(own, 'path = "exports/', 'path = "${CXFLOW_TEST_UNSET}/')
    assert (before.code, cxflow(*command, project=own)) == (0, before)
    for needs_it in (("run",), ("backfill", "--from", "2026-01-01", "--to", "2026-02-01"), ("lint",)):
        answer = cxflow(*needs_it, project=own)
        assert answer.code == 78
        assert (
            "connections.surveys.streams.answers.path: the environment variable CXFLOW_TEST_UNSET is not set"
            in answer.err
        )


def test_other_sources_are_loaded_while_one_lacks_its_variable(own: Path) -> None:
    with (own / "cxflow.toml").open("a") as toml:
        toml.write('\n[connections.erp]\nconnector = "files"\nroot = "${CXFLOW_TEST_UNSET}"\n')
    answer = cxflow("run", "--no-kpis", "--json", project=own)
    assert answer.code == 78
    assert [(each["connection"], each["stream"]) for each in answer.json["streams"]] == [
        ("surveys", "answers")
    ]
    assert [error["value"] for error in answer.errors] == ["CXFLOW_TEST_UNSET"]
    assert cxflow("run", "surveys", "--no-kpis", project=own).code == 0


@pytest.mark.parametrize("command", ["status", "kpis"])
def test_the_warehouse_needs_its_own_variables(own: Path, command: str) -> None:
    (own / "cxflow.toml").write_text('[warehouse]\nurl = "${CXFLOW_TEST_UNSET}"\n')
    answer = cxflow(command, project=own)
    assert answer.code == 78
    assert "warehouse.url: the environment variable CXFLOW_TEST_UNSET is not set" in answer.err


def test_journeys_before_a_purchase_are_shown_with_their_times(own: Path) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    row = {
        "source_system": "shop",
        "source_object": "o",
        "is_deleted": False,
        "run_id": "r",
        "loaded_at": noon,
    }
    with transactions.transaction(load(own)) as connection:
        for number in range(12):
            who = {"customer_id": f"c{number}", "source_record_id": f"{number}"}
            visit = {"touchpoint_id": f"v{number}", "occurred_at": noon, "activity": "visited_page"}
            connection.execute(insert(touchpoint), row | who | visit | {"channel": "web"})
            order = {
                "order_id": f"o{number}",
                "created_at": noon + timedelta(hours=3),
                "currency_code": "EUR",
            }
            connection.execute(insert(order_header), row | who | order)
    shown = cxflow("journeys", "--before", "purchase", project=own)
    assert "12 journeys of 12 customers" in shown.out
    assert "100.0%" in shown.out
    assert "visited_page (web) → 3 h" in shown.out
    (path,) = cxflow("journeys", "--before", "purchase", "--json", project=own).json["paths"]
    assert path["steps"] == [{"activity": "visited_page", "channel": "web", "hours_to_next": 3}]
    late = cxflow("journeys", "--before", "purchase", "--since", "2026-03-02", project=own)
    assert "nothing led to a purchase" in late.out
    assert "nobody left" in cxflow("journeys", "--before", "leaving", project=own).out
