"""KPIs of deliveries: on time, and how long they take. An order has been delivered when its last parcel has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    String,
    and_,
    case,
    column,
    func,
    select,
)

from cxflow.kpis.estimators import Share
from cxflow.kpis.facts import SAME_DAY, Fact, Reach, Rows, seconds_between
from cxflow.kpis.horizons import Horizon
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import kept_orders
from cxflow.kpis.quantile import Quantile
from cxflow.kpis.source_zones import day_at_source, zones
from cxflow.settings import Settings
from cxflow.warehouse.tables import delivery, order_header, order_line

_t = order_header.c
_arrived, _promised = column("arrived_at", DateTime), column("promised_at", DateTime)
_source = column("source", String)


def _parcels() -> Rows:
    """Each order with parcels: when the last came, whether some have not, and the latest promise."""
    d = delivery.c
    return (
        select(
            d.order_id,
            func.max(d.delivered_at).label("last_at"),
            (func.count() > func.count(d.delivered_at)).label("some_missing"),
            func.max(d.promised_at).label("promised_at"),
        )
        .where(~d.is_deleted)
        .group_by(d.order_id)
    )


def _with_arrival(rows: Rows) -> Rows:
    """The orders with `arrived_at` and `promised_at`.

    Where an order has parcels and one of them a time of delivery, the last one counts, and it has not arrived while
    others are on their way. Else the order's own time counts.
    """
    order, parcels = rows.subquery(), _parcels().subquery()
    arrived = case(
        (parcels.c.last_at.is_(None), order.c.own_arrival), (~parcels.c.some_missing, parcels.c.last_at)
    )
    promised = func.coalesce(order.c.own_promise, parcels.c.promised_at)
    return select(order, arrived.label("arrived_at"), promised.label("promised_at")).join_from(
        order, parcels, parcels.c.order_id == order.c.order_id, isouter=True
    )


orders = kept_orders(order_id=_t.order_id, own_arrival=_t.delivered_at, own_promise=_t.promised_at).derived(
    _with_arrival
)
"""Orders that are not cancelled, by `created_at`, with `arrived_at` and `promised_at`."""


def _by_arrival(rows: Rows) -> Rows:
    order = rows.subquery()
    others = [each for each in order.c if each.name != "at"]
    seconds = seconds_between(order.c.at, order.c.arrived_at)
    return select(order.c.arrived_at.label("at"), (seconds / 86400).label("days_taken"), *others).where(
        order.c.arrived_at.is_not(None)
    )


delivered = orders.derived(_by_arrival).reaching({delivery.name: SAME_DAY})
"""Delivered orders, by the time of their last parcel, with `days_taken` from order to delivery."""


def _newest_of_orders() -> Horizon:
    times = (_t.created_at, _t.approved_at, _t.shipped_at, _t.delivered_at, _t.cancelled_at)
    events = select(_t.source_system.label("source"), func.greatest(*times).label("at"))
    return Horizon("orders", events.where(~_t.is_deleted), (order_header.name,))


_horizon = _newest_of_orders()


def _day(at: ColumnElement[Any], settings: Settings) -> ColumnElement[Any]:
    return day_at_source(at, _source, settings)


def _on_time(settings: Settings) -> ColumnElement[bool]:
    """By the end of the promised day, in the zone of the order's source."""
    return func.coalesce(_day(_arrived, settings) <= _day(_promised, settings), False)


def _due(settings: Settings) -> Fact:
    """Orders by `created_at` whose promised day is over, as far as their source is known."""
    known = _horizon.known().subquery()

    def with_horizon(rows: Rows) -> Rows:
        order = rows.subquery()
        known_day = day_at_source(known.c.known_until, order.c.source, settings)
        return select(order, known_day.label("known_day")).join_from(
            order, known, known.c.source == order.c.source, isouter=True
        )

    waiting = select(
        _t.created_at.label("at"), _t.source_system.label("source"), _t.promised_at.label("until")
    )
    of_parcels = select(_t.created_at, _t.source_system, delivery.c.promised_at).join_from(
        order_header, delivery, delivery.c.order_id == _t.order_id
    )
    reach = Reach(horizon=_horizon, waiting=select(waiting.union_all(of_parcels).subquery()))
    return (
        orders.derived(with_horizon)
        .needing("without a promised time", _promised.is_not(None))
        .needing("promised day not over", _day(_promised, settings) < column("known_day", Date))
        .reaching({order_header.name: reach})
    )


def _with_quantities(rows: Rows) -> Rows:
    """The orders with `is_full`: whether all of each line was delivered; null where a line does not tell."""
    order, line = rows.subquery(), order_line.c
    is_known = and_(line.quantity.is_not(None), line.quantity_delivered.is_not(None))
    of_order = (
        select(
            line.order_id,
            case((func.bool_and(is_known), func.bool_and(line.quantity_delivered >= line.quantity))).label(
                "is_full"
            ),
        )
        .where(~line.is_deleted)
        .group_by(line.order_id)
        .subquery()
    )
    return select(order, of_order.c.is_full).join_from(
        order, of_order, of_order.c.order_id == order.c.order_id, isouter=True
    )


def _in_full(settings: Settings) -> Share:
    is_full = column("is_full", Boolean)
    due = (
        _due(settings).derived(_with_quantities).needing("without delivered quantities", is_full.is_not(None))
    )
    return Share(due, where=and_(_on_time(settings), is_full))


on_time_delivery_rate = Kpi(
    name="on_time_delivery_rate",
    title="On-time delivery",
    title_es="Entregas a tiempo",
    description="The share of delivered orders that came on or before the promised day. Overdue orders that have "
    "not come are not in it.",
    description_es="La proporción de pedidos entregados que llegaron el día prometido o antes. Los atrasados que no "
    "han llegado no cuentan.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="orders whose last parcel came by the end of the promised day (time zone of their source) ÷ orders "
    "delivered in the period that had a promised date",
    formula_es="pedidos cuyo último paquete llegó a más tardar el día prometido (zona horaria de su fuente) ÷ "
    "pedidos entregados en el periodo que tenían fecha prometida",
    version=2,
    counts="orders with a time of delivery",
    of=lambda settings: Share(
        delivered.needing("without a promised time", _promised.is_not(None)), where=_on_time(settings)
    ),
    depends_on=zones,
)

on_time_delivery_rate_of_due = Kpi(
    name="on_time_delivery_rate_of_due",
    title="On-time delivery of orders due",
    title_es="Entregas a tiempo sobre pedidos vencidos",
    description="The share of orders whose promised day is over that came by then. An order that is overdue and has "
    "not come counts as late.",
    description_es="La proporción de pedidos cuyo día prometido ya pasó que llegaron a tiempo. Un pedido vencido "
    "que no ha llegado cuenta como tarde.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="orders placed in the period whose last parcel came by the end of the promised day (time zone of their "
    "source) ÷ orders placed in it whose promised day is over, as far as their source is known",
    formula_es="pedidos hechos en el periodo cuyo último paquete llegó a más tardar el día prometido (zona horaria "
    "de su fuente) ÷ pedidos hechos en él cuyo día prometido ya pasó, hasta donde se conoce su fuente",
    counts="orders whose promised day is over",
    of=lambda settings: Share(_due(settings), where=_on_time(settings)),
    depends_on=zones,
)

otif_rate = Kpi(
    name="otif_rate",
    title="On time in full (OTIF)",
    title_es="A tiempo y completo (OTIF)",
    description="The share of orders whose promised day is over that had come by then, with all that was ordered.",
    description_es="La proporción de pedidos cuyo día prometido ya pasó que llegaron a tiempo y con todo lo pedido.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="orders placed in the period whose last parcel came by the end of the promised day (time zone of their "
    "source) and whose lines were all delivered in their whole quantity ÷ orders placed in it whose promised day is "
    "over, as far as their source is known, and whose lines tell what was delivered",
    formula_es="pedidos hechos en el periodo cuyo último paquete llegó a más tardar el día prometido (zona horaria de "
    "su fuente) y cuyas líneas se entregaron todas en su cantidad completa ÷ pedidos hechos en él cuyo día prometido "
    "ya pasó, hasta donde se conoce su fuente, y cuyas líneas dicen lo entregado",
    counts="orders whose promised day is over and whose lines tell what was delivered",
    of=_in_full,
    needs=select(order_line.c.order_id).where(order_line.c.quantity_delivered.is_not(None)),
    depends_on=zones,
)

_days_taken = column("days_taken", Double)

delivery_days = Kpi(
    name="delivery_days",
    title="Delivery time, median",
    title_es="Plazo de entrega, mediana",
    description="Half of the orders delivered in the period took at most this long from order to delivery.",
    description_es="La mitad de los pedidos entregados en el periodo tardaron como mucho este plazo desde el pedido.",
    unit="days",
    better="lower",
    lowest=0,
    decimals=1,
    formula="median days from order to the delivery of its last parcel, orders delivered in the period",
    formula_es="mediana de los días desde el pedido hasta la entrega de su último paquete, de los pedidos "
    "entregados en el periodo",
    counts="orders with a time of delivery",
    of=Quantile(delivered, _days_taken, 0.5, beside=(0.9,)),
)

delivery_days_p90 = Kpi(
    name="delivery_days_p90",
    title="Delivery time, 90th percentile",
    title_es="Plazo de entrega, percentil 90",
    description="Nine in ten of the orders delivered in the period took at most this long from order to delivery.",
    description_es="Nueve de cada diez pedidos entregados en el periodo tardaron como mucho este plazo desde el "
    "pedido.",
    unit="days",
    better="lower",
    lowest=0,
    decimals=1,
    formula="90th percentile of the days from order to the delivery of its last parcel, orders delivered in the "
    "period",
    formula_es="percentil 90 de los días desde el pedido hasta la entrega de su último paquete, de los pedidos "
    "entregados en el periodo",
    counts="orders with a time of delivery",
    of=Quantile(delivered, _days_taken, 0.9, beside=(0.5,)),
)
