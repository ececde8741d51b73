"""A marketplace: every figure against one that pandas takes from the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from real_project import RealProject
from real_sets import OLIST

CANCELLED = ("canceled", "unavailable")
MIN_N = 10
"""Under it cxflow publishes n and no value."""


@pytest.fixture(scope="module")
def files(real_data: Path) -> dict[str, pd.DataFrame]:
    """Every file as text, by stream; an empty cell is an empty text."""
    return {
        stream.partition(".")[2]: pd.read_csv(real_data / file, dtype=str, keep_default_na=False)
        for stream, file in OLIST.files.items()
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
    return (pytest.approx(holds.mean()) if len(holds) >= MIN_N else None, len(holds))


def test_rows_of_one_review_differ_in_nothing_but_the_order(
    files: dict[str, pd.DataFrame], orders: pd.DataFrame
) -> None:
    rows = files["reviews"].merge(orders[["order_id", "customer_unique_id"]], on="order_id")
    several = rows[rows.duplicated("review_id", keep=False)]
    opinions = several.drop(columns="order_id").drop_duplicates()
    assert len(several) - len(opinions) == 34
    assert opinions.review_id.is_unique


def test_a_review_counts_once(olist: RealProject, reviews: pd.DataFrame) -> None:
    scores = reviews.review_score.astype(float)
    assert olist.published("review_rating") == {"all": (pytest.approx(scores.mean()), 8191)}
    assert len(scores) == 8191


def test_what_was_written_arrives_to_the_letter(olist: RealProject, reviews: pd.DataFrame) -> None:
    found = olist.rows(
        "SELECT source_record_id, coalesce(review_title, ''), coalesce(review_body, '') FROM review"
    )
    columns = ["review_id", "review_comment_title", "review_comment_message"]
    assert sorted(found) == sorted(reviews[columns].itertuples(index=False, name=None))


def test_reviews_written_before_their_order_are_loaded_and_flagged(
    olist: RealProject, reviews: pd.DataFrame
) -> None:
    early = reviews[reviews.review_answer_timestamp < reviews.order_purchase_timestamp]
    flagged = olist.rows("SELECT review_id FROM mart_review WHERE is_before_purchase")
    assert sorted(flagged) == sorted((f"shop:{review}",) for review in early.review_id)


def test_a_form_that_went_out_before_the_order_was_answered_before_it(files: dict[str, pd.DataFrame]) -> None:
    rows = files["reviews"].merge(files["orders"], on="order_id")
    day = rows.order_purchase_timestamp.str[:10]
    sent_before = rows.review_creation_date.str[:10] < day
    answered_before = rows.review_answer_timestamp < rows.order_purchase_timestamp
    assert (sent_before.sum(), answered_before.sum()) == (59, 58)
    assert sent_before[answered_before].all()


def test_orders_arrive_on_time_by_the_promised_day(olist: RealProject, kept: pd.DataFrame) -> None:
    arrived = kept[kept.order_delivered_customer_date != ""]
    on_time = arrived.order_delivered_customer_date.str[:10] <= arrived.order_estimated_delivery_date.str[:10]
    assert olist.published("on_time_delivery_rate") == {"all": share(on_time)}


def test_an_order_is_worth_its_items(
    olist: RealProject, files: dict[str, pd.DataFrame], kept: pd.DataFrame
) -> None:
    worth = files["items"].assign(price=files["items"].price.astype(float)).groupby("order_id").price.sum()
    values = worth[worth.index.isin(kept.order_id)]
    assert olist.published("average_order_value") == {"all": (pytest.approx(values.mean()), len(values))}


def test_orders_handed_over_before_their_approval_load(olist: RealProject, orders: pd.DataFrame) -> None:
    both = orders[(orders.order_approved_at != "") & (orders.order_delivered_carrier_date != "")]
    early = both.order_delivered_carrier_date < both.order_approved_at
    assert early.sum() == 77
    assert olist.row("SELECT count(*) FROM order_header WHERE shipped_at < approved_at") == (77,)


def test_a_customer_is_the_person_behind_the_orders(olist: RealProject, orders: pd.DataFrame) -> None:
    found = olist.rows("SELECT source_record_id, customer_id FROM order_header")
    persons = orders.set_index("order_id").customer_unique_id
    pairs = {(persons[order], customer) for order, customer in found}
    assert len(pairs) == len({person for person, _ in pairs}) == len({customer for _, customer in pairs})
    assert len(pairs) == orders.customer_unique_id.nunique()


def test_a_review_is_of_the_customer_of_its_order(olist: RealProject) -> None:
    same, reviews = olist.row(
        "SELECT count(*) FILTER (r.customer_id = o.customer_id), count(*) "
        "FROM mart_review AS r JOIN mart_order AS o USING (order_id)"
    )
    assert same == reviews == 8191


def test_repeat_purchase_is_of_persons(olist: RealProject, kept: pd.DataFrame) -> None:
    again = kept.groupby("customer_unique_id").size() >= 2
    assert olist.published("repeat_purchase_rate") == {"all": share(again)}


def test_retention_is_of_persons_from_month_to_month(olist: RealProject, kept: pd.DataFrame) -> None:
    month = pd.PeriodIndex(kept.order_purchase_timestamp.str[:7], freq="M")
    active = kept.groupby(month).customer_unique_id.agg(set)
    expected = {}
    for earlier, before in active.items():
        if earlier < active.index.max():
            here = active.get(earlier + 1, set())
            expected[f"{earlier + 1}-01"] = share(pd.Series([person in here for person in before]))
    assert olist.published("retention_rate", "--grain", "month") == expected


def test_leads_convert_in_the_month_they_came(olist: RealProject, files: dict[str, pd.DataFrame]) -> None:
    won = files["leads"].mql_id.isin(files["deals"].mql_id)
    month = files["leads"].first_contact_date.str[:7] + "-01"
    expected = {period: share(holds) for period, holds in won.groupby(month)}
    assert olist.published("lead_conversion_rate", "--grain", "month") == expected
    assert olist.published("lead_conversion_rate") == {"all": (pytest.approx(842 / 8000), 8000)}


def test_an_empty_origin_is_not_an_unknown_one(olist: RealProject, files: dict[str, pd.DataFrame]) -> None:
    found = dict(olist.rows("SELECT coalesce(origin, ''), count(*) FROM lead GROUP BY origin"))
    assert found == files["leads"].origin.value_counts().to_dict()
    assert (found[""], found["unknown"]) == (60, 1099)


def test_deals_entered_as_a_day_begin_at_midnight_in_brazil(olist: RealProject) -> None:
    (at_midnight,) = olist.row(
        "SELECT count(*) FROM opportunity WHERE timezone('America/Sao_Paulo', closed_at)::TIME = TIME '00:00'"
    )
    assert at_midnight == 61


def test_everything_sold_is_in_the_catalogue(olist: RealProject) -> None:
    assert olist.row(
        "SELECT count(*), count(p.product_id), count(o.organisation_id) FROM order_line AS l "
        "LEFT JOIN product AS p USING (product_id) "
        "LEFT JOIN organisation AS o ON o.organisation_id = l.seller_id"
    ) == (8365, 8365, 8365)
