"""Rows that several statements of a KPI are made of are computed once."""

from __future__ import annotations

import pytest
from kpi_desk import Desk, at
from sqlalchemy import Table, column, func, insert, select

from cxflow.kpis import days
from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.shared import store, store_all, stored
from cxflow.warehouse.engines import duckdb as duckdb_engine
from cxflow.warehouse.tables import pending_kpi, touchpoint

_t = touchpoint.c


def contacts() -> Rows:
    return select(_t.occurred_at.label("at"), _t.customer_id, _t.channel).where(~_t.is_deleted)


def counted(desk: Desk, rows: Rows) -> int:
    return int(desk.connection.scalar(select(func.count()).select_from(rows.subquery())) or 0)


def test_statements_of_the_block_read_what_was_there_at_its_beginning(desk: Desk) -> None:
    rows = contacts()
    fact = Fact(rows, {}).needing("without a customer", column("customer_id").is_not(None))
    desk.contact(at("3-14"), "ada")
    desk.contact(at("3-14"))
    with stored(desk.connection, rows):
        desk.contact(at("3-15"), "eve")
        desk.contact(at("3-15"))
        assert counted(desk, rows) == 2
        assert counted(desk, fact.rows) == counted(desk, fact.left_out["without a customer"].rows) == 1
        assert counted(desk, fact.between(at("3-15 00:00"), at("3-16")).rows) == 0
        assert counted(desk, contacts()) == 4, "another SELECT, though it says the same"
    assert counted(desk, rows) == 4
    assert counted(desk, fact.rows) == 2


@pytest.mark.parametrize("rows_of_thread", [1, 2, 3, 7, 100])
def test_rows_that_threads_share_are_each_read_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, rows_of_thread: int
) -> None:
    monkeypatch.setattr(duckdb_engine, "_ROWS_OF_THREAD", rows_of_thread)
    is_duckdb = desk.connection.dialect.name == "duckdb"
    if is_duckdb:
        desk.connection.exec_driver_sql("SET threads = 3")
    for day in range(1, 8):
        desk.contact(at(f"3-{day:02}"), "ada")
    before = [contacts().where(_t.occurred_at < at("3-05")), contacts().where(_t.occurred_at >= at("3-05"))]
    several = store_all(desk.connection, before, "several")
    assert several is not None
    days_of = select(several.rows.c.at)
    assert sorted(desk.connection.scalars(days_of)) == [at(f"3-{day:02}") for day in range(1, 8)]
    is_shared = is_duckdb and rows_of_thread < 7 / 2
    assert (several.rows.name != "several") is is_shared
    several.drop()
    again = store(desk.connection, before[0], "several")
    assert len(desk.connection.scalars(select(again.rows.c.at)).all()) == 4, "nothing of the first is left"
    again.drop()
    assert store_all(desk.connection, [], "several") is None


def test_so_does_what_they_insert(desk: Desk) -> None:
    rows = contacts()
    desk.contact(at("3-14"), "ada")
    with stored(desk.connection, rows):
        desk.contact(at("3-15"), "eve")
        found = rows.subquery()
        into: Table = pending_kpi
        desk.connection.execute(
            insert(into).from_select(
                ["table_name"], select(found.c.customer_id).where(found.c.channel == "phone")
            )
        )
    assert desk.connection.scalars(select(pending_kpi.c.table_name)).all() == ["ada"]


def test_it_ends_with_the_block_also_with_one_that_fails(desk: Desk) -> None:
    rows = contacts()
    desk.contact(at("3-14"), "ada")

    def fail() -> None:
        with stored(desk.connection, rows):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    desk.contact(at("3-15"), "eve")
    assert counted(desk, rows) == 2


def test_kpis_of_one_fact_find_its_events_once_in_runs_of_days(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "_AT_ONCE_ROWS", 1)  # one day at a time
    # Ada called on the 1st and again on the 3rd, Eve on the 2nd and the 20th: three of four are not repeated.
    for day, who in (("3-01", "ada"), ("3-03", "ada"), ("3-02", "eve"), ("3-20", "eve"), ("4-20", "last")):
        desk.contact(at(day), who)
    statements = desk.statements()
    desk.compute("first_contact_resolution", "support_contacts", "repeat_contact_rate_7d")
    found = {
        kpi: [(value.value, value.n) for value in desk.values(kpi, "all")]
        for kpi in ("first_contact_resolution", "repeat_contact_rate_7d", "support_contacts")
    }
    assert found == {
        "first_contact_resolution": [(0.75, 4)],
        "repeat_contact_rate_7d": [(0.25, 4)],
        "support_contacts": [(5, 5)],
    }
    made = [each for each in statements if each.startswith("CREATE TEMPORARY TABLE kpi_found")]
    filled = [each for each in statements if each.startswith("INSERT INTO kpi_found")]
    dropped = [each for each in statements if each.startswith("DROP TABLE kpi_found")]
    assert (len(made), len(dropped)) == (2, 2), (
        "one for the two KPIs of judged contacts, one for all contacts"
    )
    assert len(filled) == 4 + 4, "a run of days for each day but the first"
