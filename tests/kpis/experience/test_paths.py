"""Paths: what comes before a purchase, a complaint and leaving, how often, and how long between."""

from __future__ import annotations

import pytest
from kpi_desk import Desk, at

from cxflow.kpis.experience import paths
from cxflow.kpis.experience.paths import Goal, Path, Paths, Step

VISIT, MAIL, CALL = (
    Step("visited_page", "web"),
    Step("opened_campaign", "email"),
    Step("called_support", "phone"),
)
BOUGHT = Step("placed_order", "web")


def lived(desk: Desk, customer: str, *moments: tuple[str, Step]) -> None:
    for when, step in moments:
        desk.touchpoint(at(when), activity=step.activity, channel=step.channel, customer_id=customer)


def bought(desk: Desk, customer: str, when: str, **columns: object) -> None:
    """An order with the touchpoint of the purchase."""
    own = desk.touchpoint(at(when), activity="placed_order", customer_id=customer)
    desk.order(at(when), customer, touchpoint_id=own, **columns)


def ways(desk: Desk, before: Goal, min_customers: int = 1, **more: object) -> Paths:
    return paths.read(desk.connection, before, min_customers=min_customers, most=10, **more)  # type: ignore[arg-type]


def test_the_last_steps_before_a_purchase_with_the_hours_between(desk: Desk) -> None:
    """Ana and ben open a campaign, visit, and buy: 2 and 1 hours, 4 and 3 hours. Eva visits only."""
    lived(desk, "ana", ("3-10 08:00", MAIL), ("3-10 10:00", VISIT))
    bought(desk, "ana", "3-10 11:00")
    lived(desk, "ben", ("3-11 08:00", MAIL), ("3-11 12:00", VISIT))
    bought(desk, "ben", "3-11 15:00")
    lived(desk, "eva", ("3-11 12:00", VISIT))
    bought(desk, "eva", "3-11 12:30")
    lived(desk, "fay", ("3-11 12:00", VISIT))  # buys nothing
    assert ways(desk, "purchase") == Paths(
        "purchase",
        3,
        3,
        (Path((MAIL, VISIT), 2, 2, (3, 2)), Path((VISIT,), 1, 1, (0.5,))),
    )


def test_the_same_step_in_a_row_is_one_at_its_last_time(desk: Desk) -> None:
    lived(
        desk, "ana", ("3-10 07:00", MAIL), ("3-10 08:00", VISIT), ("3-10 09:00", VISIT), ("3-10 10:00", VISIT)
    )
    bought(desk, "ana", "3-10 12:00")
    [path] = ways(desk, "purchase").paths
    assert (path.steps, path.hours) == ((MAIL, VISIT), (3, 2))


def test_at_most_four_steps_of_thirty_days(desk: Desk) -> None:
    five = [("3-01", MAIL), ("3-02", VISIT), ("3-03", MAIL), ("3-04", CALL), ("3-05", VISIT)]
    lived(desk, "ana", *five)
    bought(desk, "ana", "3-06")
    lived(desk, "ben", ("3-01 11:59", MAIL), ("3-01 12:00", VISIT))
    bought(desk, "ben", "3-31 12:00")  # the visit is thirty days before, the campaign a minute more
    found = {path.steps for path in ways(desk, "purchase").paths}
    assert found == {(VISIT, MAIL, CALL, VISIT), (VISIT,)}


def test_what_happens_with_the_purchase_or_after_it_is_not_before_it(desk: Desk) -> None:
    lived(desk, "ana", ("3-10 12:00", Step("paid_order", "web")), ("3-10 13:00", VISIT))
    bought(desk, "ana", "3-10 12:00")
    assert ways(desk, "purchase").paths == (Path((), 1, 1, ()),)


def test_an_earlier_purchase_is_a_step_also_without_a_touchpoint(desk: Desk) -> None:
    bought(desk, "ana", "3-10 12:00")
    bought(desk, "ana", "3-11 12:00")
    desk.order(at("3-12 12:00"), "ana")
    found = ways(desk, "purchase")
    assert (found.journeys, found.customers) == (3, 1)
    assert {path.steps: path.hours for path in found.paths} == {
        (): (),
        (BOUGHT,): (24,),
        (BOUGHT, BOUGHT): (24, 24),
    }


def test_cancelled_deleted_and_unknown_ones_are_no_journeys(desk: Desk) -> None:
    lived(desk, "ana", ("3-10", VISIT))
    desk.order(at("3-11"), "ana", is_cancelled=True)
    desk.order(at("3-11"), "ana", is_deleted=True)
    desk.order(at("3-11"), None)
    assert ways(desk, "purchase") == Paths("purchase", 0, 0, ())


def test_before_a_complaint(desk: Desk) -> None:
    complaint = Step("filed_complaint", "web")
    lived(desk, "ana", ("3-10", BOUGHT), ("3-12", CALL), ("3-13", complaint), ("3-14", complaint))
    found = ways(desk, "complaint")
    assert {path.steps: path.hours for path in found.paths} == {
        (BOUGHT, CALL): (48, 24),
        (BOUGHT, CALL, complaint): (48, 24, 24),
    }


def test_who_ordered_and_was_not_heard_of_for_ninety_days_has_left(desk: Desk) -> None:
    """Ana's last call is of 10 January; the campaign that she got later is not from her. Ben bought again, eva never
    bought, fay's call is too fresh. Gil's shop is known up to 1 February."""
    bought(desk, "ana", "1-09 12:00")
    lived(desk, "ana", ("1-10 12:00", CALL))
    desk.touchpoint(at("3-01"), activity="received_campaign", direction="outbound", customer_id="ana")
    bought(desk, "ben", "1-09 12:00")
    bought(desk, "ben", "4-10 12:00")
    lived(desk, "eva", ("1-10 12:00", CALL))
    bought(desk, "fay", "1-09 12:00")
    lived(desk, "fay", ("1-10 12:01", CALL))
    bought(desk, "gil", "1-09 12:00", source_system="closed")
    desk.order(at("2-01"), "hal", source_system="closed")
    assert ways(desk, "leaving") == Paths("leaving", 1, 1, (Path((BOUGHT, CALL), 1, 1, (24,)),))


def test_paths_of_few_customers_are_only_counted(desk: Desk) -> None:
    for customer in ("ana", "ben", "eva"):
        lived(desk, customer, ("3-10", VISIT))
        bought(desk, customer, "3-11")
    for day in ("3-12", "3-13", "3-14"):  # three journeys of one customer
        lived(desk, "fay", (f"{day} 09:00", CALL))
        bought(desk, "fay", f"{day} 10:00")
    found = ways(desk, "purchase", min_customers=3)
    assert [(path.steps, path.journeys) for path in found.paths] == [((VISIT,), 3)]
    assert (found.journeys, found.customers, found.others) == (6, 4, 3)


def test_a_range_of_time_holds_the_events_not_their_steps(desk: Desk) -> None:
    for customer, day in (("ana", "2-28 18:00"), ("ben", "3-01 18:00"), ("eva", "4-01 00:00")):
        lived(desk, customer, ("2-27", VISIT))
        bought(desk, customer, day)
    march = ways(desk, "purchase", since=at("3-01 00:00"), until=at("4-01 00:00"))
    assert march == Paths("purchase", 1, 1, (Path((VISIT,), 1, 1, (54,)),))


def test_a_purchase_before_the_range_is_a_step_in_it(desk: Desk) -> None:
    desk.order(at("2-20"), "ana")
    lived(desk, "ana", ("2-25", CALL))
    bought(desk, "ana", "3-01 12:00")
    [path] = ways(desk, "purchase", since=at("3-01 00:00")).paths
    assert (path.steps, path.hours) == ((Step("placed_order", None), CALL), (5 * 24, 4 * 24))


def test_an_order_is_a_step_before_a_complaint_and_before_leaving(desk: Desk) -> None:
    desk.order(at("1-09"), "ana")
    desk.touchpoint(at("1-10"), activity="filed_complaint", customer_id="ana")
    desk.order(at("6-01"), "ben")
    [complaint], [leaving] = ways(desk, "complaint").paths, ways(desk, "leaving").paths
    assert complaint.steps == (Step("placed_order", None),)
    assert leaving.steps == (Step("placed_order", None), Step("filed_complaint", "web"))


def test_a_purchase_without_a_touchpoint_has_no_channel(desk: Desk) -> None:
    desk.order(at("3-10"), "ana")
    bought(desk, "ana", "3-11")
    assert (Step("placed_order", None),) in {path.steps for path in ways(desk, "purchase").paths}


@pytest.mark.parametrize("before", ["purchase", "complaint", "leaving"])
def test_nothing_has_no_paths(desk: Desk, before: Goal) -> None:
    assert ways(desk, before) == Paths(before, 0, 0, ())
