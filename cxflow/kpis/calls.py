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
    unit="seconds",
    better="lower",
    lowest=0,
    formula="wait of answered interactions ÷ answered interactions whose wait is known",
    of=Mean(waited, wait_seconds),
)

abandonment_rate = Kpi(
    name="abandonment_rate",
    title="Abandonment rate",
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
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answered within service_level_seconds (default 20) ÷ answered interactions whose wait is known",
    version=2,
    of=lambda settings: Share(waited, where=wait_seconds <= settings.kpis.service_level_seconds),
)
