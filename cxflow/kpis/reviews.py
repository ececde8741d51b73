"""KPIs of public reviews."""

from __future__ import annotations

from sqlalchemy import Double, column, func

from cxflow.kpis.estimators import Mean
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import Kpi
from cxflow.warehouse.tables import review

_t = review.c
_stars = 1 + 4 * (_t.rating_value - _t.worst_rating) / func.nullif(_t.best_rating - _t.worst_rating, 0)
stars = column("stars", Double)

review_rating = Kpi(
    name="review_rating",
    title="Review rating",
    title_es="Valoración en reseñas",
    description="The mean of the stars in public reviews, whatever the scale of the site.",
    description_es="La media de las estrellas en reseñas públicas, sea cual sea la escala del sitio.",
    decimals=2,
    unit="points",
    better="higher",
    lowest=1,
    highest=5,
    formula="mean rating, each rescaled linearly from its own scale to 1–5",
    of=Mean(fact(review, stars=_stars).needing("without a rating", stars.is_not(None)), stars, scale=(1, 5)),
)
