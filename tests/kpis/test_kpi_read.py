"""Reading published values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from kpi_desk import BY_NAME, FIRST, Desk, at

from cxflow.kpis.calculator import compute
from cxflow.kpis.read import slices


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
