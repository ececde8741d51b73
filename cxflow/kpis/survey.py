"""KPIs of survey answers, each on its own scale. Those named weighted use the weights of surveys."""

from __future__ import annotations

from sqlalchemy import Boolean, Double, case, column, select

from cxflow.kpis.estimators import Mean, Net, Share
from cxflow.kpis.facts import Fact, Rows, fact
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.weighted import WeightedNet, WeightedShare
from cxflow.warehouse.tables import survey_invitation, survey_response

score, worst, best = (column(name, Double) for name in ("score", "worst", "best"))


def answers(metric_type: str) -> Fact:
    """Rated answers to one kind of question, by `responded_at`: `score`, in points from `worst` to `best`."""
    t = survey_response.c
    rated = fact(
        survey_response,
        score=t.rating_value,
        worst=t.worst_rating,
        best=t.best_rating,
        metric=t.metric_type,
        weight=t.weight,
    )
    return rated.where(column("metric") == metric_type).needing("without a rating", score.is_not(None))


def _on_scale(answers: Fact, lowest: int, highest: int) -> Fact:
    """Only the answers on one scale."""
    is_on_it = (worst == lowest) & (best == highest)
    return answers.needing(f"on another scale than {lowest}–{highest}", is_on_it)


_is_satisfied = case(
    (best - worst > 10, 5 * (score - worst) >= 3 * (best - worst)),
    (best - worst >= 3, score >= best - 1),
    else_=score == best,
)
"""Of a scale with more points than anyone tells apart, the top two of five equal bands are taken."""

_recommendations, _satisfactions = _on_scale(answers("nps"), 0, 10), answers("csat")

nps = Kpi(
    name="nps",
    title="Net Promoter Score",
    title_es="Net Promoter Score",
    description="How many more customers would recommend the company than would not: promoters less detractors.",
    description_es="Cuántos clientes más recomendarían la empresa de los que no lo harían: promotores menos "
    "detractores.",
    unit="points",
    better="higher",
    lowest=-100,
    highest=100,
    formula="100 × (share of 9–10 − share of 0–6), answers on the 0–10 scale",  # Reichheld 2003
    formula_es="100 × (proporción de 9–10 − proporción de 0–6), respuestas en la escala de 0 a 10",
    counts="rated answers with the metric type nps",
    of=Net(_recommendations, plus=score >= 9, minus=score <= 6),
)

csat = Kpi(
    name="csat",
    title="Customer satisfaction",
    title_es="Satisfacción del cliente",
    description="The share of answers that were satisfied: those at the top of their scale.",
    description_es="La proporción de respuestas satisfechas: las que están en lo alto de su escala.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answers in the top two points of their scale (in the top one, if it spans under 3; in its top 40 %, if "
    "it spans over 10) ÷ answers",
    formula_es="respuestas en los dos puntos más altos de su escala (en el más alto, si abarca menos de 3; en su "
    "40 % superior, si abarca más de 10) ÷ respuestas",
    version=2,
    counts="rated answers with the metric type csat",
    of=Share(_satisfactions, where=_is_satisfied),
)

_effort = _on_scale(answers("ces"), 1, 7)

ces = Kpi(
    name="ces",
    title="Customer Effort Score 2.0",
    title_es="Customer Effort Score 2.0",
    description="How much customers agree that the company made it easy for them, from 1 (not at all) to 7 (fully).",
    description_es="Hasta qué punto los clientes están de acuerdo en que la empresa se lo puso fácil, de 1 (nada) a "
    "7 (del todo).",
    decimals=2,
    unit="points",
    better="higher",
    lowest=1,
    highest=7,
    formula="mean agreement that it was easy, answers on the 1–7 scale",
    formula_es="media del grado de acuerdo con que fue fácil, respuestas en la escala de 1 a 7",
    counts="rated answers with the metric type ces",
    of=Mean(_effort, score, scale=(1, 7)),
)

ces_top = Kpi(
    name="ces_top",
    title="Customer effort, share who found it easy",
    title_es="Esfuerzo del cliente, proporción a la que le fue fácil",
    description="The share of customers who agree, at least somewhat, that the company made it easy for them.",
    description_es="La proporción de clientes que están de acuerdo, al menos en parte, en que la empresa se lo puso "
    "fácil.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answers of 5–7 ÷ answers on the 1–7 scale",
    formula_es="respuestas de 5 a 7 ÷ respuestas en la escala de 1 a 7",
    counts="rated answers with the metric type ces",
    of=Share(_effort, where=score >= 5),
)

ces_net = Kpi(
    name="ces_net",
    title="Net easy score",
    title_es="Facilidad neta",
    description="How many more customers found it easy than found it hard.",
    description_es="A cuántos clientes más les resultó fácil de los que lo encontraron difícil.",
    unit="points",
    better="higher",
    lowest=-100,
    highest=100,
    formula="100 × (share of 6–7 − share of 1–3), answers on the 1–7 scale",
    formula_es="100 × (proporción de 6–7 − proporción de 1–3), respuestas en la escala de 1 a 7",
    counts="rated answers with the metric type ces",
    of=Net(_effort, plus=score >= 6, minus=score <= 3),
)

fcr_survey = Kpi(
    name="fcr_survey",
    title="First contact resolution, by survey",
    title_es="Resolución en el primer contacto, según encuesta",
    description="The share of customers who say that their request was solved at the first contact.",
    description_es="La proporción de clientes que dicen que su consulta se resolvió en el primer contacto.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="answers at the top of their scale (yes) ÷ answers to the question whether the first contact solved it",
    formula_es="respuestas en lo más alto de su escala (sí) ÷ respuestas a la pregunta de si el primer contacto lo "
    "resolvió",
    counts="rated answers with the metric type fcr",
    of=Share(answers("fcr"), where=score == best),
)

response_rate = Kpi(
    name="response_rate",
    title="Response rate",
    title_es="Tasa de respuesta",
    description="The share of invitations to a survey that were answered. Recent periods will still rise.",
    description_es="La proporción de invitaciones a una encuesta que se respondieron. Los periodos recientes aún "
    "subirán.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="invitations sent in the period that were answered so far ÷ invitations sent in it",
    formula_es="invitaciones enviadas en el periodo y respondidas hasta ahora ÷ invitaciones enviadas en él",
    of=Share(
        fact(survey_invitation, is_answered=survey_invitation.c.responded_at.is_not(None)),
        where=column("is_answered", Boolean),
    ),
    # Where only who answers is known (a customer, a channel), a slice by it holds answers alone.
    dimensions=("source", "survey"),
)


def _has_weights(metric_type: str) -> Rows:
    """The answers that have a weight: without any, a weighted KPI would only repeat the other."""
    t = survey_response.c
    return select(t.response_id).where(t.metric_type == metric_type, t.weight.is_not(None), ~t.is_deleted)


_weight = column("weight", Double)

nps_weighted = Kpi(
    name="nps_weighted",
    title="Net Promoter Score, weighted",
    title_es="Net Promoter Score, ponderado",
    description="The Net Promoter Score of all the people whom the answers stand for, by the survey's weights.",
    description_es="El Net Promoter Score de todas las personas a las que representan las respuestas, según los "
    "pesos de la encuesta.",
    unit="points",
    better="higher",
    lowest=-100,
    highest=100,
    formula="100 × (weights of 9–10 − weights of 0–6) ÷ all weights, answers on the 0–10 scale; without a weight, 1",
    formula_es="100 × (pesos de 9–10 − pesos de 0–6) ÷ suma de los pesos, respuestas en la escala de 0 a 10; una "
    "respuesta sin peso cuenta 1",
    counts="rated answers with the metric type nps, once one has a weight",
    of=WeightedNet(_recommendations, _weight, plus=score >= 9, minus=score <= 6),
    needs=_has_weights("nps"),
)

csat_weighted = Kpi(
    name="csat_weighted",
    title="Customer satisfaction, weighted",
    title_es="Satisfacción del cliente, ponderada",
    description="The share of satisfied people among all whom the answers stand for, by the survey's weights.",
    description_es="La proporción de personas satisfechas entre todas a las que representan las respuestas, según "
    "los pesos de la encuesta.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="weights of the answers that csat counts as satisfied ÷ all weights; without a weight, 1",
    formula_es="pesos de las respuestas que «Satisfacción del cliente» cuenta como satisfechas ÷ suma de los "
    "pesos; una respuesta sin peso cuenta 1",
    counts="rated answers with the metric type csat, once one has a weight",
    of=WeightedShare(_satisfactions, _weight, where=_is_satisfied),
    needs=_has_weights("csat"),
)
