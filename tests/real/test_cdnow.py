"""A shop's purchases: every figure against one that pandas takes from the lines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from real_project import RealProject
from real_sets import CDNOW, rows_of

WHAT_IS_SAID = ["customer_id", "day", "cds", "dollars"]


@pytest.fixture(scope="module")
def lines(real_data: Path) -> pd.DataFrame:
    """Every line's words."""
    _, *records = rows_of(real_data / CDNOW.files["shop.purchases"])
    return pd.DataFrame([str(line).split() for (line,) in records], columns=WHAT_IS_SAID)


@pytest.fixture(scope="module")
def purchases(lines: pd.DataFrame) -> pd.DataFrame:
    """The purchases: lines that say the same are one."""
    return lines.drop_duplicates().astype({"cds": int, "dollars": float})


def test_lines_end_in_crlf_and_none_is_lost(real_data: Path, lines: pd.DataFrame) -> None:
    raw = (real_data / CDNOW.files["shop.purchases"]).read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 1 + len(lines) == 1 + 69_659


def test_lines_that_say_the_same_are_one_purchase(cdnow: RealProject, lines: pd.DataFrame) -> None:
    assert lines.duplicated().sum() == 255
    assert cdnow.row("SELECT deduplicated FROM load_run WHERE mode = 'scheduled' AND extracted > 0") == (255,)
    assert cdnow.row("SELECT count(*), count(DISTINCT order_id) FROM order_header") == (69_404, 69_404)


def test_several_purchases_of_a_day_are_several_orders(cdnow: RealProject, purchases: pd.DataFrame) -> None:
    expected = purchases.groupby("customer_id").size().value_counts().to_dict()
    found = cdnow.rows(
        "SELECT orders, count(*) FROM "
        "(SELECT count(*) AS orders FROM order_header GROUP BY customer_id) GROUP BY orders"
    )
    assert dict(found) == expected
    assert sum(expected.values()) == 23_570
    assert purchases.duplicated(["customer_id", "day"]).sum() == 1_813


def test_a_customer_is_who_the_line_names(cdnow: RealProject, purchases: pd.DataFrame) -> None:
    found = cdnow.rows("SELECT DISTINCT split_part(source_record_id, '|', 1), customer_id FROM order_header")
    assert len(found) == len({customer for _, customer in found}) == 23_570
    assert {name for name, _ in found} == set(purchases.customer_id)


def test_every_purchase_stands_on_its_day(cdnow: RealProject, purchases: pd.DataFrame) -> None:
    found = cdnow.rows(
        "SELECT strftime(timezone('America/New_York', created_at), '%Y%m%d %H:%M'), count(*) "
        "FROM order_header GROUP BY ALL"
    )
    assert dict(found) == {f"{day} 00:00": n for day, n in purchases.day.value_counts().items()}
    assert (purchases.day.min(), purchases.day.max()) == ("19970101", "19980630")
    assert cdnow.row("SELECT count(*) FROM quarantine") == (0,)


def test_no_disc_and_no_cent_is_lost(cdnow: RealProject, purchases: pd.DataFrame) -> None:
    discs, dollars = cdnow.row("SELECT sum(quantity), sum(line_total)::DOUBLE FROM order_line")
    assert discs == purchases.cds.sum()
    assert dollars == pytest.approx(purchases.dollars.sum(), abs=0.005)
    free = (purchases.dollars == 0).sum()
    assert free == 80
    assert cdnow.row("SELECT count(*) FROM order_header WHERE price_total = 0") == (free,)


def test_an_order_is_worth_what_the_line_says(
    cdnow: RealProject, lines: pd.DataFrame, purchases: pd.DataFrame
) -> None:
    values = purchases.dollars
    expected = pytest.approx(values.mean())
    assert cdnow.published("average_order_value") == {"all": (expected, len(values))}
    assert values.mean() == pytest.approx(35.96, abs=5e-3)
    assert lines.dollars.astype(float).mean() == pytest.approx(35.89, abs=5e-3)


def test_repeat_purchase_is_of_customers(
    cdnow: RealProject, lines: pd.DataFrame, purchases: pd.DataFrame
) -> None:
    again = purchases.groupby("customer_id").size() >= 2
    assert cdnow.published("repeat_purchase_rate") == {"all": (pytest.approx(again.mean()), len(again))}
    assert again.sum() == 11_642
    assert (lines.groupby("customer_id").size() >= 2).sum() == 11_662


def test_retention_is_of_customers_from_month_to_month(cdnow: RealProject, purchases: pd.DataFrame) -> None:
    active = purchases.groupby(pd.PeriodIndex(purchases.day.str[:6], freq="M")).customer_id.agg(set)
    expected = {}
    for earlier, before in active.items():
        if earlier < active.index.max():
            back = before & active[earlier + 1]
            expected[f"{earlier + 1}-01"] = (pytest.approx(len(back) / len(before)), len(before))
    assert cdnow.published("retention_rate", "--grain", "month") == expected
