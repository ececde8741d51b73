"""A marketplace: every figure against one that pandas takes from the files."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from cohorts_by_pandas import cohorts, retention
from editions import Figure, Source, of_the_slice
from real_project import RealProject, published
from real_sets import OLIST

CANCELLED = ("canceled", "unavailable")


def order(number: int) -> str:
    """An order of the slice."""
    return f"0d{number:030}"


@pytest.fixture(scope="module")
def files(source: Source) -> dict[str, pd.DataFrame]:
    """Every file as text, by stream; an empty cell is an empty text."""
    return {
        stream.partition(".")[2]: pd.read_csv(source(OLIST, stream), dtype=str, keep_default_na=False)
        for stream in OLIST.files
    }


@pytest.fixture(scope="module")
def orders(files: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The orders beside the person of each."""
    return files["orders"].merge(files["customers"], on="customer_id", validate="one_to_one")


@pytest.fixture(scope="module")
def kept(orders: pd.DataFrame) -> pd.DataFrame:
    """The orders that were not called off."""
    return orders[~orders.order_status.isin(CANCELLED)]


@pytest.fixture(scope="module")
def reviews(files: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a review, the last that the file has of it, beside its order."""
    forms = files["reviews"].drop_duplicates("review_id", keep="last")
    return forms.merge(files["orders"], on="order_id", validate="many_to_one")


def share(holds: pd.Series) -> tuple[Any, int]:
    """A published share: value and n."""
    return published(holds.mean(), len(holds))


def test_rows_of_one_review_differ_in_nothing_but_the_order(
    files: dict[str, pd.DataFrame], orders: pd.DataFrame, figure: Figure
) -> None:
    rows = files["reviews"].merge(orders[["order_id", "customer_unique_id"]], on="order_id")
    several = rows[rows.duplicated("review_id", keep=False)]
    opinions = several.drop(columns="order_id").drop_duplicates()
    # Of the slice: one form names two orders, another three.
    assert len(several) - len(opinions) == figure(real=34, slice=3)
    assert opinions.review_id.is_unique


@of_the_slice
def test_an_order_is_its_purchase_and_its_delivery(olist: RealProject) -> None:
    found = olist.rows(
        "SELECT source_record_id, activity, channel, strftime(timezone('UTC', occurred_at), '%Y-%m-%d %H:%M:%S') "
        f"FROM touchpoint WHERE source_record_id IN ('{order(8)}', '{order(29)}') AND source_object = 'orders' "
        "ORDER BY occurred_at"
    )
    # São Paulo is three hours behind UTC, and two in its summer, which began at midnight of 15 October.
    assert found == [
        (order(8), "placed_order", "web", "2017-04-01 02:30:00"),
        (order(8), "received_delivery", "parcel", "2017-04-09 04:35:24"),
        (order(29), "placed_order", "web", "2017-10-15 02:50:00"),
        (order(29), "received_delivery", "parcel", "2017-10-23 03:56:27"),
    ]
    found = olist.rows(
        "SELECT source_record_id, status, is_cancelled, approved_at < shipped_at, delivered_at IS NOT NULL, "
        "strftime(timezone('America/Sao_Paulo', promised_at), '%Y-%m-%d %H:%M') FROM order_header "
        f"WHERE source_record_id IN ('{order(19)}', '{order(45)}', '{order(47)}') ORDER BY 1"
    )
    assert found == [
        (order(19), "delivered", False, False, True, "2017-04-19 00:00"),
        # Called off, and yet it came.
        (order(45), "canceled", True, True, True, "2018-08-09 00:00"),
        (order(47), "unavailable", True, None, False, "2018-08-27 00:00"),
    ]


@of_the_slice
def test_an_order_has_its_items_and_its_payments(olist: RealProject) -> None:
    lines = olist.rows(
        "SELECT line_no, category, role, city, region, quantity::INT, line_total::DOUBLE, freight_amount::DOUBLE "
        "FROM order_line LEFT JOIN product USING (product_id) LEFT JOIN organisation ON organisation_id = seller_id "
        f"WHERE order_id = 'shop:{order(9)}' ORDER BY line_no"
    )
    piece = ("jardim_pedras", "seller", "serra alta", "SC", 1, 62.5, 7.5)
    assert lines == [("1", *piece), ("2", *piece), ("3", *piece)]
    payments = olist.rows(
        "SELECT payment_id, method, instalments, amount::DOUBLE FROM payment "
        f"WHERE order_id = 'shop:{order(16)}' ORDER BY 1"
    )
    assert payments == [
        (f"shop:{order(16)}/1", "voucher", 1, 20.0),
        (f"shop:{order(16)}/2", "voucher", 1, 15.5),
        (f"shop:{order(16)}/3", "credit_card", 1, 71.3),
    ]


@of_the_slice
def test_a_review_of_three_orders_stands_at_the_last_of_them(olist: RealProject) -> None:
    found = olist.rows(
        "SELECT source_record_id, order_id, rating_value::INT, review_body, "
        "strftime(timezone('UTC', date_published), '%Y-%m-%d %H:%M') FROM review WHERE review_body LIKE '%caixa%'"
    )
    text = "Uma caixa só para três pedidos, tudo certo."
    assert found == [("fe" + "1".zfill(30), f"shop:{order(3)}", 5, text, "2017-03-22 12:30")]


def test_a_review_counts_once(olist: RealProject, reviews: pd.DataFrame, figure: Figure) -> None:
    # Of the slice: 23 fives, 12 fours, 5 threes, 3 twos and 4 ones: 188 of 47.
    mean, n = figure(real=(3.27, 8191), slice=(4.00, 47))
    scores = reviews.review_score.astype(float)
    assert olist.published("review_rating") == {"all": (pytest.approx(scores.mean()), n)}
    assert (scores.mean(), len(scores)) == (pytest.approx(mean, abs=5e-3), n)


def test_what_was_written_arrives_to_the_letter(olist: RealProject, reviews: pd.DataFrame) -> None:
    found = olist.rows(
        "SELECT source_record_id, coalesce(review_title, ''), coalesce(review_body, '') FROM review"
    )
    columns = ["review_id", "review_comment_title", "review_comment_message"]
    assert sorted(found) == sorted(reviews[columns].itertuples(index=False, name=None))


def test_reviews_written_before_their_order_are_loaded_and_flagged(
    olist: RealProject, reviews: pd.DataFrame, figure: Figure
) -> None:
    early = reviews[reviews.review_answer_timestamp < reviews.order_purchase_timestamp]
    flagged = olist.rows("SELECT review_id FROM mart_review WHERE is_before_purchase")
    assert sorted(flagged) == sorted((f"shop:{review}",) for review in early.review_id)
    assert len(early) == figure(real=48, slice=2)


def test_a_form_that_went_out_before_the_order_was_answered_before_it(
    files: dict[str, pd.DataFrame], figure: Figure
) -> None:
    rows = files["reviews"].merge(files["orders"], on="order_id")
    day = rows.order_purchase_timestamp.str[:10]
    sent_before = rows.review_creation_date.str[:10] < day
    answered_before = rows.review_answer_timestamp < rows.order_purchase_timestamp
    assert (sent_before.sum(), answered_before.sum()) == figure(real=(59, 58), slice=(4, 3))
    assert sent_before[answered_before].all()


def test_orders_arrive_on_time_by_the_promised_day(
    olist: RealProject, kept: pd.DataFrame, figure: Figure
) -> None:
    arrived = kept[kept.order_delivered_customer_date != ""]
    on_time = arrived.order_delivered_customer_date.str[:10] <= arrived.order_estimated_delivery_date.str[:10]
    assert olist.published("on_time_delivery_rate") == {"all": share(on_time)}
    # Of the slice: 9, 21, 27 and 32 came late, 12 in the afternoon of the promised day.
    rate, n = figure(real=(0.934, 5_164), slice=(29 / 33, 33))
    assert (on_time.mean(), len(on_time)) == (pytest.approx(rate, abs=5e-4), n)


def test_an_order_is_worth_its_items(
    olist: RealProject, files: dict[str, pd.DataFrame], kept: pd.DataFrame, figure: Figure
) -> None:
    worth = files["items"].assign(price=files["items"].price.astype(float)).groupby("order_id").price.sum()
    values = worth[worth.index.isin(kept.order_id)]
    assert olist.published("average_order_value") == {"all": (pytest.approx(values.mean()), len(values))}
    # Of the slice: 43 orders were kept, two of them without items; the others come to 4,100.00.
    mean, n = figure(real=(144.50, 6_893), slice=(100.00, 41))
    assert (values.mean(), len(values)) == (pytest.approx(mean, abs=5e-3), n)


def test_orders_handed_over_before_their_approval_load(
    olist: RealProject, orders: pd.DataFrame, figure: Figure
) -> None:
    both = orders[(orders.order_approved_at != "") & (orders.order_delivered_carrier_date != "")]
    early = both.order_delivered_carrier_date < both.order_approved_at
    n = figure(real=77, slice=3)
    assert early.sum() == n
    assert olist.row("SELECT count(*) FROM order_header WHERE shipped_at < approved_at") == (n,)


def test_a_customer_is_the_person_behind_the_orders(
    olist: RealProject, orders: pd.DataFrame, figure: Figure
) -> None:
    found = olist.rows("SELECT source_record_id, customer_id FROM order_header")
    persons = orders.set_index("order_id").customer_unique_id
    pairs = {(persons[order], customer) for order, customer in found}
    assert len(pairs) == len({person for person, _ in pairs}) == len({customer for _, customer in pairs})
    assert len(pairs) == orders.customer_unique_id.nunique() == figure(real=8_016, slice=44)


def test_a_review_is_of_the_customer_of_its_order(olist: RealProject, figure: Figure) -> None:
    same, reviews = olist.row(
        "SELECT count(*) FILTER (r.customer_id = o.customer_id), count(*) "
        "FROM mart_review AS r JOIN mart_order AS o USING (order_id)"
    )
    assert same == reviews == figure(real=8191, slice=47)


def test_repeat_purchase_is_of_persons(olist: RealProject, kept: pd.DataFrame, figure: Figure) -> None:
    again = kept.groupby("customer_unique_id").size() >= 2
    assert olist.published("repeat_purchase_rate") == {"all": share(again)}
    rate, n = figure(real=(0.008, 6_808), slice=(3 / 40, 40))
    assert (again.mean(), len(again)) == (pytest.approx(rate, abs=5e-4), n)


@of_the_slice
def test_two_of_twelve_came_back_in_april(olist: RealProject) -> None:
    # In March bought the persons 1 to 5 and 8 to 14, the fourth half an hour before its end in São Paulo; in April 2
    # and 3 of them, the third ten minutes after its beginning.
    assert olist.published("retention_rate", "--grain", "month")["2017-04-01"] == (pytest.approx(2 / 12), 12)


def test_retention_is_of_persons_from_month_to_month(olist: RealProject, kept: pd.DataFrame) -> None:
    month = pd.PeriodIndex(kept.order_purchase_timestamp.str[:7], freq="M")
    expected = retention(pd.DataFrame({"customer": kept.customer_unique_id, "month": month}))
    assert olist.published("retention_rate", "--grain", "month") == expected


def test_cohorts_of_persons_who_certainly_are_new(
    olist: RealProject, orders: pd.DataFrame, kept: pd.DataFrame
) -> None:
    placed = pd.to_datetime(orders.order_purchase_timestamp)
    at = placed[kept.index]
    said = pd.DataFrame({"customer": kept.customer_unique_id, "month": at.dt.to_period("M"), "amount": 1.0})
    first = at.groupby(kept.customer_unique_id).min()
    is_new = first >= placed.min() + pd.Timedelta(days=180)
    again, _ = cohorts(said, is_new=is_new, newest=placed.max().to_period("M"))
    assert olist.cohorts("cohort_retention") == again


def test_leads_convert_in_the_month_they_came(
    olist: RealProject, files: dict[str, pd.DataFrame], figure: Figure
) -> None:
    won = files["leads"].mql_id.isin(files["deals"].mql_id)
    month = files["leads"].first_contact_date.str[:7] + "-01"
    expected = {period: share(holds) for period, holds in won.groupby(month)}
    assert olist.published("lead_conversion_rate", "--grain", "month") == expected
    # Of the slice: 3 of 10 in December, 5 of 20 in January, 4 of 20 in February.
    won_of, leads = figure(real=(842, 8000), slice=(3 + 5 + 4, 10 + 20 + 20))
    assert olist.published("lead_conversion_rate") == {"all": (pytest.approx(won_of / leads), leads)}


def test_an_empty_origin_is_not_an_unknown_one(
    olist: RealProject, files: dict[str, pd.DataFrame], figure: Figure
) -> None:
    found = dict(olist.rows("SELECT coalesce(origin, ''), count(*) FROM lead GROUP BY origin"))
    assert found == files["leads"].origin.value_counts().to_dict()
    assert (found[""], found["unknown"]) == figure(real=(60, 1099), slice=(5, 10))


def test_deals_entered_as_a_day_begin_at_midnight_in_brazil(olist: RealProject, figure: Figure) -> None:
    (at_midnight,) = olist.row(
        "SELECT count(*) FROM opportunity WHERE timezone('America/Sao_Paulo', closed_at)::TIME = TIME '00:00'"
    )
    # Of the slice: two at 02:00 in summer, two at 03:00 after it; another one at 02:00 is of March.
    assert at_midnight == figure(real=61, slice=4)


def test_everything_sold_is_in_the_catalogue(olist: RealProject, figure: Figure) -> None:
    n = figure(real=8365, slice=52)
    assert olist.row(
        "SELECT count(*), count(p.product_id), count(o.organisation_id) FROM order_line AS l "
        "LEFT JOIN product AS p USING (product_id) "
        "LEFT JOIN organisation AS o ON o.organisation_id = l.seller_id"
    ) == (n, n, n)
