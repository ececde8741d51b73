"""KPIs of all touchpoints: how many there are of each activity, and how they sound."""

from __future__ import annotations

from sqlalchemy import Double, String, and_, case, column, exists, func

from cxflow.kpis.estimators import Net
from cxflow.kpis.facts import Fact, fact
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.totals import Volume
from cxflow.warehouse.tables import signal, touchpoint

_tone, _number = column("tone", String), column("number", Double)
_is_positive = case((_tone.is_not(None), _tone == "positive"), else_=_number > 0)
_is_negative = case((_tone.is_not(None), _tone == "negative"), else_=_number < 0)


def _sentiments() -> Fact:
    t, newer = signal.c, signal.alias("newer")
    is_outdated = exists().where(
        newer.c.touchpoint_id == t.touchpoint_id,
        newer.c.name == t.name,
        ~newer.c.is_deleted,
        newer.c.model_version.collate("C") > t.model_version.collate("C"),
    )
    every = fact(
        signal,
        touchpoint.c.occurred_at,
        name=t.name,
        tone=func.lower(t.string_value),
        number=t.number_value,
        is_outdated=is_outdated,
    )
    known = and_(_tone.in_(("positive", "neutral", "negative")) | (_tone.is_(None) & _number.is_not(None)))
    return every.where(column("name") == "sentiment", ~column("is_outdated")).needing(
        "without a known sentiment", known
    )


touchpoints = Kpi(
    name="touchpoints",
    title="Touchpoints",
    title_es="Puntos de contacto",
    description="How many touchpoints there were, and how many of each activity: orders, calls, reviews, answers.",
    description_es="Cuántos puntos de contacto hubo, y cuántos de cada actividad: pedidos, llamadas, reseñas, "
    "respuestas.",
    unit="touchpoints",
    better="neither",
    lowest=0,
    decimals=0,
    formula="number of touchpoints in the period",
    formula_es="número de puntos de contacto del periodo",
    of=Volume(fact(touchpoint)),
    always=("activity",),
)

net_sentiment = Kpi(
    name="net_sentiment",
    title="Net sentiment",
    title_es="Sentimiento neto",
    description="How many more touchpoints sound positive than negative.",
    description_es="Cuántos puntos de contacto más suenan positivos que negativos.",
    unit="points",
    better="higher",
    lowest=-100,
    highest=100,
    formula="100 × (positive − negative) ÷ (positive + neutral + negative) sentiments, the newest model's of each "
    "touchpoint",
    formula_es="100 × (positivos − negativos) ÷ (positivos + neutros + negativos), el sentimiento de cada punto de "
    "contacto según el modelo más reciente",
    counts="signals named sentiment",
    of=Net(_sentiments(), plus=_is_positive, minus=_is_negative),
)
