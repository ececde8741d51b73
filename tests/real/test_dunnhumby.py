"""A year of grocery baskets: every figure against one that pandas takes from the lines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from binary_slices import write
from cohorts_by_pandas import cohorts, retention
from editions import Figure, Load, Source, of_the_slice
from pyarrow import parquet
from real_project import RealProject
from real_sets import DUNNHUMBY, PWC, REAL, rows_of


@pytest.fixture(scope="module")
def lines(source: Source) -> pd.DataFrame:
    return pd.read_parquet(source(DUNNHUMBY, "shop.lines"))


@pytest.fixture(scope="module")
def products(source: Source) -> pd.DataFrame:
    return pd.read_parquet(source(DUNNHUMBY, "shop.products"))


@pytest.fixture(scope="module")
def baskets(lines: pd.DataFrame) -> pd.DataFrame:
    """Of each basket its household, its time and what was paid."""
    found = lines.groupby(["basket_id", "household_id", "transaction_timestamp"], as_index=False)
    return found["sales_value"].sum().assign(sales=lambda table: table["sales_value"].round(2))


def test_every_line_and_every_basket_is_there(
    dunnhumby: RealProject, lines: pd.DataFrame, baskets: pd.DataFrame, figure: Figure
) -> None:
    assert (len(lines), len(baskets)) == figure(real=(1_469_307, 155_848), slice=(53, 22))
    assert not lines.duplicated(["basket_id", "product_id"]).any()
    found = dunnhumby.row("SELECT count(*), sum(quantity), sum(line_total)::DOUBLE FROM order_line")
    assert found == (len(lines), lines["quantity"].sum(), pytest.approx(lines["sales_value"].sum()))
    found = dunnhumby.row("SELECT count(*), sum(price_total)::DOUBLE FROM order_header")
    assert found == (len(baskets), pytest.approx(baskets["sales"].sum()))


@of_the_slice
def test_a_basket_is_an_order_with_its_lines(dunnhumby: RealProject) -> None:
    found = dunnhumby.rows(
        "SELECT o.order_id, t.activity, t.channel, strftime(timezone('UTC', t.occurred_at), '%Y-%m-%d %H:%M:%S'), "
        "o.price_total::DOUBLE, o.discount_amount::DOUBLE, o.currency_code "
        "FROM touchpoint AS t JOIN order_header AS o USING (touchpoint_id) JOIN touchpoint AS first "
        "ON first.customer_id = t.customer_id AND first.source_record_id = '99000000001' ORDER BY t.occurred_at"
    )
    order = ("placed_order", "store")
    # 3.50 and 6.00 and 10.50 dollars, less 0.50, 1.00 and 0.50; then 7.00 and 13.00 and a line for nothing; then
    # 10.50, 15.00 and less than a billionth of a cent.
    assert found == [
        ("shop:99000000001", *order, "2017-01-01 11:05:00", 20.0, 2.0, "USD"),
        ("shop:99000000004", *order, "2017-01-09 10:00:00", 20.0, 2.0, "USD"),
        ("shop:99000000014", *order, "2017-06-07 20:30:40", 25.5, 1.29, "USD"),
    ]
    lines = dunnhumby.rows(
        "SELECT line_no, product_id, title, category, quantity::INT, line_total::DOUBLE "
        "FROM order_line LEFT JOIN product USING (product_id) "
        "WHERE order_id IN ('shop:99000000004', 'shop:99000000006') ORDER BY line_no"
    )
    assert lines == [
        ("9000001", "shop:9000001", "OAT DRINK", "DRUG GM", 2, 7.0),
        ("9000008", "shop:9000008", "COFFEE BEANS DARK", "GROCERY", 1, 13.0),
        ("9000009", "shop:9000009", "PAPER CUPS", "DRUG GM", 0, 0.0),
        ("9000012", "shop:9000012", "CHEESE SLICED", "GROCERY", 2, 15.5),
        ("9000013", "shop:9000013", "WALNUTS", "DRUG GM", 1, 4.5),
        ("9000099", "shop:9000099", None, None, 0, 0.0),
    ]


def test_every_line_belongs_to_a_basket_and_adds_up_to_it(dunnhumby: RealProject) -> None:
    assert dunnhumby.row(
        "SELECT count(*) FROM (SELECT order_id, sum(line_total) AS total FROM order_line GROUP BY 1) "
        "FULL JOIN order_header USING (order_id) WHERE total IS DISTINCT FROM price_total"
    ) == (0,)


def test_quantities_over_a_thousand_are_fuel_and_stay_as_they_are(
    dunnhumby: RealProject, lines: pd.DataFrame, products: pd.DataFrame, figure: Figure
) -> None:
    large = lines[lines["quantity"] > 1_000].merge(products, on="product_id")
    assert len(large) == figure(real=13_494, slice=3)
    assert set(large["product_type"]) == {"GASOLINE-REG UNLEADED"}
    per_thousand = 1_000 * large["sales_value"] / large["quantity"]
    assert per_thousand.between(1.5, 3.5).all(), "dollars for a gallon of 2017"
    found = dunnhumby.row("SELECT count(*), sum(quantity) FROM order_line WHERE quantity > 1000")
    assert found == (len(large), large["quantity"].sum())


def test_lines_of_products_that_the_catalogue_does_not_have_load(
    dunnhumby: RealProject, lines: pd.DataFrame, products: pd.DataFrame, figure: Figure
) -> None:
    # Of the slice: the products 9000096 to 9000099.
    unknown = (~lines["product_id"].isin(products["product_id"])).sum()
    assert unknown == figure(real=4_836, slice=4)
    assert dunnhumby.row(
        "SELECT count(*) FROM order_line ANTI JOIN product USING (product_id) WHERE product_id IS NOT NULL"
    ) == (unknown,)
    assert dunnhumby.row("SELECT count(*) FROM product") == (len(products),)


def test_lines_for_nothing_are_lines(dunnhumby: RealProject, lines: pd.DataFrame, figure: Figure) -> None:
    for_nothing, nearly = figure(real=(11_226, 20), slice=(5, 2))
    assert (lines["sales_value"] <= 0).sum() == (lines["sales_value"] == 0).sum() == for_nothing
    # What rounding left of a price and a discount that cancel out: no amount of money is so small.
    traces = ((lines["sales_value"] > 0) & (lines["sales_value"] < 1e-12)).sum()
    assert traces == nearly
    assert dunnhumby.row("SELECT count(*) FROM order_line WHERE line_total = 0") == (for_nothing + traces,)
    assert dunnhumby.row("SELECT count(*) FROM order_line WHERE quantity = 0") == (
        (lines["quantity"] == 0).sum(),
    )


def test_a_customer_is_a_household(dunnhumby: RealProject, baskets: pd.DataFrame, figure: Figure) -> None:
    expected = baskets.groupby("household_id").size().value_counts().to_dict()
    found = dunnhumby.rows(
        "SELECT orders, count(*) FROM "
        "(SELECT count(*) AS orders FROM order_header GROUP BY customer_id) GROUP BY orders"
    )
    assert dict(found) == expected
    assert sum(expected.values()) == figure(real=2_469, slice=15)


def test_average_order_value_and_repeat_purchases(
    dunnhumby: RealProject, baskets: pd.DataFrame, figure: Figure
) -> None:
    value, n = dunnhumby.published("average_order_value")["all"]
    assert (value, n) == (pytest.approx(baskets["sales"].mean()), len(baskets))
    again = baskets.groupby("household_id").size() > 1
    assert dunnhumby.published("repeat_purchase_rate") == {"all": (pytest.approx(again.mean()), len(again))}
    # Of the slice: 616.00 dollars in 22 baskets; 6 of 15 households came again.
    worth, share = figure(real=(29.49, 0.987), slice=(28.00, 0.4))
    assert (value, again.mean()) == (pytest.approx(worth, abs=5e-3), pytest.approx(share, abs=5e-4))


def test_households_buy_again_the_month_after(dunnhumby: RealProject, baskets: pd.DataFrame) -> None:
    month = baskets["transaction_timestamp"].dt.to_period("M")
    expected = retention(pd.DataFrame({"customer": baskets["household_id"], "month": month}))
    assert dunnhumby.published("retention_rate", "--grain", "month") == expected


def test_cohorts_of_households_that_certainly_are_new(
    dunnhumby: RealProject, baskets: pd.DataFrame, figure: Figure
) -> None:
    placed = baskets["transaction_timestamp"]
    said = pd.DataFrame(
        {"customer": baskets["household_id"], "month": placed.dt.to_period("M"), "amount": baskets["sales"]}
    )
    first = placed.groupby(baskets["household_id"]).min()
    again, lifetime = cohorts(said, is_new=first >= placed.min() + pd.Timedelta(days=180))
    assert dunnhumby.cohorts("cohort_retention") == again
    assert dunnhumby.cohorts("customer_lifetime_value") == lifetime
    # From June 30 on; the newest basket is of January 2018: June has seven months, December one.
    assert len(again) == figure(real=7 + 6 + 5 + 4 + 3 + 2 + 1, slice=16)


@of_the_slice
def test_binary_slices_hold_what_their_rows_say(source: Source, tmp_path: Path) -> None:
    write(tmp_path)
    for stream in ("shop.lines", "shop.products"):
        kept, anew = source(DUNNHUMBY, stream), tmp_path / DUNNHUMBY.files[stream]
        assert parquet.read_table(kept).equals(parquet.read_table(anew))
    book = source(PWC, "callcentre.calls")
    assert rows_of(book) == rows_of(tmp_path / PWC.files["callcentre.calls"])


@pytest.mark.long
@pytest.mark.parametrize("edition", [REAL], indirect=True, scope="session")
def test_both_databases_hold_the_same(dunnhumby: RealProject, load: Load) -> None:
    # That a second load changes nothing, and halves make the whole, is tested on the first month of it.
    assert load(DUNNHUMBY, "postgresql", REAL).project.digest() == dunnhumby.digest()
