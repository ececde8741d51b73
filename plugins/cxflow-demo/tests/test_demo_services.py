"""The company's services: what they know on which day, and what their connectors make of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cxflow import ConfigError
from cxflow.testing import TestProject
from cxflow.testing.postgresql import warehouse

from cxflow_demo import check, folders, sandbox
from cxflow_demo.clock import DAILY, DAILY_START, FIRST, LAST, LATER
from cxflow_demo.company import VENDORS, Company
from cxflow_demo.served import SERVED
from cxflow_demo.simulation import Simulated, generate, simulate
from cxflow_demo.truth import state_of

EVE = DAILY_START - timedelta(days=1)
MADRID = ZoneInfo("Europe/Madrid")


@pytest.fixture(scope="session")
def simulated() -> Simulated:
    return simulate(seed=9, scale=0.3)


@pytest.fixture
def company(simulated: Simulated) -> Company:
    return Company(simulated.deliveries)


@pytest.fixture
def project(company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestProject]:
    """The demo's project, connected to the services."""
    with company.served() as urls:
        for name, value in company.environment(urls).items():
            monkeypatch.setenv(name, value)
        yield TestProject(tmp_path, folders.project())


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), MADRID)


def over(day: date) -> datetime:
    """When a day is read."""
    return datetime.combine(day + timedelta(days=1), LATER, MADRID)


KPIS = {
    "shop": (
        "average_order_value",
        "return_rate",
        "on_time_delivery_rate",
        "on_time_delivery_rate_of_due",
        "delivery_days",
        "delivery_days_p90",
        "refund_rate",
        "return_rate_by_revenue",
        "matured_return_rate",
        "revenue",
        "net_revenue",
    ),
    "surveys": ("nps", "csat", "ces", "ces_top", "ces_net"),
    "trustpilot": ("review_rating", "review_rating_bayes"),
    "hubspot": (),
    "voice": (),  # calls of the history are in exports: see the test of all services
    "desk": (
        "first_reply_minutes",
        "first_reply_minutes_p90",
        "resolution_minutes",
        "resolution_minutes_p90",
        "reopen_rate",
        "fcr_one_touch",
        "backlog",
        "first_reply_minutes_of_opened",
        "resolution_minutes_of_opened",
    ),
}
"""What needs no other system, where it is not sliced by what the CRM knows."""


def wrong(project: TestProject, simulated: Simulated, system: str, last: date) -> list[check.Fact]:
    """What differs from the truth after the history and the days up to one, which were read one by one."""
    truth = simulated.truth
    everything = [each for arriving in simulated.deliveries.values() for each in arriving if each.day <= last]
    truth_then = state_of(everything, last)
    live = truth_then.live
    kpis = [
        asdict(each)
        for each in truth_then.kpis
        if last == LAST
        and each.kpi in KPIS[system]
        and each.dimension != "segment"
        and (not each.kpi.startswith("review_rating") or each.dimension_value == system)
    ]
    spans = ["history", *(day.isoformat() for day in DAILY if day <= last)]
    refused: dict[str, dict[str, int]] = {}
    for span in spans:
        for stream, rules in truth.deliveries[span].quarantine.items():
            for rule, count in rules.items():
                found = refused.setdefault(stream, {})
                found[rule] = found.get(rule, 0) + count
    of_system = [stream for stream in SERVED if stream.partition(".")[0] == system]
    state = {"live": {stream: live[stream] for stream in of_system}, "customers": 0, "kpis": kpis}
    return [
        fact
        for fact in check.facts(
            project.settings, state, {stream: refused.get(stream, {}) for stream in of_system}
        )
        if not fact.agrees and fact.what != "customers"
    ]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_connector_finds_the_truth_after_the_history_and_at_the_end(
    vendor: str, project: TestProject, company: Company, simulated: Simulated
) -> None:
    system = VENDORS[vendor].system
    company.show(EVE)
    project.run(system, mode="backfill", start=midnight(FIRST), end=over(EVE))
    assert wrong(project, simulated, system, EVE) == []
    company.show(LAST)
    # Days later, what was bad and is fixed was never seen bad: only the whole demo reads every day.
    project.run(system, end=over(LAST))
    project.settle()
    found = wrong(project, simulated, system, LAST)
    assert [fact for fact in found if fact.what != "quarantine"] == []
    assert project.books_balance()


def test_the_whole_box_is_pulled_into_postgresql_and_agrees_with_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = generate(tmp_path, seed=5, scale=0.05)
    company = Company(simulated.deliveries)
    with company.served() as urls, warehouse() as database:
        for name, value in company.environment(urls).items():
            monkeypatch.setenv(name, value)
        project = TestProject(tmp_path, sandbox._project(folders.project()), warehouse=database)
        project.run(end=over(LAST))
        project.settle()
        # What is refused depends on when somebody reads.
        found = [
            fact
            for fact in check.facts(project.settings, asdict(simulated.truth), {})
            if fact.what != "quarantine"
        ]
        assert [fact for fact in found if not fact.agrees] == []
        assert {fact.place for fact in found if fact.what == "records"} == set(simulated.deliveries)
        assert len([fact for fact in found if fact.what == "kpi"]) > 200
        assert project.books_balance()


def test_services_know_nothing_of_the_days_to_come(company: Company) -> None:
    shop: Any = company.services["shopify"]
    company.show(FIRST)
    first = {order["id"] for order in shop.orders}
    assert first
    assert max(order["updatedAt"] for order in shop.orders) < "2026-01-01T23:00:00Z"
    company.show(LAST)
    assert first < {order["id"] for order in shop.orders} | {event["subjectId"] for event in shop.events}


def test_orders_of_the_history_are_corrected_in_the_last_days(company: Company) -> None:
    def known() -> dict[str, tuple[Any, Any]]:
        shop: Any = company.services["shopify"]
        return {
            order["id"]: (
                order["totalPriceSet"]["shopMoney"]["amount"],
                order["fulfillments"][0]["deliveredAt"],
            )
            for order in shop.orders
            if order["displayFulfillmentStatus"] == "FULFILLED" and order["fulfillments"][0]["deliveredAt"]
        }

    company.show(EVE)
    before = known()
    company.show(LAST)
    after = known()
    assert sum(before[each] != after[each] for each in before.keys() & after.keys()) >= 6


def test_orders_are_deleted_in_the_history_and_in_the_last_days(company: Company) -> None:
    shop: Any = company.services["shopify"]
    company.show(EVE)
    early = {event["subjectId"] for event in shop.events}
    company.show(LAST)
    late = {event["subjectId"] for event in shop.events}
    assert early
    assert early < late
    assert not late & {order["id"] for order in shop.orders}


def test_reviews_of_the_history_are_replied_to_and_taken_down_in_the_last_days(company: Company) -> None:
    trustpilot: Any = company.services["trustpilot"]
    company.show(EVE)
    before = {review["id"]: review for review in trustpilot.service_reviews}
    company.show(LAST)
    after = [review for review in trustpilot.service_reviews if review["createdAt"] < "2026-03-27T23:00:00Z"]
    known = [(before[review["id"]], review) for review in after if review["id"] in before]
    assert [1 for old, new in known if new["companyReply"] and not old["companyReply"]]
    assert [1 for old, new in known if old["status"] == "active" != new["status"]]


def test_reviews_are_shown_days_late_with_the_time_at_which_they_were_written(simulated: Simulated) -> None:
    late = [
        each
        for each in simulated.deliveries["trustpilot.service_reviews"]
        if (each.day - each.record.changed_at.astimezone(MADRID).date()).days >= 2
    ]
    assert min(each.day for each in late) < DAILY_START <= max(each.day for each in late)


def test_twilio_still_has_every_event_at_the_end(simulated: Simulated, company: Company) -> None:
    telephone: Any = company.services["twilio"]
    oldest = min(event["event_date_ms"] for event in telephone.events) / 1000
    assert telephone.now == midnight(LAST + timedelta(days=1))
    assert telephone.now.timestamp() - oldest < timedelta(days=30).total_seconds()


def test_a_task_in_wrap_up_at_the_end_of_the_history_is_completed_in_the_last_days(company: Company) -> None:
    telephone: Any = company.services["twilio"]
    ends = ("task.completed", "task.canceled")

    def open_tasks() -> set[str]:
        known = {event["resource_sid"] for event in telephone.events}
        return known - {event["resource_sid"] for event in telephone.events if event["event_type"] in ends}

    company.show(EVE)
    before = open_tasks()
    company.show(LAST)
    after = open_tasks()
    assert (len(before), len(after)) == (1, 1)
    assert not before & after


def test_a_call_of_the_history_is_priced_in_the_last_days(company: Company) -> None:
    telephone: Any = company.services["twilio"]
    company.show(EVE)
    before = {
        call["sid"] for call in telephone.calls if call["price"] is None and not call["parent_call_sid"]
    }
    company.show(LAST)
    assert before & {call["sid"] for call in telephone.calls if call["price"] is not None}


def test_a_port_that_is_taken_is_named(company: Company) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port {port} cannot be used for shopify"),
            company.served(port),
        ):
            pass
