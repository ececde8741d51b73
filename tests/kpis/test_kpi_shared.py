"""Rows that several statements of a KPI are made of are computed once."""

from __future__ import annotations

import pytest
from kpi_desk import Desk, at
from sqlalchemy import Table, column, func, insert, select

from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.shared import stored
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
