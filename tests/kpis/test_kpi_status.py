"""Each KPI stands or fails alone, and says why it has no value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at
from sqlalchemy import Double, Select, case, cast, column, literal, literal_column, select

from cxflow import flow
from cxflow.kpis import catalogue, status
from cxflow.kpis.calculator import KpiError, compute
from cxflow.kpis.estimators import Mean
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import Kpi
from cxflow.testing import TestProject
from cxflow.warehouse.tables import order_header


def of(desk: Desk, kpi: str) -> tuple[str, str | None]:
    return tuple(status.read(desk.connection)[kpi])  # type: ignore[return-value]


def test_a_currency_without_a_rate_stops_the_kpis_of_money_alone(desk: Desk) -> None:
    desk.order(at("3-10"), "ana", price_total=10)
    desk.order(at("3-10"), "ana", price_total=20, currency_code="BRL")
    report = desk.compute()
    of_money = {
        "average_order_value",
        "customer_lifetime_value",
        "gross_revenue_retention",
        "net_revenue",
        "net_revenue_retention",
        "omnichannel_uplift",
        "return_rate_by_revenue",
        "revenue",
    }
    assert set(report.failed) == of_money
    assert "BRL" in report.failed["average_order_value"]
    assert "[kpis.rates]" in report.failed["average_order_value"]
    assert of(desk, "average_order_value") == ("failed", report.failed["average_order_value"])
    assert desk.values("average_order_value", "all") == []
    (repeat,) = desk.values("repeat_purchase_rate", "all")
    assert (repeat.value, repeat.n) == (1, 1)


def test_once_it_can_be_computed_a_failed_kpi_catches_up_with_all_that_it_missed(desk: Desk) -> None:
    desk.order(at("1-10"), price_total=10)
    desk.compute()
    desk.order(at("3-10"), price_total=20, currency_code="BRL")
    desk.compute()  # fails; its days are forgotten
    desk.order(at("5-10"), price_total=5)
    desk.compute()  # and again
    assert [(v.period_start.month, v.value) for v in desk.values("average_order_value")] == [(1, 10)]
    desk.connection.execute(
        order_header.update().where(order_header.c.currency_code == "BRL").values(currency_code="EUR")
    )
    report = desk.compute()  # nothing is noted as touched
    assert report.failed == {}
    assert of(desk, "average_order_value") == ("computed", None)
    found = [(v.period_start.month, v.value) for v in desk.values("average_order_value")]
    assert found == [(1, 10), (3, 20), (5, 5)]


@pytest.mark.parametrize(
    ("kpi", "said"),
    [
        ("nps", "no rows in survey_response"),
        ("average_handle_time", "no rows in interaction"),
        ("return_rate", "no rows in refund"),
        ("lead_conversion_rate", "no rows in lead"),
    ],
)
def test_without_rows_the_table_is_named(desk: Desk, kpi: str, said: str) -> None:
    desk.order()
    desk.compute(kpi)
    assert of(desk, kpi) == ("no events", said)


def test_rows_of_which_none_counts_are_told_by_what_would_count(desk: Desk) -> None:
    desk.order()
    desk.touchpoint(at("3-10"), activity="visited_shop")
    desk.compute("contact_rate", "first_contact_resolution")
    for kpi in ("contact_rate", "first_contact_resolution"):
        found, reason = of(desk, kpi)
        assert found == "no events"
        assert reason is not None
        assert "called_support, contacted_support or filed_complaint" in reason


def test_the_status_changes_with_the_first_event(desk: Desk) -> None:
    desk.compute("nps")
    desk.answer("nps", 9)
    desk.compute("nps")
    assert of(desk, "nps") == ("computed", None)


def test_events_that_are_all_left_out_are_no_events_however_often_they_come(desk: Desk) -> None:
    for day in ("3-10", "3-11"):
        desk.order(at(day), price_total=None)
        desk.compute()
        found, reason = of(desk, "average_order_value")
        assert found == "no events"
        assert reason is not None
        assert reason.startswith("nothing that it counts")


def _value(prices: Select[tuple[object]]) -> Kpi:
    made = fact(order_header, price=prices.scalar_subquery())
    return Kpi(
        name="broken", title="Broken", unit="points", better="higher", formula="cannot be computed",
        of=Mean(made, column("price", Double)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "prices",
    [select(column("no_such_column", Double)), select(cast(literal("ana@example.org"), Double))],
    ids=["a column that does not exist", "a value that does not fit"],
)
def test_a_kpi_whose_sql_fails_is_named_without_a_value_of_the_data(
    desk: Desk, prices: Select[tuple[object]]
) -> None:
    desk.order(price_total=3)
    kpis = {"broken": _value(prices), "average_order_value": BY_NAME["average_order_value"]}
    nested = desk.connection.begin_nested() if desk.connection.dialect.name == "postgresql" else None
    with pytest.raises(KpiError) as caught:
        compute(desk.connection, desk.settings, kpis, FIRST)
    assert caught.value.kpis == ["broken"]
    assert "ana@example.org" not in caught.value.reason
    if nested is None:
        return  # the desk's transaction is lost
    nested.rollback()
    report = compute(desk.connection, desk.settings, kpis, FIRST, failed={"broken": caught.value.reason})
    assert set(report.failed) == {"broken"}
    assert [v.value for v in desk.values("average_order_value", "all")] == [3]


def _of_two_orders(folder: Path, warehouse: dict[str, Any]) -> TestProject:
    """A project that has loaded orders of 10 and, a day later, of 30."""
    (folder / "orders.csv").write_text("id,day,total\n1,2025-03-01,10\n2,2025-03-02,30\n")
    order = {"order_id": "id", "created_at": "day", "price_total": "total"}
    stream = {"path": "orders.csv", "primary_key": ["id"], "to": {"order_header": order}}
    tree = {
        "kpis": {"min_n": 1},
        "connections": {"shop": {"connector": "files", "timezone": "UTC", "streams": {"orders": stream}}},
    }
    project = TestProject(folder, tree, warehouse=warehouse)
    project.run()
    return project


def test_a_run_computes_the_other_kpis_and_says_which_failed(
    tmp_path: Path, new_warehouse: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _of_two_orders(tmp_path, new_warehouse())
    broken = _value(select(column("no_such_column", Double)))
    found = catalogue.of_project(project.settings)
    monkeypatch.setattr(catalogue, "of_project", lambda _: {"broken": broken, **found})
    report = flow.compute_kpis(project.settings)
    assert set(report.failed) == {"broken"}
    value = (
        "SELECT value FROM kpi_value WHERE kpi = 'average_order_value' AND grain = 'all' AND dimension = ''"
    )
    assert project.query(value) == [(20.0,)]
    assert project.query("SELECT status FROM kpi_status WHERE kpi = 'broken'") == [("failed",)]


def test_a_kpi_whose_days_cannot_be_summed_fails_alone(
    tmp_path: Path, new_warehouse: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each day of the measure is a number, and the cubed deviations from their mean are none: 1e150³."""
    warehouse = new_warehouse()
    if not warehouse.get("url", "").startswith("postgresql"):
        pytest.skip("DuckDB computes on with infinity")
    project = _of_two_orders(tmp_path, warehouse)
    huge = fact(order_header, price=case((order_header.c.price_total > 20, 1e150), else_=0.0))
    immense = Kpi(
        name="immense", title="Immense", unit="points", better="higher", formula="too large to add up",
        of=Mean(huge, column("price", Double)),
    )  # fmt: skip
    found = catalogue.of_project(project.settings)
    monkeypatch.setattr(catalogue, "of_project", lambda _: {**found, "immense": immense})
    report = flow.compute_kpis(project.settings)
    assert set(report.failed) == {"immense"}
    value = (
        "SELECT value FROM kpi_value WHERE kpi = 'average_order_value' AND grain = 'all' AND dimension = ''"
    )
    assert project.query(value) == [(20.0,)]


def test_a_kpi_that_needs_more_memory_than_there_is_fails_alone(desk: Desk) -> None:
    if desk.connection.dialect.name != "duckdb":
        pytest.skip("the server says itself how much it takes")
    desk.order(price_total=3)
    kpis = {
        "broken": _value(select(literal_column("(SELECT len(list(range)) FROM range(100000000))", Double)))
    }
    desk.connection.exec_driver_sql("SET memory_limit = '100MB'")
    try:
        with pytest.raises(KpiError) as caught:
            compute(desk.connection, desk.settings, kpis, FIRST)
    finally:
        desk.connection.rollback()  # lost with the statement
        desk.connection.exec_driver_sql("RESET memory_limit")
    assert caught.value.kpis == ["broken"]
    assert "CXFLOW_MEMORY_LIMIT" in caught.value.reason
