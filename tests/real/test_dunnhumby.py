"""A year of grocery baskets: every figure against one that pandas takes from the lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from real_project import RealProject
from real_sets import DUNNHUMBY, Loaded, RealSet


@pytest.fixture(scope="module")
def lines(real_data: Path) -> pd.DataFrame:
    return pd.read_parquet(real_data / DUNNHUMBY.files["shop.lines"])


@pytest.fixture(scope="module")
def products(real_data: Path) -> pd.DataFrame:
    return pd.read_parquet(real_data / DUNNHUMBY.files["shop.products"])


@pytest.fixture(scope="module")
def baskets(lines: pd.DataFrame) -> pd.DataFrame:
    """Of each basket its household, its time and what was paid."""
    found = lines.groupby(["basket_id", "household_id", "transaction_timestamp"], as_index=False)
    return found["sales_value"].sum().assign(sales=lambda table: table["sales_value"].round(2))


def test_every_line_and_every_basket_is_there(
    dunnhumby: RealProject, lines: pd.DataFrame, baskets: pd.DataFrame
) -> None:
    assert (len(lines), len(baskets)) == (1_469_307, 155_848)
    assert not lines.duplicated(["basket_id", "product_id"]).any()
    found = dunnhumby.row("SELECT count(*), sum(quantity), sum(line_total)::DOUBLE FROM order_line")
    assert found == (len(lines), lines["quantity"].sum(), pytest.approx(lines["sales_value"].sum()))
    found = dunnhumby.row("SELECT count(*), sum(price_total)::DOUBLE FROM order_header")
    assert found == (len(baskets), pytest.approx(baskets["sales"].sum()))


def test_every_line_belongs_to_a_basket_and_adds_up_to_it(dunnhumby: RealProject) -> None:
    assert dunnhumby.row(
        "SELECT count(*) FROM (SELECT order_id, sum(line_total) AS total FROM order_line GROUP BY 1) "
        "FULL JOIN order_header USING (order_id) WHERE total IS DISTINCT FROM price_total"
    ) == (0,)


def test_quantities_over_a_thousand_are_fuel_and_stay_as_they_are(
    dunnhumby: RealProject, lines: pd.DataFrame, products: pd.DataFrame
) -> None:
    large = lines[lines["quantity"] > 1_000].merge(products, on="product_id")
    assert len(large) == 13_494
    assert set(large["product_type"]) == {"GASOLINE-REG UNLEADED"}
    per_thousand = 1_000 * large["sales_value"] / large["quantity"]
    assert per_thousand.between(1.5, 3.5).all(), "dollars for a gallon of 2017"
    found = dunnhumby.row("SELECT count(*), sum(quantity) FROM order_line WHERE quantity > 1000")
    assert found == (len(large), large["quantity"].sum())


def test_lines_of_products_that_the_catalogue_does_not_have_load(
    dunnhumby: RealProject, lines: pd.DataFrame, products: pd.DataFrame
) -> None:
    assert (~lines["product_id"].isin(products["product_id"])).sum() == 4_836
    assert dunnhumby.row(
        "SELECT count(*) FROM order_line ANTI JOIN product USING (product_id) WHERE product_id IS NOT NULL"
    ) == (4_836,)
    assert dunnhumby.row("SELECT count(*) FROM product") == (len(products),)


def test_lines_for_nothing_are_lines(dunnhumby: RealProject, lines: pd.DataFrame) -> None:
    assert (lines["sales_value"] <= 0).sum() == (lines["sales_value"] == 0).sum() == 11_226
    # What rounding left of a price and a discount that cancel out: no amount of money is so small.
    traces = ((lines["sales_value"] > 0) & (lines["sales_value"] < 1e-12)).sum()
    assert traces == 20
    assert dunnhumby.row("SELECT count(*) FROM order_line WHERE line_total = 0") == (11_226 + traces,)
    assert dunnhumby.row("SELECT count(*) FROM order_line WHERE quantity = 0") == (
        (lines["quantity"] == 0).sum(),
    )


def test_a_customer_is_a_household(dunnhumby: RealProject, baskets: pd.DataFrame) -> None:
    expected = baskets.groupby("household_id").size().value_counts().to_dict()
    found = dunnhumby.rows(
        "SELECT orders, count(*) FROM "
        "(SELECT count(*) AS orders FROM order_header GROUP BY customer_id) GROUP BY orders"
    )
    assert dict(found) == expected
    assert sum(expected.values()) == 2_469


def test_average_order_value_and_repeat_purchases(dunnhumby: RealProject, baskets: pd.DataFrame) -> None:
    value, n = dunnhumby.published("average_order_value")["all"]
    assert (value, n) == (pytest.approx(baskets["sales"].mean()), len(baskets))
    again = baskets.groupby("household_id").size() > 1
    assert dunnhumby.published("repeat_purchase_rate") == {"all": (pytest.approx(again.mean()), len(again))}


@pytest.mark.long
def test_both_databases_hold_the_same(dunnhumby: RealProject, load: Callable[[RealSet, str], Loaded]) -> None:
    # That a second load changes nothing, and halves make the whole, is tested on the first month of it.
    assert load(DUNNHUMBY, "postgresql").project.digest() == dunnhumby.digest()
