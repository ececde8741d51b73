"""Who leaves after a bad experience, who comes back after a good one, and how others do. Each is an association."""

from __future__ import annotations

from sqlalchemy import Boolean, column

from cxflow.kpis.estimators import Share
from cxflow.kpis.experience.differences import RiskDifference
from cxflow.kpis.experience.later_orders import after_experience, compared
from cxflow.kpis.kpi import Kpi

_is_followed = column("is_followed", Boolean)
_OVER = "whose 90 days are over, measured up to the newest order of their source"
_OVER_ES = "cuyos 90 días ya pasaron, medidos hasta el pedido más reciente de su fuente"
_COMPARED = (
    "customers' first judged orders in the period, in strata by the order's number and the days since the one before; "
    f"from 14 days after the order on, experiences counted up to then, {_OVER}"
)
_COMPARED_ES = (
    "primeros pedidos valorados de los clientes en el periodo, por estratos según el número del pedido y los días "
    "desde el anterior; a partir de 14 días después del pedido, con las experiencias contadas hasta entonces, "
    f"{_OVER_ES}"
)

churn_after_bad_experience = Kpi(
    name="churn_after_bad_experience",
    title="Churn after a bad experience (association)",
    title_es="Abandono tras una mala experiencia (asociación)",
    description="The share of orders with a bad experience after which the customer placed none for 90 "
    "days. It does not say that the experience is the cause.",
    description_es="La proporción de pedidos con una mala experiencia tras los cuales el cliente no "
    "volvió a comprar en 90 días. No dice que la experiencia sea la causa.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="orders without a further one by their customer in the 90 days after their first bad experience ÷ orders "
    f"with a bad experience {_OVER}",
    formula_es="pedidos tras los que su cliente no hizo otro en los 90 días siguientes a su primera mala "
    f"experiencia ÷ pedidos con una mala experiencia {_OVER_ES}",
    counts="orders with a bad judgement (docs/experience.md)",
    of=Share(after_experience(-1), where=~_is_followed),
)

churn_after_bad_experience_difference = Kpi(
    name="churn_after_bad_experience_difference",
    title="Churn after a bad experience, less that of other judged customers (association)",
    title_es="Abandono tras una mala experiencia, menos el de otros clientes valorados (asociación)",
    description="How much more often customers leave after a bad experience than comparable customers "
    "without one. An association, not a cause.",
    description_es="Cuánto más abandonan los clientes tras una mala experiencia que otros comparables sin "
    "ella. Una asociación, no una causa.",
    unit="share",
    better="lower",
    lowest=-1,
    highest=1,
    formula=f"share without an order in 90 days after a bad experience − share after none: {_COMPARED}",
    formula_es="proporción sin otro pedido en los 90 días tras una mala experiencia − la misma proporción sin "
    f"ella: {_COMPARED_ES}",
    counts="judged orders (docs/experience.md)",
    of=RiskDifference(compared(-1), hit=~_is_followed),
)

repurchase_after_good_experience = Kpi(
    name="repurchase_after_good_experience",
    title="Repurchase after a good experience (association)",
    title_es="Recompra tras una buena experiencia (asociación)",
    description="The share of orders with a good experience after which the customer ordered again within "
    "90 days. It does not say that the experience is the cause.",
    description_es="La proporción de pedidos con una buena experiencia tras los cuales el cliente volvió "
    "a comprar en 90 días. No dice que la experiencia sea la causa.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="orders with a further one by their customer in the 90 days after their first good experience ÷ orders "
    f"with a good experience {_OVER}",
    formula_es="pedidos tras los que su cliente hizo otro en los 90 días siguientes a su primera buena experiencia "
    f"÷ pedidos con una buena experiencia {_OVER_ES}",
    counts="orders with a good judgement (docs/experience.md)",
    of=Share(after_experience(1), where=_is_followed),
)

repurchase_after_good_experience_difference = Kpi(
    name="repurchase_after_good_experience_difference",
    title="Repurchase after a good experience, less that of other judged customers (association)",
    title_es="Recompra tras una buena experiencia, menos la de otros clientes valorados (asociación)",
    description="How much more often customers come back after a good experience than comparable "
    "customers without one. An association, not a cause.",
    description_es="Cuánto más vuelven los clientes tras una buena experiencia que otros comparables sin "
    "ella. Una asociación, no una causa.",
    unit="share",
    better="higher",
    lowest=-1,
    highest=1,
    formula=f"share with an order in 90 days after a good experience − share after none: {_COMPARED}",
    formula_es="proporción con otro pedido en los 90 días tras una buena experiencia − la misma proporción sin "
    f"ella: {_COMPARED_ES}",
    counts="judged orders (docs/experience.md)",
    of=RiskDifference(compared(1), hit=_is_followed),
)
