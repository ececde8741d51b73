"""A small invented company in a warehouse: three months that are over and a part of the fourth, every number chosen.

The numbers that tests expect are worked out here, in comments, from what is put in.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from cxflow.kpis.calculator import compute
from cxflow.kpis.declared import KPIS
from cxflow.settings import Settings
from cxflow.warehouse.tables import (
    CANONICAL,
    customer,
    customer_profile,
    load_run,
    order_header,
    quarantine,
    review,
    stream_state,
    survey_response,
    touchpoint,
)

PUBLISHED = datetime(2026, 4, 10, 6, tzinfo=UTC)
READ_UP_TO = datetime(2026, 4, 10, tzinfo=UTC)
SCRIPT = "<script>alert('pwned')</script>"
"""In a review, in a reason and in a channel."""
SECRETS = (
    "Ximena",
    "Quiroga",
    "ximena.q@example.org",
    "612 345 678",
    "ES9121000418",
    "Villamenta",
    "Baltasar",
)
"""Personal data in the texts: names, an address, numbers, a town."""

JANUARY, FEBRUARY, MARCH, APRIL = 1, 2, 3, 4


class Company:
    """Puts rows in as loads would, with all that the report does not speak of."""

    def __init__(self, connection: sa.Connection, **groups: dict[str, Any]) -> None:
        self.connection = connection
        self.settings = Settings.model_validate({"project": {"name": "velvet"}, **groups})
        self._number = 0

    def put(self, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
        """Insert rows of the same columns."""
        filled = []
        for row in rows:
            self._number += 1
            provenance: dict[str, Any] = {}
            if table.name in CANONICAL:
                provenance = {
                    "source_system": row.get("source_system", "shop"),
                    "source_object": "stream",
                    "source_record_id": str(self._number),
                    "is_deleted": False,
                    "run_id": "run",
                    "loaded_at": PUBLISHED,
                }
            filled.append({**provenance, **row})
        if filled:
            self.connection.execute(sa.insert(table), filled)

    def id(self) -> str:
        """A new id."""
        self._number += 1
        return f"i{self._number}"

    def touchpoints(self, month: int, count: int, activity: str, channel: str, **more: Any) -> None:
        """Touchpoints spread over the first 28 days of a month of 2026."""
        self.put(
            touchpoint,
            (
                {
                    "touchpoint_id": self.id(),
                    "occurred_at": at(month, number % 28 + 1),
                    "activity": activity,
                    "channel": channel,
                    "control": more.get("control", "owned"),
                    "journey_stage": more.get("journey_stage", "after"),
                    "reason": more.get("reason"),
                    "customer_id": more.get("customer_id"),
                }
                for number in range(count)
            ),
        )

    def nps(self, month: int, promoters: int, passives: int, detractors: int) -> None:
        """Answers to "would you recommend us"."""
        ratings = [10] * promoters + [8] * passives + [3] * detractors
        self.put(
            survey_response,
            (
                {
                    "response_id": self.id(),
                    "question_id": "nps",
                    "touchpoint_id": None,
                    "metric_type": "nps",
                    "rating_value": rating,
                    "worst_rating": 0,
                    "best_rating": 10,
                    "response_text": None,
                    "responded_at": at(month, number % 28 + 1),
                    "source_system": "surveys",
                }
                for number, rating in enumerate(ratings)
            ),
        )

    def review(self, month: int, day: int, rating: float, text: str, **more: Any) -> None:
        """A review on five stars, by a customer who may be known."""
        touchpoint_id = self.id()
        row = {"occurred_at": at(month, day), "activity": "wrote_review", "channel": "review_site"}
        stage = {
            "control": "external",
            "journey_stage": "after",
            "customer_id": more.pop("customer_id", None),
        }
        self.put(touchpoint, [{"touchpoint_id": touchpoint_id, **row, **stage}])
        self.put(
            review,
            [
                {
                    "review_id": self.id(),
                    "touchpoint_id": touchpoint_id,
                    "rating_value": rating,
                    "worst_rating": 1,
                    "best_rating": 5,
                    "review_body": text,
                    "date_published": at(month, day),
                    **more,
                }
            ],
        )

    def orders(self, month: int, count: int) -> None:
        """Orders of one customer each."""
        self.put(
            order_header,
            (
                {
                    "order_id": self.id(),
                    "customer_id": f"c{number}",
                    "created_at": at(month, number % 28 + 1),
                    "price_total": 20 + number % 7,
                    "currency_code": "EUR",
                }
                for number in range(count)
            ),
        )

    def read_up_to(self, **streams: datetime) -> None:
        """How far streams are read, each the only one of its source."""
        self.put(
            stream_state,
            (
                {
                    "source_system": source,
                    "source_object": "stream",
                    "cursor": "{}",
                    "position": position,
                    "raw_columns": "{}",
                    "run_id": "run",
                    "updated_at": position,
                }
                for source, position in streams.items()
            ),
        )

    def loaded(self, source: str, status: str = "loaded", **counts: int) -> None:
        """A row of the ledger."""
        names = ("extracted", "inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")
        self.put(
            load_run,
            [
                {
                    "run_id": self.id(),
                    "batch_id": self.id(),
                    "source_system": source,
                    "source_object": "stream",
                    "mode": "scheduled",
                    "status": status,
                    "started_at": PUBLISHED,
                    "window_end": READ_UP_TO,
                    "finished_at": PUBLISHED + timedelta(seconds=self._number),
                    "withdrawn": 0,
                    "vanished": 0,
                    "report": "{}",
                    "plugin_version": "1",
                    "mapping": "m",
                    **dict.fromkeys(names, 0),
                    **counts,
                }
            ],
        )

    def refused(self, source: str, rule: str, count: int) -> None:
        """Records in quarantine, each with personal data."""
        self.put(
            quarantine,
            (
                {
                    "quarantine_id": self.id(),
                    "source_system": source,
                    "source_object": "stream",
                    "source_record_id": SECRETS[2],
                    "batch_id": "b",
                    "row_number": number,
                    "stage": "validate",
                    "rule": rule,
                    "column_name": "email",
                    "raw_value": SECRETS[2],
                    "payload": SECRETS[0],
                    "status": "open",
                    "first_seen_at": PUBLISHED,
                    "received_at": PUBLISHED,
                    "run_id": "run",
                }
                for number in range(count)
            ),
        )

    def compute(self, *names: str) -> None:
        """Publish these KPIs, or every built-in one."""
        kpis = {kpi.name: kpi for kpi in KPIS if kpi.name in names or not names}
        compute(self.connection, self.settings, kpis, PUBLISHED, True)


def at(month: int, day: int, hour: int = 12) -> datetime:
    """An instant of 2026, UTC."""
    return datetime(2026, month, day, hour, tzinfo=UTC)


def fill(company: Company) -> None:
    """The company: what is put in, and what follows."""
    company.put(
        customer,
        (
            {"customer_id": f"c{number}", "first_seen_at": at(1, 1), "last_seen_at": at(4, 1)}
            for number in range(60)
        ),
    )
    profile = {"customer_id": "c1", "full_name": "Ximena Quiroga", "city": "Villamenta"}
    other = {"customer_id": "c2", "full_name": "Baltasar Will", "city": None}
    company.put(customer_profile, ({"profile_id": company.id(), **each} for each in (profile, other)))
    # NPS: January 0, February 100 × (30 − 60) ÷ 120 = −25, March 100 × (60 − 36) ÷ 120 = +20: better. April runs.
    company.nps(JANUARY, 15, 10, 15)
    company.nps(FEBRUARY, 30, 30, 60)
    company.nps(MARCH, 60, 24, 36)
    company.nps(APRIL, 40, 0, 0)
    # March: 6 reviews under 4 and over: too few for a value with a minimum n of 10.
    company.review(MARCH, 3, 1, f"Never again! {SCRIPT} It came late and broken.")
    company.review(
        MARCH,
        4,
        2,
        "Call me: 612 345 678 or ximena.q@example.org, IBAN ES9121000418. quiroga, Villamenta",
        customer_id="c1",
    )
    company.review(MARCH, 5, 3, "It was all right, Baltasar helped a little.")
    company.review(MARCH, 6, 5, "Will buy again; I will tell everybody.", language="en")
    company.review(MARCH, 7, 5, "¡Genial! Llegó a tiempo y la atención fue estupenda.", language="es")
    company.review(MARCH, 8, 5, "¡Genial! Llegó a tiempo y la atención fue estupenda.", language="es")
    company.review(APRIL, 2, 1, "This is of April, which is not over.")
    # Contacts of March: 30 by phone (20 late_delivery, 10 without a reason), 12 by chat (the script): 42.
    company.touchpoints(FEBRUARY, 15, "called_support", "phone", reason="late_delivery")
    company.touchpoints(MARCH, 20, "called_support", "phone", reason="late_delivery")
    company.touchpoints(MARCH, 10, "called_support", "phone")
    company.touchpoints(MARCH, 12, "contacted_support", SCRIPT, reason=SCRIPT)
    company.touchpoints(APRIL, 500, "called_support", "phone", reason="of_april")
    # The journey of March: 50 page views, 30 orders, 7 things only this company does (before), 42 contacts, 6 reviews.
    company.touchpoints(MARCH, 50, "visited_page", "web", journey_stage="before")
    company.touchpoints(MARCH, 30, "placed_order", "web", journey_stage="during")
    company.touchpoints(MARCH, 7, "joined_club", "store", journey_stage="before")
    for month in (JANUARY, FEBRUARY, MARCH):
        company.orders(month, 30)
    company.read_up_to(shop=READ_UP_TO, surveys=at(3, 20))  # the surveys are late
    company.loaded(
        "shop", extracted=100, inserted=70, updated=10, unchanged=5, deleted=3, deduplicated=2, quarantined=10
    )
    company.loaded("surveys", extracted=160, inserted=160)
    company.loaded("surveys", status="stopped", extracted=50)
    company.refused("shop", "email_plausible", 7)
    company.compute()


MARCH_TOUCHPOINTS = 50 + 30 + 7 + 42 + 6
FEBRUARY_TOUCHPOINTS = 15
FIRST_OF_MARCH = date(2026, 3, 1)
