"""A desk with a warehouse on it: puts rows in, with all that a test does not speak of, computes and reads."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from sqlalchemy import Connection, Table, event, insert, select

from cxflow.kpis.calculator import compute
from cxflow.kpis.declared import KPIS
from cxflow.kpis.periods import Grain
from cxflow.kpis.read import KpiValue, values
from cxflow.kpis.report import KpiReport
from cxflow.settings import Settings
from cxflow.warehouse.tables import (
    CANONICAL,
    customer,
    delivery,
    interaction,
    lead,
    opportunity,
    order_header,
    order_line,
    pending_kpi,
    refund,
    review,
    support_case,
    survey_invitation,
    survey_response,
    times,
    touchpoint,
)

FIRST = datetime(2025, 4, 1, tzinfo=UTC)
BY_NAME = {kpi.name: kpi for kpi in KPIS}


def at(text: str) -> datetime:
    """`3-14`, `3-14 09:30` or `3-14 09:30:05` of 2025, UTC; a day alone is its noon."""
    day, _, clock = text.partition(" ")
    month, of_month = day.split("-")
    return datetime.fromisoformat(f"2025-{int(month):02}-{int(of_month):02}T{clock or '12:00'}+00:00")


class Desk:
    """What a test does: put rows in, compute, read."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.settings = Settings.model_validate({"kpis": {"min_n": 1}})
        self._numbers = count(1)
        self._touched: set[tuple[str, date | None]] = set()

    def configure(self, **groups: dict[str, Any]) -> None:
        kpis = {"min_n": 1, **groups.pop("kpis", {})}
        self.settings = Settings.model_validate({"kpis": kpis, **groups})

    def put(self, table: Table, *rows: dict[str, Any]) -> None:
        """Insert rows of the same columns as a load would: provenance filled, the days of all their times noted
        as changed, and those of the rows that they belong to."""
        provenance: dict[str, Any] = {}
        if table.info["kind"] == "canonical":
            provenance = {
                "source_system": "shop",
                "source_object": "stream",
                "source_record_id": str(next(self._numbers)),
                "is_deleted": False,
                "run_id": "run",
                "loaded_at": FIRST,
            }
        self.connection.execute(insert(table), [provenance | row for row in rows])
        if table.info["kind"] == "canonical":
            met = {row.get(name) for row in rows for name in times(table)}
            self.touch(table, *{time.date() for time in met if time})
            self._touch_parents(table, rows)

    def _touch_parents(self, table: Table, rows: tuple[dict[str, Any], ...]) -> None:
        if table.info["parent"]:
            name, shared_id = table.info["parent"]
            parent = CANONICAL[name]
            found = self.connection.execute(
                select(parent).where(parent.c[shared_id].in_([row[shared_id] for row in rows]))
            ).mappings()
            for row in found:
                self.touch(parent, *{row[name].date() for name in times(parent) if row[name]})
        if table is delivery:
            orders = [row["order_id"] for row in rows]
            of_order = self.connection.execute(
                select(delivery).where(delivery.c.order_id.in_(orders))
            ).mappings()
            for row in of_order:
                self.touch(delivery, *{row[name].date() for name in times(delivery) if row[name]})

    def touch(self, table: Table, *days: date | None) -> None:
        """Note days as changed; they are pending from the next computation on."""
        self._touched |= {(table.name, day) for day in days}

    def forget(self) -> None:
        """As if nothing had been touched."""
        self._touched.clear()

    def statements(self) -> list[str]:
        """A list to which every statement is added from now on."""
        noted: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            noted.append(statement)

        event.listen(self.connection, "before_cursor_execute", note)
        return noted

    def compute(self, *names: str, as_of: datetime = FIRST, everything: bool = False) -> KpiReport:
        if self._touched:
            rows = [{"table_name": name, "day": day} for name, day in self._touched]
            self.connection.execute(insert(pending_kpi), rows)
            self.forget()
        kpis = {name: BY_NAME[name] for name in names} if names else BY_NAME
        return compute(self.connection, self.settings, kpis, as_of, everything)

    def values(
        self, kpi: str | None, grain: Grain = "month", by: str | None = None, **more: Any
    ) -> list[KpiValue]:
        """Also of cells without an event that counts."""
        return values(self.connection, kpi, grain, by, **more)

    def counted(self, kpi: str, grain: Grain = "month") -> list[KpiValue]:
        return [value for value in self.values(kpi, grain) if value.n]

    def result(self, kpi: str) -> KpiValue | None:
        """Compute one KPI and give its value over all time, if there is one."""
        self.compute(kpi)
        found = self.values(kpi, "all")
        return found[0] if found and found[0].n else None

    # One word per kind of row; what a test does not name is the plainest thing.

    def touchpoint(self, when: datetime, **columns: Any) -> str:
        id_ = columns.setdefault("touchpoint_id", f"t{next(self._numbers)}")
        self.put(touchpoint, {"occurred_at": when, "activity": "visited_page", "channel": "web", **columns})
        return str(id_)

    def contact(self, when: datetime, customer_id: str | None = None, **columns: Any) -> str:
        return self.touchpoint(
            when, **{"activity": "called_support", "channel": "phone", "customer_id": customer_id, **columns}
        )

    def answer(self, metric: str, rating: float | None, when: datetime | None = None, **columns: Any) -> None:
        worst, best = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7), "fcr": (0, 1)}[metric]
        self.put(
            survey_response,
            {
                "response_id": f"r{next(self._numbers)}",
                "question_id": "q",
                "metric_type": metric,
                "rating_value": rating,
                "worst_rating": worst,
                "best_rating": best,
                "responded_at": when or at("3-14"),
                **columns,
            },
        )

    def invite(self, when: datetime, answered: datetime | None = None, **columns: Any) -> None:
        row = {"invitation_id": f"n{next(self._numbers)}", "invited_at": when, "responded_at": answered}
        self.put(survey_invitation, {**row, **columns})

    def review(self, rating: float | None, worst: float = 1, best: float = 5, **columns: Any) -> None:
        self.put(
            review,
            {
                "review_id": f"v{next(self._numbers)}",
                "rating_value": rating,
                "worst_rating": worst,
                "best_rating": best,
                "date_published": at("3-14"),
                **columns,
            },
        )

    def call(self, **columns: Any) -> None:
        self.put(
            interaction, {"interaction_id": f"i{next(self._numbers)}", "offered_at": at("3-14"), **columns}
        )

    def case(self, opened: datetime, **columns: Any) -> None:
        self.cases(opened, columns)

    def cases(self, opened: datetime, *cases: dict[str, Any]) -> None:
        row = {"opened_at": opened}
        self.put(support_case, *({"case_id": f"c{next(self._numbers)}", **row, **case} for case in cases))

    def order(self, when: datetime | None = None, customer_id: str | None = None, **columns: Any) -> str:
        id_ = columns.setdefault("order_id", f"o{next(self._numbers)}")
        row = {"created_at": when or at("3-14"), "customer_id": customer_id, "currency_code": "EUR"}
        self.put(order_header, {**row, **columns})
        return str(id_)

    def parcel(self, order_id: str, delivered: datetime | None, **columns: Any) -> None:
        row = {"delivery_id": f"d{next(self._numbers)}", "order_id": order_id, "delivered_at": delivered}
        self.put(delivery, {**row, **columns})

    def line(self, order_id: str, total: float | None, **columns: Any) -> None:
        row = {"order_id": order_id, "line_no": str(next(self._numbers)), "line_total": total}
        self.put(order_line, {**row, "currency_code": "EUR", "created_at": at("3-14"), **columns})

    def refund(self, order_id: str, when: datetime | None = None, **columns: Any) -> None:
        row = {"refund_id": f"f{next(self._numbers)}", "order_id": order_id, "currency_code": "EUR"}
        self.put(refund, {**row, "refunded_at": when or at("3-20"), **columns})

    def lead(self, lead_id: str, when: datetime | None = None, **columns: Any) -> None:
        self.put(lead, {"lead_id": lead_id, "created_at": when or at("3-14"), **columns})

    def opportunity(self, lead_id: str | None, is_won: bool | None, **columns: Any) -> None:
        row = {"opportunity_id": f"p{next(self._numbers)}", "lead_id": lead_id, "is_won": is_won}
        self.put(opportunity, {**row, "currency_code": "EUR", "created_at": at("3-18"), **columns})

    def customer(self, customer_id: str, segment: str | None, **columns: Any) -> None:
        seen = {"first_seen_at": FIRST, "last_seen_at": FIRST}
        self.put(customer, {"customer_id": customer_id, "segment": segment, **seen, **columns})
