"""Reading values, and telling a change from noise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at

from cxflow.kpis.calculator import compute
from cxflow.kpis.read import KpiValue, change, slices


def value(value: float | None, low: float | None, high: float | None) -> KpiValue:
    return KpiValue(
        kpi="csat",
        version=1,
        grain="month",
        period_start=date(2025, 3, 1),
        dimension="",
        dimension_value="",
        as_of=datetime(2025, 4, 1, tzinfo=UTC),
        numerator=None,
        denominator=None,
        n=10,
        value=value,
        ci_low=low,
        ci_high=high,
        is_suppressed=value is None,
        squared_deviation=None,
        cubed_deviation=None,
        interval_note=None,
        left_out=0,
        customers=10,
        effective_n=10.0,
        is_complete=True,
    )


def test_values_are_ordered_by_kpi_period_and_slice(desk: Desk) -> None:
    for day in ("3-14", "1-15"):
        desk.answer("nps", 10, at(day), source_system="b")
        desk.answer("nps", 10, at(day), source_system="a")
        desk.answer("csat", 5, at(day))
    desk.compute("nps", "csat")
    found = desk.values(None, by="source")
    assert [(v.kpi, v.period_start.month, v.dimension_value) for v in found] == [
        ("csat", 1, "shop"),
        ("csat", 3, "shop"),
        ("nps", 1, "a"),
        ("nps", 1, "b"),
        ("nps", 3, "a"),
        ("nps", 3, "b"),
    ]


def test_slices_of_every_kpi_and_dimension_are_read_at_once(desk: Desk) -> None:
    for month in (1, 2, 3):
        desk.answer("nps", 10, at(f"{month}-15"), source_system="a")
        desk.answer("csat", 5, at(f"{month}-15"))
    desk.compute("nps", "csat")
    found = slices(desk.connection, "month", (date(2025, 1, 1), date(2025, 3, 1)))
    assert [(v.kpi, v.dimension, v.period_start.month, v.dimension_value) for v in found] == [
        ("csat", "source", 1, "shop"),
        ("csat", "source", 3, "shop"),
        ("nps", "source", 1, "a"),
        ("nps", "source", 3, "a"),
    ]
    assert slices(desk.connection, "month", (date(2025, 1, 1),), as_of=at("1-1")) == []


def test_since_is_inside_and_until_is_outside(desk: Desk) -> None:
    for month in (1, 2, 3):
        desk.answer("nps", 10, at(f"{month}-15"))
    desk.compute("nps")
    found = desk.values("nps", since=date(2025, 2, 1), until=date(2025, 3, 1))
    assert [v.period_start.month for v in found] == [2]


def test_only_the_newest_version_is_read(desk: Desk) -> None:
    desk.answer("nps", 10)
    desk.compute("nps")
    second = replace(BY_NAME["nps"], version=2)
    compute(desk.connection, desk.settings, {"nps": second}, FIRST.replace(day=2))
    assert [v.version for v in desk.values("nps")] == [2]
    assert [v.version for v in desk.values("nps", as_of=FIRST)] == [1]


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    # Newcombe 1998 b, table II, method 10: 56/70 − 48/80 is 0.2, 0.0524 to 0.3339.
    # Wilson: 56/70 is 0.6918 to 0.8768; 48/80 is 0.4904 to 0.7005.
    found = change(value(0.6, 0.490449, 0.700541), value(0.8, 0.691773, 0.876862))
    assert found is not None
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.0524, abs=5e-4), pytest.approx(0.3339, abs=5e-4))
    assert found.is_change


def test_for_symmetric_intervals_the_half_widths_add_as_squares() -> None:
    found = change(value(10, 7, 13), value(12, 8, 16))
    assert found is not None
    assert (found.difference, found.low, found.high) == (2, -3, 7)
    assert not found.is_change


def test_without_a_value_or_an_interval_nothing_is_said() -> None:
    assert change(value(None, None, None), value(12, 8, 16)) is None
    assert change(value(12, 8, 16), value(58.4, 21, None)) is None
