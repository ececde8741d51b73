"""touchpoint_judgement: polarity, intensity, rule, the one that is counted, stage and control."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from kpi_desk import Desk, at
from sqlalchemy import delete, select, update

from cxflow import settings as configuration
from cxflow.kpis.experience import judgement
from cxflow.kpis.experience.judgement import refresh
from cxflow.warehouse.tables import (
    order_header,
    review,
    signal,
    support_case,
    touchpoint,
    touchpoint_judgement,
)

_j = touchpoint_judgement.c


def judge(desk: Desk) -> dict[str, Any]:
    """Judge everything anew; the rows by id."""
    refresh(desk.connection, desk.settings, {}, everything=True)
    return rows(desk)


def judge_touched(desk: Desk) -> None:
    """Judge what was touched, as after a load."""
    touched: dict[str, set[date | None]] = {}
    for name, found in desk._touched:
        touched.setdefault(name, set()).add(found)
    refresh(desk.connection, desk.settings, touched, everything=False)


def rows(desk: Desk) -> dict[str, Any]:
    return {row.judgement_id: row for row in desk.connection.execute(select(touchpoint_judgement))}


def polarities(desk: Desk) -> dict[str, tuple[int | None, float | None, str | None]]:
    return {name: (row.polarity, row.intensity, row.rule) for name, row in judge(desk).items()}


def counted(desk: Desk) -> set[str]:
    return {name for name, row in judge(desk).items() if row.is_counted}


def test_a_rating_is_judged_on_its_own_scale_and_its_intensity_is_its_distance_from_the_middle(
    desk: Desk,
) -> None:
    # On 0–10 the middle is 5: 9 is (9 − 5) / 5 = 0.8 away, 6 is 0.2, 7 is 0.4. On 1–5: 3 is the middle.
    for name, metric, rating in (
        ("promoter", "nps", 9),
        ("detractor", "nps", 6),
        ("passive", "nps", 7),
        ("middle", "csat", 3),
        ("easy", "ces", 7),
        ("unknown", "nps", None),
    ):
        desk.touchpoint(at("3-01"), touchpoint_id=name, activity="answered_survey")
        desk.answer(metric, rating, at("3-01"), touchpoint_id=name)
    # 7 points: 5 of 1–7 is 3.67 of 1–5, neither top two nor bottom two; 6 of 1–7 is 4.33, a third from the end.
    for name, points in (("five", 5), ("six", 6)):
        desk.touchpoint(at("3-01"), touchpoint_id=name)
        desk.answer("csat", points, at("3-01"), touchpoint_id=name, worst_rating=1, best_rating=7)
    assert polarities(desk) == {
        "promoter": (1, pytest.approx(0.8), "nps_promoter"),
        "detractor": (-1, pytest.approx(0.2), "nps_detractor"),
        "passive": (0, pytest.approx(0.4), "nps_passive"),
        "middle": (0, pytest.approx(0), "csat_middle"),
        "easy": (1, pytest.approx(1), "ces_easy"),
        "unknown": (None, None, None),
        "five": (0, pytest.approx(1 / 3), "csat_middle"),
        "six": (1, pytest.approx(2 / 3), "csat_top_two"),
    }


def test_a_rating_is_stronger_than_a_signal_and_a_signal_than_what_happened(desk: Desk) -> None:
    for name in ("rated", "said", "gone"):
        desk.contact(at("3-01"), touchpoint_id=name)
        desk.call(touchpoint_id=name, offered_at=at("3-01"), abandoned_at=at("3-01 12:01"))
    said = {"name": "sentiment", "string_value": "Positive", "number_value": None}
    desk.put(
        signal,
        {"touchpoint_id": "rated", "model_version": "1", "confidence": 0.9, **said},
        {"touchpoint_id": "said", "model_version": "2", "confidence": 0.7, **said},
        {
            "touchpoint_id": "said",
            "model_version": "1",
            "confidence": 1.0,
            **said,
            "string_value": "negative",
        },
    )
    desk.answer("nps", 0, at("3-01"), touchpoint_id="rated")
    assert polarities(desk) == {
        "rated": (-1, 1, "nps_detractor"),
        "said": (1, 0.7, "sentiment_positive"),
        "gone": (-1, 0.5, "abandoned_call"),
    }


def test_what_happens_to_an_order_is_judged_at_its_own_time_with_or_without_a_touchpoint(desk: Desk) -> None:
    late = {"promised_at": at("3-05"), "delivered_at": at("3-06")}
    desk.order(at("3-01"), "ana", order_id="late", **late)
    desk.order(at("3-01"), "ben", order_id="late, seen", **late)
    desk.touchpoint(at("3-06"), touchpoint_id="box", activity="received_delivery", order_id="late, seen")
    desk.order(at("3-01"), "eva", order_id="early", promised_at=at("3-05"), delivered_at=at("3-04"))
    desk.order(at("3-01"), "fay", order_id="in time", promised_at=at("3-05 00:00"), delivered_at=at("3-05"))
    desk.order(at("3-01"), "gil", order_id="cancelled", is_cancelled=True, **late)
    desk.refund("early", at("3-20"), refund_id="money")
    found = judge(desk)
    assert {name: (row.rule, row.customer_id, row.occurred_at) for name, row in found.items()} == {
        "delivery late": ("late_delivery", "ana", at("3-06")),
        "box": ("late_delivery", "ben", at("3-06")),
        "delivery early": ("early_delivery", "eva", at("3-04")),
        "refund money": ("refund", "eva", at("3-20")),
    }
    assert found["box"].touchpoint_id == "box"
    assert found["refund money"].touchpoint_id is None


def test_a_reopened_case_is_bad_and_a_case_without_a_touchpoint_counts_too(desk: Desk) -> None:
    desk.touchpoint(at("3-01"), touchpoint_id="opened", case_id="one", activity="contacted_support")
    desk.cases(
        at("3-01"),
        {"case_id": "one", "touchpoint_id": "opened", "reopens": 1, "last_solved_at": at("3-08")},
        {"case_id": "two", "touchpoint_id": None, "reopens": 2, "last_solved_at": None},
        {"case_id": "three", "touchpoint_id": None, "reopens": 0, "last_solved_at": None},
    )
    found = judge(desk)
    assert {name: (row.polarity, row.occurred_at) for name, row in found.items()} == {
        "opened": (-1, at("3-08")),
        "support_case two": (-1, at("3-01")),
    }


def test_a_contact_repeated_within_seven_days_is_bad_unless_both_are_one(desk: Desk) -> None:
    desk.contact(at("3-01"), "ana", touchpoint_id="first", reason="late")
    desk.contact(at("3-08"), "ana", touchpoint_id="7 days", reason="late")
    desk.contact(at("3-08"), "ana", touchpoint_id="other reason", reason="broken")
    desk.contact(at("3-15 12:01"), "ana", touchpoint_id="too late", reason="late")
    desk.contact(at("3-01"), "ben", touchpoint_id="call", conversation_id="c")
    desk.contact(at("3-01 13:00"), "ben", touchpoint_id="its ticket", conversation_id="c")
    desk.contact(at("3-02"), None, touchpoint_id="somebody")
    desk.contact(at("3-03"), None, touchpoint_id="somebody else")
    assert {name for name, found in polarities(desk).items() if found[0] == -1} == {"7 days"}


def test_of_one_thing_in_14_days_the_strongest_judgement_alone_is_counted(desk: Desk) -> None:
    # Order one of ana: late (an event), refunded (an event), reviewed (a rating): the review.
    late = {"promised_at": at("3-05"), "delivered_at": at("3-06")}
    desk.order(at("3-01"), "ana", order_id="one", **late)
    desk.refund("one", at("3-08"), refund_id="one")
    desk.put(
        review,
        *(
            {
                "review_id": name,
                "order_id": "one",
                "rating_value": 5,
                "worst_rating": 1,
                "best_rating": 5,
                "date_published": when,
            }
            # 3-20 12:00 is 14 days after 3-06 12:00: the first of the next 14 days.
            for name, when in (("soon", at("3-20 11:59")), ("later", at("3-20")))
        ),
    )
    # Two orders of ben are two things; two calls that name no order are one, the newer of equals.
    desk.order(at("3-01"), "ben", order_id="two", **late)
    desk.order(at("3-01"), "ben", order_id="three", **late)
    for name, day in (("call 1", "3-10"), ("call 2", "3-11")):
        desk.contact(at(day), "ben", touchpoint_id=name, reason=name)
        desk.call(touchpoint_id=name, offered_at=at(day), abandoned_at=at(day))
    assert counted(desk) == {"review soon", "review later", "delivery two", "delivery three", "call 2"}


def test_a_touchpoint_without_a_customer_has_that_of_its_order_or_its_case(desk: Desk) -> None:
    desk.order(at("3-01"), "ana", order_id="o")
    desk.case(at("3-01"), case_id="c", order_id="o")
    desk.touchpoint(at("3-02"), touchpoint_id="of order", order_id="o")
    desk.touchpoint(at("3-02"), touchpoint_id="of case", case_id="c")
    desk.touchpoint(at("3-02"), touchpoint_id="of nobody")
    found = judge(desk)
    assert {name: (row.customer_id, row.order_id) for name, row in found.items()} == {
        "of order": ("ana", "o"),
        "of case": ("ana", "o"),
        "of nobody": (None, None),
    }


def test_the_stage_is_relative_to_the_customers_own_orders(desk: Desk) -> None:
    # The data begin on 1 January: from 30 June on (180 days), a first order is a first order.
    desk.order(at("1-01 00:00"), "old", delivered_at=at("1-04"))
    desk.order(at("8-01"), "ana", delivered_at=at("8-05"))
    desk.order(at("9-01"), "ana")
    desk.order(at("8-01"), "ben", is_cancelled=True)
    for name, customer, day in (
        ("ana before", "ana", "7-31"),
        ("ana orders", "ana", "8-01"),
        ("ana gets it", "ana", "8-05"),
        ("ana after", "ana", "8-06"),
        ("ana orders again", "ana", "9-02"),
        ("ana got it, it seems", "ana", "9-16"),
        ("old after", "old", "2-01"),
        ("ben", "ben", "8-02"),
        ("eva too early", "eva", "6-29 23:59"),
        ("eva", "eva", "6-30 00:00"),
        ("nobody", None, "8-01"),
    ):
        desk.touchpoint(at(day), touchpoint_id=name, customer_id=customer, journey_stage=None)
    desk.touchpoint(at("8-01"), touchpoint_id="nobody after", journey_stage="after")
    desk.put(
        order_header,
        {"order_id": "x", "created_at": at("3-01"), "customer_id": "gil", "currency_code": "EUR"},
    )
    desk.touchpoint(at("2-01"), touchpoint_id="gil", customer_id="gil")
    assert {name: row.journey_stage for name, row in judge(desk).items()} == {
        "ana before": "before",
        "ana orders": "during",
        "ana gets it": "during",
        "ana after": "after",
        "ana orders again": "during",
        "ana got it, it seems": "after",
        "old after": "after",
        "ben": "before",
        "eva too early": "unknown",
        "eva": "before",
        "nobody": "unknown",
        "nobody after": "after",
        "gil": "unknown",
    }


def test_every_touchpoint_has_a_control(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text(
        "kind,name,stage,control\nchannel,*,,owned\nchannel,forum,,external\nactivity,met_seller,before,external\n"
    )
    (tmp_path / "cxflow.toml").write_text('[kpis.seeds]\njourney = "places.csv"\n')
    desk.settings = configuration.load(tmp_path)
    desk.touchpoint(at("3-01"), touchpoint_id="mapped", channel="forum", control="owned")
    desk.touchpoint(at("3-01"), touchpoint_id="by channel", channel="forum")
    desk.touchpoint(at("3-01"), touchpoint_id="by activity", channel="web", activity="met_seller")
    desk.touchpoint(at("3-01"), touchpoint_id="else", channel="web")
    found = judge(desk)
    assert {name: row.control for name, row in found.items()} == {
        "mapped": "owned",
        "by channel": "external",
        "by activity": "external",
        "else": "owned",
    }
    assert found["by activity"].journey_stage == "before"


def test_a_company_that_drops_a_rule_judges_less(desk: Desk, tmp_path: Path) -> None:
    desk.order(at("3-01"), "ana", promised_at=at("3-05"), delivered_at=at("3-06"), order_id="o")
    assert list(judge(desk)) == ["delivery o"]
    (tmp_path / "rules.csv").write_text(
        "rule,evidence,name,value,worst,best,from,to,polarity,intensity\nr,event,refund,,,,,,0,1\n"
    )
    (tmp_path / "cxflow.toml").write_text('[kpis.seeds]\npolarity = "rules.csv"\n')
    desk.settings = configuration.load(tmp_path)
    # Nothing is touched: the changed seed table alone makes it judge anew.
    assert refresh(desk.connection, desk.settings, {}, everything=False)[judgement.NAME] == {date(2025, 3, 6)}
    assert rows(desk) == {}


def test_nothing_and_a_touchpoint_that_is_deleted_are_no_rows(desk: Desk) -> None:
    assert judge(desk) == {}
    desk.touchpoint(at("3-01"), is_deleted=True)
    assert judge(desk) == {}


def test_only_days_of_rows_that_changed_are_returned(desk: Desk) -> None:
    desk.touchpoint(at("3-01"), customer_id="ana", touchpoint_id="a")
    desk.touchpoint(at("3-09"), customer_id="ana", touchpoint_id="b")
    judge(desk)
    desk.answer("nps", 0, at("3-09 13:00"), touchpoint_id="b")
    touched = {"survey_response": {date(2025, 3, 9)}}
    found = refresh(desk.connection, desk.settings, touched, everything=False)
    assert found == {**touched, judgement.NAME: {date(2025, 3, 9)}}
    assert refresh(desk.connection, desk.settings, touched, False)[judgement.NAME] == set()
    assert refresh(desk.connection, desk.settings, {"lead": {date(2025, 3, 9)}}, False) == {
        "lead": {date(2025, 3, 9)}
    }


@pytest.mark.parametrize("seed", [0, 1, 37, 42])
def test_loads_in_any_order_end_as_one_that_has_everything(desk: Desk, seed: int) -> None:
    rng = random.Random(seed)
    # As in `pending_kpi`: the days of what each step changes, by table.
    for step in range(12):
        desk.forget()
        day = at("3-01") + timedelta(days=rng.randrange(40), hours=rng.randrange(24))
        customer = rng.choice(["ana", "ben", None])
        order = rng.choice(["o1", "o2", "o3", None])
        match rng.randrange(8):
            case 0:
                id_ = desk.contact(day, customer, order_id=order, reason=rng.choice(["late", None]))
                desk.answer("nps", rng.randrange(11), day + timedelta(days=2), touchpoint_id=id_)
            case 1:
                delivered = day + timedelta(days=rng.randrange(9))
                desk.order(
                    day,
                    customer,
                    order_id=f"o{step + 1}",
                    promised_at=day + timedelta(days=4),
                    delivered_at=delivered,
                )
            case 2:
                desk.review(rng.randrange(1, 6), order_id=order, date_published=day)
            case 3 if order:
                desk.refund(order, day)
                # A load notes the parent's days, too.
            case 4:
                desk.case(
                    day, case_id=f"c{step}", order_id=order, reopens=rng.randrange(2), customer_id=customer
                )
                desk.contact(day, None, case_id=f"c{step}")
            case 6:
                desk.touchpoint(day, activity="received_delivery", order_id=order, customer_id=customer)
            case 5:
                # Identity finds out that somebody is somebody else: the rows of both move.
                for table in (touchpoint, order_header, support_case):
                    known = desk.connection.execute(
                        select(table).where(table.c.customer_id == "ben")
                    ).mappings()
                    time = table.info["event_time"]
                    desk.touch(table, *{row[time].date() for row in known})
                    desk.connection.execute(
                        update(table).where(table.c.customer_id == "ben").values(customer_id="ana")
                    )
            case _:
                for table in (touchpoint, review):
                    time = table.c[table.info["event_time"]]
                    first = desk.connection.execute(select(table).order_by(time).limit(1)).mappings().first()
                    if first:
                        desk.touch(table, first[time.name].date())
                        desk.connection.execute(
                            update(table).where(time == first[time.name]).values(is_deleted=True)
                        )
        judge_touched(desk)
        if step % 4 == 3:
            kept = rows(desk)
            assert kept
            desk.connection.execute(delete(touchpoint_judgement))
            assert judge(desk) == kept, step


def test_all_are_judged_in_parts_as_in_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    people = ["ana", "ben", "eva", "leo", None]
    for number in range(30):
        day, customer = at("3-01") + timedelta(days=rng.randrange(40)), rng.choice(people)
        order = desk.order(
            day,
            customer,
            promised_at=day + timedelta(days=2),
            delivered_at=day + timedelta(days=rng.randrange(5)),
        )
        # Somebody else may take the parcel: what happened to the order is theirs then, in whatever part they are.
        arrived = {"activity": "received_delivery", "order_id": order, "customer_id": rng.choice(people)}
        if number % 3:
            desk.touchpoint(day + timedelta(days=3), **arrived)
        if number % 4 == 0:
            desk.refund(order, day + timedelta(days=9))
        desk.answer("nps", rng.randrange(11), day, touchpoint_id=desk.contact(day, customer, order_id=order))
    whole = judge(desk)
    monkeypatch.setattr(judgement, "_AT_A_TIME", 9)
    found = refresh(desk.connection, desk.settings, {}, everything=True)
    assert found[judgement.NAME] == set()
    assert rows(desk) == whole
    desk.connection.execute(delete(touchpoint_judgement))
    assert judge(desk) == whole
    assert len({row.customer_id for row in whole.values()}) == len(people)


@pytest.mark.parametrize("changed", ["the order", "its customer", "who took it"])
def test_a_parcel_that_somebody_else_took_is_theirs_whatever_changed(desk: Desk, changed: str) -> None:
    order = desk.order(at("3-01"), "ana", promised_at=at("3-04"), delivered_at=at("3-03"))
    taken = desk.touchpoint(at("3-06"), activity="received_delivery", order_id=order, customer_id="ben")
    desk.refund(order, at("3-20"))
    assert judge(desk)[taken].polarity == 1
    desk.forget()
    if changed == "the order":
        late = update(order_header).where(order_header.c.order_id == order).values(delivered_at=at("3-06"))
        desk.connection.execute(late)
        desk.touch(order_header, date(2025, 3, 1))
    else:
        desk.contact(at("3-09"), "ana" if changed == "its customer" else "ben")
    judge_touched(desk)
    kept = rows(desk)
    assert kept[taken].polarity == (-1 if changed == "the order" else 1)
    desk.connection.execute(delete(touchpoint_judgement))
    assert judge(desk) == kept
