"""A shop's purchases: every figure against one that pandas takes from the lines."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from cohorts_by_pandas import cohorts
from editions import REAL, Figure, Source, folder_of, of_the_slice
from real_project import RealProject, published
from real_sets import CDNOW, rows_of

from cxflow.kpis.buy_till_you_die import BgNbd, GammaGamma

WHAT_IS_SAID = ["customer_id", "day", "cds", "dollars"]


@pytest.fixture(scope="module")
def lines(source: Source) -> pd.DataFrame:
    """Every line's words."""
    _, *records = rows_of(source(CDNOW, "shop.purchases"))
    return pd.DataFrame([str(line).split() for (line,) in records], columns=WHAT_IS_SAID)


@pytest.fixture(scope="module")
def purchases(lines: pd.DataFrame) -> pd.DataFrame:
    """The purchases: lines that say the same are one."""
    return lines.drop_duplicates().astype({"cds": int, "dollars": float})


def test_lines_end_in_crlf_and_none_is_lost(source: Source, lines: pd.DataFrame, figure: Figure) -> None:
    raw = source(CDNOW, "shop.purchases").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 1 + len(lines)
    assert len(lines) == figure(real=69_659, slice=52)


def test_lines_that_say_the_same_are_one_purchase(
    cdnow: RealProject, lines: pd.DataFrame, figure: Figure
) -> None:
    # Of the slice: 90002 in January and 90013 twice, 90006 on Christmas Eve three times.
    repeated, orders = figure(real=(255, 69_404), slice=(4, 48))
    assert lines.duplicated().sum() == repeated
    assert cdnow.row("SELECT deduplicated FROM load_run WHERE mode = 'scheduled' AND extracted > 0") == (
        repeated,
    )
    assert cdnow.row("SELECT count(*), count(DISTINCT order_id) FROM order_header") == (orders, orders)


@of_the_slice
def test_a_purchase_is_a_touchpoint_an_order_and_a_line(cdnow: RealProject) -> None:
    found = cdnow.rows(
        "SELECT o.order_id, t.activity, t.channel, strftime(timezone('UTC', t.occurred_at), '%Y-%m-%d %H:%M'), "
        "o.created_at = t.occurred_at, o.price_total::DOUBLE, o.currency_code, o.is_cancelled, "
        "l.line_no, l.quantity::INT, l.line_total::DOUBLE "
        "FROM touchpoint AS t JOIN order_header AS o USING (touchpoint_id) "
        "JOIN order_line AS l ON l.order_id = o.order_id "
        "WHERE o.source_record_id LIKE '90005|%' ORDER BY o.created_at"
    )
    # Midnight in New York: at 05:00 in winter, at 04:00 in summer.
    order = ("placed_order", "web")
    assert found == [
        ("shop:90005/19970115/1/0.00", *order, "1997-01-15 05:00", True, 0.0, "USD", False, "1", 1, 0.0),
        ("shop:90005/19970607/2/26.00", *order, "1997-06-07 04:00", True, 26.0, "USD", False, "1", 2, 26.0),
        ("shop:90005/19970621/1/14.00", *order, "1997-06-21 04:00", True, 14.0, "USD", False, "1", 1, 14.0),
    ]


def test_several_purchases_of_a_day_are_several_orders(
    cdnow: RealProject, purchases: pd.DataFrame, figure: Figure
) -> None:
    expected = purchases.groupby("customer_id").size().value_counts().to_dict()
    found = cdnow.rows(
        "SELECT orders, count(*) FROM "
        "(SELECT count(*) AS orders FROM order_header GROUP BY customer_id) GROUP BY orders"
    )
    assert dict(found) == expected
    assert sum(expected.values()) == figure(real=23_570, slice=20)
    # Of the slice: 90001, 90002, 90004, 90010 and 90011, each once.
    assert purchases.duplicated(["customer_id", "day"]).sum() == figure(real=1_813, slice=5)


def test_a_customer_is_who_the_line_names(
    cdnow: RealProject, purchases: pd.DataFrame, figure: Figure
) -> None:
    found = cdnow.rows("SELECT DISTINCT split_part(source_record_id, '|', 1), customer_id FROM order_header")
    assert len(found) == len({customer for _, customer in found}) == figure(real=23_570, slice=20)
    assert {name for name, _ in found} == set(purchases.customer_id)


def test_every_purchase_stands_on_its_day(
    cdnow: RealProject, purchases: pd.DataFrame, figure: Figure
) -> None:
    found = cdnow.rows(
        "SELECT strftime(timezone('America/New_York', created_at), '%Y%m%d %H:%M'), count(*) "
        "FROM order_header GROUP BY ALL"
    )
    assert dict(found) == {f"{day} 00:00": n for day, n in purchases.day.value_counts().items()}
    first, last = figure(real=("19970101", "19980630"), slice=("19970104", "19980630"))
    assert (purchases.day.min(), purchases.day.max()) == (first, last)
    assert cdnow.row("SELECT count(*) FROM quarantine") == (0,)


def test_no_disc_and_no_cent_is_lost(cdnow: RealProject, purchases: pd.DataFrame, figure: Figure) -> None:
    discs, dollars = cdnow.row("SELECT sum(quantity), sum(line_total)::DOUBLE FROM order_line")
    assert discs == purchases.cds.sum()
    assert dollars == pytest.approx(purchases.dollars.sum(), abs=0.005)
    free = (purchases.dollars == 0).sum()
    assert free == figure(real=80, slice=2)
    assert cdnow.row("SELECT count(*) FROM order_header WHERE price_total = 0") == (free,)


def test_an_order_is_worth_what_the_line_says(
    cdnow: RealProject, lines: pd.DataFrame, purchases: pd.DataFrame, figure: Figure
) -> None:
    values = purchases.dollars
    expected = pytest.approx(values.mean())
    assert cdnow.published("average_order_value") == {"all": (expected, len(values))}
    # Of the slice: 1,200.00 dollars for 48 purchases; with the four lines of before, 63.00, 34.25 and twice 36.75,
    # 1,370.75 dollars for 52.
    once, each = figure(real=(35.96, 35.89), slice=(25.00, 26.36))
    assert values.mean() == pytest.approx(once, abs=5e-3)
    assert lines.dollars.astype(float).mean() == pytest.approx(each, abs=5e-3)


def test_repeat_purchase_is_of_customers(
    cdnow: RealProject, lines: pd.DataFrame, purchases: pd.DataFrame, figure: Figure
) -> None:
    again = purchases.groupby("customer_id").size() >= 2
    assert cdnow.published("repeat_purchase_rate") == {"all": (pytest.approx(again.mean()), len(again))}
    # Of the slice: 12 of 20, 60 %; lines counted each, 90013 would have come again, too.
    once, each = figure(real=(11_642, 11_662), slice=(12, 13))
    assert again.sum() == once
    assert (lines.groupby("customer_id").size() >= 2).sum() == each


@of_the_slice
def test_four_of_ten_came_back_in_february_and_three_of_ten_in_april(cdnow: RealProject) -> None:
    found = cdnow.published("retention_rate", "--grain", "month")
    # Of January's ten customers 90001 to 90004 bought in February. February's eight are too few to tell. Of March's
    # ten, 90001, 90011 and 90012 bought in April.
    assert found["1997-02-01"] == (pytest.approx(0.4), 10)
    assert found["1997-03-01"] == (None, 8)
    assert found["1997-04-01"] == (pytest.approx(0.3), 10)


def test_retention_is_of_customers_from_month_to_month(cdnow: RealProject, purchases: pd.DataFrame) -> None:
    active = purchases.groupby(pd.PeriodIndex(purchases.day.str[:6], freq="M")).customer_id.agg(set)
    expected = {}
    for earlier, before in active.items():
        if earlier < active.index.max():
            back = before & active.get(earlier + 1, set())
            expected[f"{earlier + 1}-01"] = published(len(back) / len(before), len(before))
    assert cdnow.published("retention_rate", "--grain", "month") == expected


def test_churn_and_revenue_retention_are_of_the_month_before(
    cdnow: RealProject, purchases: pd.DataFrame
) -> None:
    month = pd.PeriodIndex(purchases.day.str[:6], freq="M")
    spent = purchases.pivot_table(index="customer_id", columns=month, values="dollars", aggfunc="sum")
    churn, net, gross = {}, {}, {}
    for earlier in spent.columns[:-1]:
        before = spent[earlier].dropna()
        now = spent.get(earlier + 1, pd.Series(index=spent.index, dtype=float))
        of_them = now.reindex(before.index)
        churn[f"{earlier + 1}-01"] = published(of_them.isna().mean(), len(before))
        worth = before[before > 0]
        later = of_them[worth.index].fillna(0)
        net[f"{earlier + 1}-01"] = published(later.sum() / worth.sum(), len(worth))
        capped = later.clip(upper=worth)
        gross[f"{earlier + 1}-01"] = published(capped.sum() / worth.sum(), len(worth))
    assert cdnow.published("churn_rate", "--grain", "month") == churn
    assert cdnow.published("net_revenue_retention", "--grain", "month") == net
    assert cdnow.published("gross_revenue_retention", "--grain", "month") == gross


def test_cohorts_buy_again_and_are_worth_what_pandas_says(
    cdnow: RealProject, purchases: pd.DataFrame, figure: Figure
) -> None:
    month = pd.PeriodIndex(purchases.day.str[:6], freq="M")
    said = pd.DataFrame({"customer": purchases.customer_id, "month": month, "amount": purchases.dollars})
    retention, lifetime = cohorts(said)
    assert cdnow.cohorts("cohort_retention") == retention
    assert cdnow.cohorts("customer_lifetime_value") == lifetime
    # January, February and March 1997, each up to May 1998, as June is the month of the newest purchase.
    assert len(retention) == figure(real=17 + 16 + 15, slice=len(retention))


def test_the_published_parameters_of_the_sample_come_out() -> None:
    # Fader, Hardie and Lee (2005): the first 39 weeks of 2,357 customers, in weeks.
    path = folder_of(REAL) / "cdnow" / "cdnow_customers_summary_with_transactions.csv"
    if not path.is_file():
        pytest.skip(f"there is no {path.name}")
    said = pd.read_csv(path)
    repeats, recency, age, mean = (said[name].to_numpy(float) for name in ("x", "t_x", "T", "zbar"))
    buying = BgNbd.fit(repeats, recency, age)
    found = (buying.r, buying.alpha, buying.a, buying.b)
    assert found == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=6e-4)
    # The example of their note on the spreadsheet: 2 repeats, the last in week 30.43 of 38.86.
    assert buying.expected(39, *(np.array([each]) for each in (2.0, 30.43, 38.86))) == pytest.approx(
        [1.226], abs=1e-3
    )
    # Their note on the gamma–gamma model.
    spending = GammaGamma.fit(repeats[repeats > 0], mean[repeats > 0])
    assert (spending.p, spending.q, spending.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.02)


def test_the_sample_of_customers_is_what_their_purchases_say(
    cdnow: RealProject, purchases: pd.DataFrame, edition: str
) -> None:
    if edition != REAL:
        pytest.skip("twenty customers are too few to predict")
    days = (
        purchases.assign(day=pd.to_datetime(purchases.day))
        .groupby(["customer_id", "day"])
        .dollars.sum()
        .reset_index()
    )
    first = days.groupby("customer_id").day.transform("min")
    of = days.groupby("customer_id").day.agg(["min", "max", "size"])
    weeks = [(each.dt.days / 7).to_numpy() for each in (of["max"] - of["min"], days.day.max() - of["min"])]
    again = days[(days.day > first) & (days.dollars > 0)].groupby("customer_id").dollars.agg(["size", "mean"])
    found = cdnow.cxflow("lifetimes", "--months", "12")
    buying = BgNbd.fit(of["size"].to_numpy(float) - 1, *weeks)
    assert found["buying"] == pytest.approx(asdict(buying), rel=1e-3)
    spending = GammaGamma.fit(again["size"].to_numpy(float), again["mean"].to_numpy())
    assert found["spending"] == pytest.approx(asdict(spending), rel=1e-3)
    assert (found["customers"], found["ordered_again"]) == (len(of), pytest.approx((of["size"] > 1).mean()))
