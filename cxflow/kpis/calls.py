"""KPIs of contact-centre queues, as Genesys defines them. All periods go by the time of the offer."""

from __future__ import annotations

from functools import reduce
from operator import add

from sqlalchemy import Boolean, Double, column, func, or_

from cxflow.kpis.estimators import Mean, Share
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import Kpi
from cxflow.warehouse.tables import interaction

_t = interaction.c
_work = (_t.talk_seconds, _t.hold_seconds, _t.acw_seconds)

offered = fact(
    interaction,
    answered_at=_t.answered_at,
    abandoned_at=_t.abandoned_at,
    wait_seconds=_t.wait_seconds,
    handle_seconds=reduce(add, (func.coalesce(seconds, 0) for seconds in _work)),
    was_timed=or_(*(seconds.is_not(None) for seconds in _work)),
)
"""Interactions offered to a queue, by `offered_at`. Measures in seconds."""

answered = offered.where(column("answered_at").is_not(None))
wait_seconds = column("wait_seconds", Double)
waited = answered.needing("without a wait", wait_seconds.is_not(None))
"""Answered interactions whose wait is known."""

average_handle_time = Kpi(
    name="average_handle_time",
    title="Average handle time",
    title_es="Tiempo medio de gestión",
    description="How long agents work on a contact on average: talking, holding and wrapping up.",
    description_es="Cuánto trabajan de media los agentes en un contacto: conversación, retención y trabajo "
    "posterior.",
    unit="seconds",
    better="lower",
    lowest=0,
    formula="(talk + hold + after-call work) ÷ answered interactions for which at least one of the three is known",
    of=Mean(
        answered.needing("without talk, hold or after-call time", column("was_timed", Boolean)),
        column("handle_seconds", Double),
    ),
)

average_speed_of_answer = Kpi(
    name="average_speed_of_answer",
    title="Average speed of answer",
    title_es="Tiempo medio de respuesta",
    description="How long customers waited on average until an agent answered; those who gave up are not in it.",
    description_es="Cuánto esperaron de media los clientes hasta que contestó un agente; quienes desistieron no "
    "cuentan.",
    unit="seconds",
    better="lower",
    lowest=0,
    formula="wait of answered interactions ÷ answered interactions whose wait is known",
    of=Mean(waited, wait_seconds),
)

abandonment_rate = Kpi(
    name="abandonment_rate",
    title="Abandonment rate",
    title_es="Tasa de abandono",
    description="The share of contacts in a queue in which the customer gave up waiting.",
    description_es="La proporción de contactos en cola en los que el cliente dejó de esperar.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="abandoned ÷ offered interactions, short waits included",
    of=Share(offered, where=column("abandoned_at").is_not(None)),
)

service_level_80_20 = Kpi(
    name="service_level_80_20",
    title="Service level",
    title_es="Nivel de servicio",
    description="The share of answered contacts that were answered in time; 80 % within 20 seconds is a common "
    "target.",
    description_es="La proporción de contactos atendidos que se atendieron a tiempo; un objetivo habitual es el 80 "
    "% en 20 segundos.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answered within service_level_seconds (default 20) ÷ answered interactions whose wait is known",
    version=2,
    of=lambda settings: Share(waited, where=wait_seconds <= settings.kpis.service_level_seconds),
)
