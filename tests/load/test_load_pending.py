"""What a load notes for the KPIs beside its own rows."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import sqlalchemy as sa
from trip_bench import Bench

from cxflow.load.pending import pend_rows
from cxflow.load.staged import Loading
from cxflow.model.batch import BatchRef
from cxflow.warehouse import pending, transactions
from cxflow.warehouse.tables import delivery, order_header


def _day(number: int) -> datetime:
    return datetime(2026, 3, number, 12, tzinfo=UTC)


def test_a_parcel_is_noted_with_its_order_and_the_other_parcels_of_it(bench: Bench) -> None:
    """Parcel b came last, on the 6th. If a comes later, the order leaves that day."""
    provenance: dict[str, Any] = {
        "source_system": "shop",
        "source_object": "parcels",
        "source_record_id": "1",
        "is_deleted": False,
        "run_id": "run",
        "loaded_at": _day(1),
    }
    with transactions.transaction(bench.settings) as connection:
        order = {"order_id": "1", "created_at": _day(2), "currency_code": "EUR", **provenance}
        connection.execute(sa.insert(order_header), order)
        parcels = [("a", "1", 4), ("b", "1", 6), ("c", "2", 9)]
        connection.execute(
            sa.insert(delivery),
            [
                {"delivery_id": name, "order_id": of, "delivered_at": _day(day), **provenance}
                for name, of, day in parcels
            ],
        )
        changed = sa.select(delivery).where(delivery.c.delivery_id == "a")
        batch = BatchRef("shop", "parcels", "b1")
        pend_rows(cast(Loading, SimpleNamespace(warehouse=connection, batch=batch)), delivery, changed)
        found = pending.take_days(connection)
        connection.rollback()
    days = {
        "delivery": {_day(4).date(), _day(6).date()},
        "order_header": {_day(2).date()},
    }
    assert found.days == days
    assert found.causes == {"load of shop.parcels, run b1": days}
