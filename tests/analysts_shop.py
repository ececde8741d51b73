"""An invented shop in Madrid, small enough to work every answer out by hand: rows written straight into the warehouse.

Ada and Bea are at home, Cai and Dan in business. Bea's desk came late, she called twice, complained and sent it back;
Dan's lamp was refunded, not returned, and he called once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import sqlalchemy as sa

from cxflow.kpis import calculator, catalogue
from cxflow.settings import Settings
from cxflow.warehouse import tables as t
from cxflow.warehouse import transactions

KPIS = ("nps", "ces", "on_time_delivery_rate", "first_contact_resolution", "net_experience")
LOADED = datetime(2026, 6, 1, tzinfo=UTC)
_numbers = count(1)


def at(text: str) -> datetime:
    """`01-31 23:30` of 2026, UTC; a day alone is its noon."""
    day, _, clock = text.partition(" ")
    return datetime.fromisoformat(f"2026-{day}T{clock or '12:00'}+00:00")


def fill(connection: sa.Connection) -> None:
    """Insert the rows of the whole shop."""
    for table, row in _rows():
        provenance: dict[str, Any] = {}
        if table.info["kind"] == "canonical":
            provenance = {
                "source_system": "shop",
                "source_object": "stream",
                "source_record_id": str(next(_numbers)),
                "is_deleted": False,
                "run_id": "run",
                "loaded_at": LOADED,
            }
        connection.execute(sa.insert(table), provenance | row)


def compute(settings: Settings) -> None:
    """Compute a few of the KPIs for all periods: enough to look at, and quick."""
    known = catalogue.of_project(settings)
    few = {name: known[name] for name in KPIS}
    with transactions.transaction(settings) as connection:
        calculator.compute(connection, settings, few, datetime.now(UTC), everything=True)


def _rows() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    for name, segment in (("ada", "home"), ("bea", "home"), ("cai", "business"), ("dan", "business")):
        seen = {"first_seen_at": at("01-01"), "last_seen_at": at("03-01")}
        yield (
            t.customer,
            {"customer_id": name, "segment": segment, "country": "ES", "consent": name != "dan", **seen},
        )
        profile = {"profile_id": f"{name}@example.org", "full_name": f"{name} canary"}
        yield t.customer_profile, {**profile, "email": f"{name}@example.org", "customer_id": name}
    yield t.customer, {"customer_id": "old", "merged_into_id": "ada", **seen}
    yield t.product, {"product_id": "lamp", "title": "Lamp", "category": "Lighting"}
    yield t.product, {"product_id": "desk", "title": "Desk", "category": "Furniture"}
    yield t.organisation, {"organisation_id": "maker", "role": "seller", "city": "Vigo", "region": "Galicia"}
    yield from _orders()
    yield from _contacts()
    yield from _opinions()
    yield from _leads()
    yield from _books()


def _touchpoint(id_: str, when: str, activity: str, channel: str, customer: str | None, **more: Any) -> Any:
    return t.touchpoint, {
        "touchpoint_id": id_,
        "occurred_at": at(when),
        "activity": activity,
        "channel": channel,
        "customer_id": customer,
        "journey_stage": "after",
        "control": "owned",
        **more,
    }


def _orders() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    orders = (
        ("o1", "ada", "01-05 10:00", "web", ("lamp",)),
        ("o2", "bea", "01-06 10:00", "store", ("desk",)),
        ("o3", "cai", "01-31 23:30", "web", ("lamp", "desk")),  # in Madrid already February
        ("o4", "ada", "02-10 10:00", "web", ("desk",)),
        ("o5", "dan", "02-11 10:00", "web", ("lamp",)),
    )
    price = {"lamp": 100, "desk": 300}
    for order, customer, when, channel, products in orders:
        yield _touchpoint(f"t-{order}", when, "placed_order", channel, customer, order_id=order)
        row = {
            "order_id": order,
            "touchpoint_id": f"t-{order}",
            "customer_id": customer,
            "created_at": at(when),
        }
        total = sum(price[each] for each in products)
        yield t.order_header, {**row, "price_total": total, "currency_code": "EUR"}
        for number, product in enumerate(products, 1):
            line = {
                "order_id": order,
                "line_no": str(number),
                "product_id": product,
                "line_total": price[product],
            }
            yield t.order_line, {**line, "quantity": 1, "seller_id": "maker", "currency_code": "EUR"}
    for order, carrier, promised, delivered in (
        ("o1", "swift", "01-10", "01-09"),
        ("o2", "snail", "01-10", "01-12"),
        ("o3", "swift", "02-06", "02-06 22:00"),  # the last hour of the promised day, in Madrid
        ("o4", "snail", "02-15", "02-14"),
        ("o5", "snail", "02-15", None),
    ):
        parcel = {
            "delivery_id": f"d-{order}",
            "order_id": order,
            "carrier": carrier,
            "promised_at": at(promised),
        }
        yield t.delivery, {**parcel, "delivered_at": at(delivered) if delivered else None}
    for order, when, is_return in (("o2", "01-20", None), ("o5", "02-20", False)):
        row = {"refund_id": f"r-{order}", "order_id": order, "refunded_at": at(when), "is_return": is_return}
        yield t.refund, {**row, "refund_total": 100, "currency_code": "EUR"}
    yield (
        t.payment,
        {"payment_id": "p1", "order_id": "o1", "method": "card", "amount": 100, "currency_code": "EUR"},
    )


def _contacts() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    # Calls: when, who, queue, seconds of waiting, answered.
    calls = (
        ("call-1", "01-11 09:00", "bea", "shipping", 30, True),
        ("call-2", "01-13 09:00", "bea", "shipping", 60, True),
        ("call-3", "01-15 09:00", "cai", "billing", 10, True),
        ("call-4", "02-12 10:00", "dan", "shipping", 200, False),
        ("call-5", "02-12 10:30", "dan", "billing", 20, True),
    )
    for id_, when, customer, queue, wait, is_answered in calls:
        of = {"agent_id": "ines" if queue == "shipping" else "joan", "conversation_id": f"v-{id_}"}
        reason = {"shipping": "late", "billing": "invoice"}[queue]
        yield _touchpoint(
            id_, when, "called_support", "phone", customer, direction="inbound", reason=reason, **of
        )
        row = {"interaction_id": f"i-{id_}", "touchpoint_id": id_, "queue_id": queue, "offered_at": at(when)}
        taken = at(when) if is_answered else None
        given_up = None if is_answered else at(when)
        yield t.interaction, {**row, "wait_seconds": wait, "answered_at": taken, "abandoned_at": given_up}
    yield _touchpoint("complaint", "01-14 09:00", "filed_complaint", "social", "bea", case_id="c1")
    yield _touchpoint("mail", "02-16 09:00", "contacted_support", "email", "ada", case_id="c2", order_id="o4")
    yield _touchpoint("nobody", "02-17 09:00", "visited_page", "web", None)
    for case, who, opened, replied, of in (
        ("c1", "bea", "01-14 09:00", "01-14 11:00", "complaint"),
        ("c2", "ada", "02-16 09:00", "02-16 09:30", "mail"),
    ):
        row = {"case_id": case, "customer_id": who, "opened_at": at(opened), "first_reply_at": at(replied)}
        yield t.support_case, {**row, "touchpoint_id": of, "opening_text": "canary wrote", "status": "open"}
    yield t.case_status_history, {"case_id": "c1", "valid_from": at("01-14 09:00"), "status": "open"}
    yield (
        t.signal,
        {"touchpoint_id": "complaint", "name": "topic", "model_version": "1", "string_value": "delivery"},
    )


def _opinions() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    # Answers: when, who, what the touchpoint of answering shares with the one it is about, score.
    answers = (
        ("s1", "01-12 09:00", "bea", {"conversation_id": "v-call-1", "order_id": "o2"}, 3),
        ("s2", "01-16 09:00", "cai", {"conversation_id": "v-call-3"}, 10),
        ("s3", "02-17 09:00", "ada", {"case_id": "c2"}, 9),
        ("s4", "02-18 09:00", "dan", {"order_id": "o5"}, 8),
        ("s5", "01-31 23:00", "cai", {}, 9),  # in Madrid already February
    )
    for id_, when, customer, shared, score in answers:
        yield _touchpoint(f"t-{id_}", when, "answered_survey", "email", customer, **shared)
        row = {"response_id": id_, "question_id": "q", "touchpoint_id": f"t-{id_}", "metric_type": "nps"}
        scale = {"rating_value": score, "worst_rating": 0, "best_rating": 10, "response_text": "canary wrote"}
        yield t.survey_response, {**row, **scale, "responded_at": at(when)}
    for id_, when, customer, order, product, stars in (
        ("v1", "01-15 12:00", "bea", "o2", "desk", 1),
        ("v2", "01-20 12:00", "ada", "o1", "lamp", 5),
        ("v3", "02-12 12:00", "dan", "o5", "lamp", 2),
    ):
        yield _touchpoint(
            f"t-{id_}", when, "wrote_review", "web", customer, order_id=order, control="external"
        )
        row = {"review_id": id_, "touchpoint_id": f"t-{id_}", "order_id": order, "item_reviewed_id": product}
        scale = {"rating_value": stars, "worst_rating": 1, "best_rating": 5, "review_body": "canary wrote"}
        yield t.review, {**row, **scale, "date_published": at(when)}


def _leads() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    for id_, origin in (("l1", "fair"), ("l2", "fair"), ("l3", "search"), ("l4", "search")):
        yield _touchpoint(f"t-{id_}", "01-02", "became_lead", "web", None)
        yield (
            t.lead,
            {"lead_id": id_, "touchpoint_id": f"t-{id_}", "origin": origin, "created_at": at("01-02")},
        )
    for id_, of, is_won in (("p1", "l1", True), ("p2", "l3", False), ("p3", "l3", None)):
        row = {"opportunity_id": id_, "lead_id": of, "is_won": is_won, "amount": 500, "currency_code": "EUR"}
        yield (
            t.opportunity,
            {**row, "created_at": at("01-10"), "closed_at": at("02-01") if is_won is not None else None},
        )


def _books() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    counts = dict.fromkeys(("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined"), 0)
    for number, (status, day, inserted, refused) in enumerate(
        (("loaded", "05-01", 8, 2), ("loaded", "05-02", 5, 0), ("stopped", "05-03", 0, 0)), 1
    ):
        run = {
            "run_id": f"run-{number}",
            "batch_id": f"run-{number}",
            "source_system": "shop",
            "mode": "scheduled",
        }
        span = {"window_end": at(day), "started_at": at(day), "finished_at": at(day), "plugin_version": "1"}
        of_run = counts | {"extracted": inserted + refused, "inserted": inserted, "quarantined": refused}
        yield (
            t.load_run,
            {**run, **span, **of_run, "source_object": "stream", "status": status, "report": "{}"},
        )
    state = {"source_system": "shop", "source_object": "stream", "cursor": "{}", "raw_columns": "{}"}
    yield t.stream_state, {**state, "position": at("05-02"), "run_id": "run-2", "updated_at": at("05-02")}
    for number, state_ in enumerate(("open", "replayed")):
        row = {
            "quarantine_id": f"q{number}",
            "source_system": "shop",
            "source_object": "stream",
            "batch_id": "run-1",
        }
        refused = {
            "row_number": number + 1,
            "stage": "conform",
            "rule": "cannot be cast",
            "column_name": "rating_value",
        }
        told = {"raw_value": "canary", "payload": "canary", "source_record_id": "canary", "status": state_}
        times = {"received_at": at("05-01"), "first_seen_at": at("05-01"), "run_id": "run-1"}
        yield t.quarantine, {**row, **refused, **told, **times}
