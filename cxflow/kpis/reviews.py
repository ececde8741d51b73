"""KPIs of public reviews."""

from __future__ import annotations

from sqlalchemy import Double, column, func

from cxflow.kpis.estimators import Mean
from cxflow.kpis.facts import fact
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.weighted import MeanWithPrior
from cxflow.warehouse.tables import review

_t = review.c
_stars = 1 + 4 * (_t.rating_value - _t.worst_rating) / func.nullif(_t.best_rating - _t.worst_rating, 0)
stars = column("stars", Double)

rated = fact(review, stars=_stars).needing("without a rating", stars.is_not(None))
"""Rated reviews by `date_published`, with `stars` from 1 to 5."""

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
    formula_es="media de las valoraciones, cada una convertida linealmente de su propia escala a la de 1 a 5",
    of=Mean(rated, stars, scale=(1, 5)),
)

review_rating_bayes = Kpi(
    name="review_rating_bayes",
    title="Review rating, cautious with few reviews",
    title_es="Valoración en reseñas, prudente con pocas",
    description="The mean of the stars, as if seven reviews of 3.5 stars had come before: two enthusiasts make no "
    "5.0.",
    description_es="La media de las estrellas, como si antes hubiera habido siete reseñas de 3,5: dos entusiastas "
    "no hacen un 5,0.",
    unit="points",
    better="higher",
    lowest=1,
    highest=5,
    decimals=2,
    formula="(sum of the ratings on 1–5 + 7 × 3.5) ÷ (reviews + 7)",  # the prior of Trustpilot's TrustScore
    formula_es="(suma de las valoraciones de 1 a 5 + 7 × 3,5) ÷ (reseñas + 7)",
    of=MeanWithPrior(rated, stars, scale=(1, 5), prior=7, prior_mean=3.5),
)
