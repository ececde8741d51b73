"""The SQL that adds values up gives what cxflow publishes: of each cell itself, and of periods from those in them."""

from __future__ import annotations

import pytest
from bi_shop import Shop, close

COARSER = (("day", "week"), ("day", "month"), ("month", "quarter"), ("quarter", "year"))
CELL = "grain, period_start, dimension, dimension_value"


def test_of_one_cell_it_is_the_published_value_of_every_kpi(shop: Shop) -> None:
    with shop.published() as published:
        kpis = published.kpis
    assert {"nps", "revenue", "contact_rate", "first_reply_minutes", "repeat_purchase_rate"} <= set(kpis)
    computed = ", ".join(kpi.rollup.sql for kpi in kpis.values())
    known = {tuple(cell): value for *cell, value in shop.ask(f"SELECT kpi, {CELL}, value FROM mart_kpi")}
    for row in shop.ask(f"SELECT {CELL}, {computed} FROM mart_kpi GROUP BY {CELL}"):
        for name, value in zip(kpis, row[4:], strict=True):
            assert close(value, known.get((name, *row[:4]))), (name, *row[:4])


@pytest.mark.parametrize(("fine", "coarse"), COARSER)
def test_the_value_of_a_period_follows_from_the_periods_in_it(shop: Shop, fine: str, coarse: str) -> None:
    with shop.published() as published:
        kpis = {name: kpi for name, kpi in published.kpis.items() if not kpi.rollup.indivisible}
    slice_ = "dimension, dimension_value"
    key = f"CAST(date_trunc('{coarse}', period_start) AS date), {slice_}"
    computed = ", ".join(kpi.rollup.sql for kpi in kpis.values())
    whole = f"SELECT kpi, period_start, {slice_}, value FROM mart_kpi WHERE grain = '{coarse}'"
    known = {tuple(cell): value for *cell, value in shop.ask(whole)}
    compared = set()
    for row in shop.ask(f"SELECT {key}, {computed} FROM mart_kpi WHERE grain = '{fine}' GROUP BY {key}"):
        for name, value in zip(kpis, row[3:], strict=True):
            if value is not None:  # of days that are all suppressed there is none
                assert close(value, known[name, *row[:3]]), (name, *row[:3])
                compared.add(name)
    assert {"judged_share", "net_experience_per_customer"} & compared == {"judged_share"}


def test_it_gives_nothing_rather_than_a_wrong_number(shop: Shop) -> None:
    with shop.published() as published:
        nps, reply = (published.kpis[name].rollup.sql for name in ("nps", "first_reply_minutes"))
    assert shop.ask(f"SELECT {nps} FROM mart_kpi WHERE grain = 'month' AND dimension = ''")[0][0] is not None
    for mixed in (
        "dimension = ''",
        "grain = 'month'",
    ):  # events count once in each grain, and in each dimension
        assert shop.ask(f"SELECT {nps} FROM mart_kpi WHERE {mixed}")[0][0] is None, mixed
    assert shop.ask(f"SELECT {reply} FROM mart_kpi WHERE grain = 'year' AND dimension = ''")[0][0] is not None
    days = "kpi = 'first_reply_minutes' AND grain = 'day' AND dimension = ''"
    assert shop.ask(f"SELECT count(*) FROM mart_kpi WHERE {days}")[0][0] == 2
    assert shop.ask(f"SELECT {reply} FROM mart_kpi WHERE {days}")[0][0] is None, "no median of medians"


def test_what_is_suppressed_stays_so(shop: Shop) -> None:
    with shop.published() as published:
        nps = published.kpis["nps"].rollup.sql
    hidden = "FROM mart_kpi WHERE kpi = 'nps' AND grain = 'day' AND dimension = '' AND is_suppressed"
    assert shop.ask(f"SELECT sum(denominator) {hidden}")[0][0] > 0, "its components are there"
    assert shop.ask(f"SELECT {nps} {hidden}")[0][0] is None
