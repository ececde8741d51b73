"""KPIs of contact-centre queues. All periods go by the time of the offer. Their bases, and whose they are, are in
DECISIONS."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import add

from sqlalchemy import Boolean, ColumnElement, Double, Integer, and_, column, func, not_, or_, true

from cxflow.kpis.estimators import Mean, Share
from cxflow.kpis.facts import fact, seconds_between
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.quantile import Quantile
from cxflow.settings import Settings
from cxflow.warehouse.tables import interaction

_t = interaction.c
_work = (_t.talk_seconds, _t.hold_seconds, _t.acw_seconds)

offered = fact(
    interaction,
    answered_at=_t.answered_at,
    abandoned_at=_t.abandoned_at,
    wait_seconds=_t.wait_seconds,
    handle_seconds=reduce(add, (func.coalesce(seconds, 0) for seconds in _work)),
    waited_seconds=func.coalesce(_t.wait_seconds, seconds_between(_t.offered_at, _t.abandoned_at)),
    transfers=_t.transfer_count,
    was_timed=or_(*(seconds.is_not(None) for seconds in _work)),
)
"""Interactions offered to a queue, by `offered_at`. Measures in seconds."""

_is_answered, _is_abandoned = (column(name).is_not(None) for name in ("answered_at", "abandoned_at"))
answered = offered.where(_is_answered)
wait_seconds = column("wait_seconds", Double)
_waited_seconds = column("waited_seconds", Double)
"""Where a source does not say it: from offer to abandon."""
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
    formula_es="(conversación + retención + trabajo posterior) ÷ contactos atendidos de los que se conoce al menos "
    "uno de los tres",
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
    formula_es="espera de los contactos atendidos ÷ contactos atendidos cuya espera se conoce",
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
    formula_es="contactos abandonados ÷ contactos ofrecidos, incluidas las esperas breves",
    of=Share(offered, where=_is_abandoned),
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
    formula_es="contactos atendidos en un máximo de service_level_seconds segundos (por defecto, 20) ÷ contactos "
    "atendidos cuya espera se conoce",
    version=2,
    of=lambda settings: Share(waited, where=wait_seconds <= settings.kpis.service_level_seconds),
)


def _excluding_short(settings: Settings) -> Share:
    is_short = and_(_is_abandoned, not_(_is_answered), _waited_seconds < settings.kpis.short_abandon_seconds)
    return Share(offered.where(not_(func.coalesce(is_short, False))), where=_is_abandoned)


abandonment_rate_excluding_short = Kpi(
    name="abandonment_rate_excluding_short",
    title="Abandonment rate without short abandons",
    title_es="Tasa de abandono sin los breves",
    description="The share of contacts in a queue in which the customer gave up waiting, without those who hung up "
    "at once.",
    description_es="La proporción de contactos en cola en los que el cliente dejó de esperar, sin quienes colgaron "
    "enseguida.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="abandoned after short_abandon_seconds (default 5) or later ÷ offered interactions without those "
    "abandoned earlier",
    formula_es="contactos abandonados tras short_abandon_seconds segundos (por defecto, 5) o más ÷ contactos "
    "ofrecidos sin los abandonados antes",
    of=_excluding_short,
)


def _level_of(is_in_base: Callable[[float], ColumnElement[bool]]) -> Callable[[Settings], Share]:
    """Answered in time ÷ interactions in the base, which depends on the target in seconds."""

    def share(settings: Settings) -> Share:
        target = settings.kpis.service_level_seconds
        base = offered.where(is_in_base(target)).needing(
            "without a wait", or_(not_(_is_answered), wait_seconds.is_not(None))
        )
        return Share(base, where=and_(_is_answered, wait_seconds <= target))

    return share


service_level_of_offered = Kpi(
    name="service_level_of_offered",
    title="Service level of answered and abandoned",
    title_es="Nivel de servicio sobre atendidos y abandonados",
    description="The share answered in time of all contacts that were answered or given up too late. As Genesys "
    "counts.",
    description_es="La proporción atendida a tiempo de los contactos atendidos o abandonados tarde. Como cuenta "
    "Genesys.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answered within service_level_seconds (default 20) ÷ answered interactions whose wait is known and "
    "those abandoned later than that",
    formula_es="contactos atendidos en un máximo de service_level_seconds segundos (por defecto, 20) ÷ contactos "
    "atendidos cuya espera se conoce y los abandonados después de ese tiempo",
    of=_level_of(lambda target: or_(_is_answered, and_(_is_abandoned, _waited_seconds > target))),
)

service_level_of_queued = Kpi(
    name="service_level_of_queued",
    title="Service level of queued",
    title_es="Nivel de servicio sobre contactos en cola",
    description="The share answered in time of all contacts that entered a queue. As Amazon Connect counts.",
    description_es="La proporción atendida a tiempo de todos los contactos que entraron en cola. Como cuenta Amazon "
    "Connect.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answered within service_level_seconds (default 20) ÷ all interactions but those answered after an "
    "unknown wait",
    formula_es="contactos atendidos en un máximo de service_level_seconds segundos (por defecto, 20) ÷ todos los "
    "contactos salvo los atendidos tras una espera desconocida",
    of=_level_of(lambda _: true()),
)

_transfers = column("transfers", Integer)

transfer_rate = Kpi(
    name="transfer_rate",
    title="Transfer rate",
    title_es="Tasa de transferencia",
    description="The share of answered contacts that were passed on to somebody else.",
    description_es="La proporción de contactos atendidos que se pasaron a otra persona.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="answered interactions transferred at least once ÷ answered interactions whose transfers are known",
    formula_es="contactos atendidos transferidos al menos una vez ÷ contactos atendidos cuyas transferencias se "
    "conocen",
    of=Share(
        answered.needing("without a number of transfers", _transfers.is_not(None)), where=_transfers > 0
    ),
)

wait_seconds_p90 = Kpi(
    name="wait_seconds_p90",
    title="Wait in queue, 90th percentile",
    title_es="Espera en cola, percentil 90",
    description="Nine in ten contacts waited at most this long, until an agent answered or the customer gave up.",
    description_es="Nueve de cada diez contactos esperaron como mucho este tiempo hasta que contestó un agente o el "
    "cliente desistió.",
    unit="seconds",
    better="lower",
    lowest=0,
    formula="90th percentile of the wait of all offered interactions whose wait is known, abandoned ones included",
    formula_es="percentil 90 de la espera de todos los contactos ofrecidos cuya espera se conoce, incluidos los "
    "abandonados",
    of=Quantile(offered.needing("without a wait", _waited_seconds.is_not(None)), _waited_seconds, 0.9),
)
