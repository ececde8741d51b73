"""`cxflow explain` of KPIs that compare customers, over a project with two files of orders."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_runner import cxflow, edit

pytestmark = pytest.mark.usefixtures("database")

SHOP = """
[connections.shop]
connector = "files"
timezone = "UTC"

[connections.shop.streams.orders]
path = "orders/*.csv"
primary_key = ["id"]
identifiers = { email = "email" }
pii = ["email"]

[connections.shop.streams.orders.to.touchpoint]
activity = "'placed_order'"
channel = "channel"
occurred_at = "created"
order_id = "id"

[connections.shop.streams.orders.to.order_header]
order_id = "id"
created_at = "created"
price_total = "total"
"""
HEADER = "id,email,channel,created,total"


@pytest.fixture
def shop(own: Path) -> Path:
    """From 1 January 2025, two orders each of ana (in two channels), ben (in one) and eva (in one). In February, ana
    and ben order for 30 and 20; in May, ana for 90 and ben for 60. In December, somebody orders."""
    edit(own, "[project]", '[kpis]\nmin_n = 1\nnew_after_days = 0\ndimensions = ["source"]\n\n[project]')
    with (own / "cxflow.toml").open("a") as file:
        file.write(SHOP)
    folder = own / "orders"
    folder.mkdir()
    first = date(2025, 1, 1)
    early = [
        f"{name}{number},{name}@example.com,{channel},{first + timedelta(days=number)} 12:00,10"
        for name, channels in (("ana", "web app"), ("ben", "web web"), ("eva", "web web"))
        for number, channel in enumerate(channels.split())
    ]
    early += ["ana2,ana@example.com,web,2025-02-10 12:00,30", "ben2,ben@example.com,web,2025-02-11 12:00,20"]
    late = ["ana3,ana@example.com,web,2025-05-10 12:00,90", "ben3,ben@example.com,web,2025-05-11 12:00,60"]
    late += ["zoe0,zoe@example.com,web,2025-12-01 12:00,1"]
    for name, lines in (("early", early), ("late", late)):
        (folder / f"{name}.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    answer = cxflow("run", project=own)
    assert answer.code == 0, answer.err
    return own


def explained(project: Path, *arguments: str) -> Any:
    answer = cxflow("explain", *arguments, "--rows", "100", "--json", project=project)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["adds_up"], found["checks"]
    return found


def files(found: Any) -> dict[str, int]:
    """File to the raw records that it gave."""
    return {Path(place["file"]).name: place["records"] for place in found["places"]}


def test_customers_go_down_to_the_records_of_their_orders(shop: Path) -> None:
    february = ("--period", "2025-02")
    retained = explained(shop, "net_revenue_retention", *february)
    # 50 of 60: eva's 20 were followed by nothing.
    assert retained["sides"] == {
        "period before": {"customers": 3, "events": 6, "given": 60},
        "this period": {"customers": 2, "events": 2, "given": 50},
    }
    assert files(retained) == {"early.csv": 8}
    in_shop = explained(shop, "gross_revenue_retention", *february, "--by", "source=shop")
    assert in_shop["sides"]["this period"]["given"] == 40
    cohort = explained(shop, "cohort_retention", "--period", "2025-01", "--by", "months_since_first=04")
    # The orders that began three customers, and those of two in May.
    assert files(cohort) == {"early.csv": 3, "late.csv": 2}
    lifetime = explained(
        shop, "customer_lifetime_value", "--period", "2025-01", "--by", "months_since_first=01"
    )
    assert (lifetime["value"]["numerator"], lifetime["counts"]["customers"]) == (110, 3)
    nobody = explained(shop, "cohort_retention", "--period", "2025-01", "--by", "months_since_first=02")
    assert (nobody["value"]["numerator"], nobody["counts"]["customers"]) == (0, 3)


def test_channels_go_down_to_the_records_of_both_sides(shop: Path) -> None:
    found = explained(shop, "omnichannel_uplift", "--period", "2025")
    # In the first 90 days, ana and ben have three touchpoints, eva two, with nobody to compare her with.
    assert found["sides"] == {
        "one channel, 3 touchpoints": {"customers": 1, "events": 4, "given": 60},
        "several channels, 3 touchpoints": {"customers": 1, "events": 4, "given": 90},
    }
    assert (found["value"]["value"], files(found)) == (0.5, {"early.csv": 6, "late.csv": 2})
    shown = cxflow("explain", "omnichannel_uplift", "--period", "2025", project=shop)
    assert "several channels, 3 touchpoints" in shown.out
    assert "it adds up" in shown.out


def test_a_cohort_as_a_whole_says_why_it_has_no_value(shop: Path) -> None:
    shown = cxflow("explain", "cohort_retention", "--period", "2025-01", project=shop)
    assert shown.code == 0
    assert "none: by months_since_first only" in shown.out
    assert "too few" not in shown.out
