"""Quarters and years: where they begin in the reporting time zone, and what is in them. Worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from kpi_desk import BY_NAME, FIRST, Desk, at

from cxflow.kpis.periods import Grain

LATER = FIRST + timedelta(days=1)


def cells(desk: Desk, kpi: str, grain: Grain) -> list[tuple[date, int, float | None]]:
    return [(v.period_start, v.n, v.value) for v in desk.values(kpi, grain)]


# The last minute of a period by the local clock, and the first one of the next, as UTC has them.
SAO_PAULO = {  # UTC − 3 the whole year
    "year": (datetime(2025, 1, 1, 2, 59, tzinfo=UTC), datetime(2025, 1, 1, 3, 0, tzinfo=UTC)),
    "quarter": (datetime(2025, 4, 1, 2, 59, tzinfo=UTC), datetime(2025, 4, 1, 3, 0, tzinfo=UTC)),
}
AUCKLAND = {  # UTC + 13 in its summer, which ended on 6 April 2025
    "year": (datetime(2024, 12, 31, 10, 59, tzinfo=UTC), datetime(2024, 12, 31, 11, 0, tzinfo=UTC)),
    "quarter": (datetime(2025, 3, 31, 10, 59, tzinfo=UTC), datetime(2025, 3, 31, 11, 0, tzinfo=UTC)),
}


@pytest.mark.parametrize("kpi", ["review_rating", "first_reply_minutes"], ids=["sums", "median"])
@pytest.mark.parametrize(
    ("zone", "edges"),
    [("America/Sao_Paulo", SAO_PAULO), ("Pacific/Auckland", AUCKLAND)],
    ids=["west", "east"],
)
def test_a_minute_decides_the_quarter_and_the_year(
    desk: Desk, zone: str, edges: dict[str, tuple[datetime, datetime]], kpi: str
) -> None:
    """Three events: the last minute of 2024, the first one of 2025, and the first one of April; then late the last
    one of March. Computed by what each load touches, and once more from nothing."""
    desk.configure(project={"timezone": zone})

    def happens(moment: datetime, number: float) -> None:
        if kpi == "review_rating":
            desk.review(number, date_published=moment)
        else:
            desk.case(moment, first_reply_at=moment + timedelta(minutes=number))

    happens(edges["year"][0], 1)
    desk.compute(kpi)
    happens(edges["year"][1], 2)
    happens(edges["quarter"][1], 4)
    desk.compute(kpi, as_of=LATER)
    happens(edges["quarter"][0], 3)
    desk.compute(kpi, as_of=LATER + timedelta(hours=1))
    quarters = [(date(2024, 10, 1), 1, 1), (date(2025, 1, 1), 2, 2.5), (date(2025, 4, 1), 1, 4)]
    assert cells(desk, kpi, "quarter") == quarters
    assert cells(desk, kpi, "year") == [(date(2024, 1, 1), 1, 1), (date(2025, 1, 1), 3, 3)]
    again = desk.compute(kpi, as_of=LATER + timedelta(hours=2), everything=True)
    assert again.published == 0


def test_retention_of_a_quarter_and_a_year_looks_at_the_one_before(desk: Desk) -> None:
    for customer, months in {"ana": (1, 2, 5), "ben": (3, 11), "eva": (6,), "gil": (10,)}.items():
        for month in months:
            desk.order(at(f"{month}-15"), customer)
    desk.order(datetime(2026, 2, 1, tzinfo=UTC), "ben")
    desk.compute("retention_rate")
    # First quarter ana and ben, second ana and eva, none in the third, fourth ben and gil, then ben.
    assert cells(desk, "retention_rate", "quarter") == [
        (date(2025, 4, 1), 2, 0.5),
        (date(2025, 7, 1), 2, 0),
        (date(2026, 1, 1), 2, 0.5),
    ]
    assert cells(desk, "retention_rate", "year") == [(date(2026, 1, 1), 4, 0.25)]


def test_a_late_order_changes_the_retention_of_the_next_year(desk: Desk) -> None:
    desk.order(at("3-15"), "ana")
    desk.order(datetime(2026, 2, 1, tzinfo=UTC), "ana")
    desk.compute("retention_rate")
    assert cells(desk, "retention_rate", "year") == [(date(2026, 1, 1), 1, 1)]
    desk.order(at("12-30"), "ben")
    desk.compute("retention_rate", as_of=LATER)
    assert cells(desk, "retention_rate", "year") == [(date(2026, 1, 1), 2, 0.5)]
    assert desk.compute("retention_rate", as_of=LATER + timedelta(hours=1), everything=True).published == 0


def test_grains_that_a_kpi_did_not_have_are_computed_for_the_past(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update of cxflow: no row is touched, the definition has other grains."""
    full = BY_NAME["nps"]
    desk.answer("nps", 10)
    monkeypatch.setitem(BY_NAME, "nps", replace(full, grains=("day", "week", "month", "all")))
    desk.compute("nps")
    assert cells(desk, "nps", "year") == []
    monkeypatch.setitem(BY_NAME, "nps", full)
    assert desk.compute("nps", as_of=LATER).published == 4  # quarter and year, for everything and the source
    assert cells(desk, "nps", "year") == [(date(2025, 1, 1), 1, 100)]
    assert desk.compute("nps", as_of=LATER + timedelta(hours=1)).computed == 0
