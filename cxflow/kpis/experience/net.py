"""Whether experiences are good or bad: per experience, per customer, and how many touchpoints can be judged at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Double, cast, column, func

from cxflow.kpis import intervals
from cxflow.kpis.behind import Behind
from cxflow.kpis.cells import Cut, cells, cells_of_customers, kept
from cxflow.kpis.estimators import NO_CUSTOMER, OF_CUSTOMERS, Components, Estimate, Net, OfFact, Share
from cxflow.kpis.experience.lived import is_judged, judged, lived, polarity
from cxflow.kpis.facts import Fact, Rows
from cxflow.kpis.kpi import Kpi

_COUNTS = "judged touchpoints (docs/experience.md)"

JUDGED_SHARE = "judged_share"
"""The KPI that says how many touchpoints are judged."""
RESTING_ON_JUDGED_SHARE = ("net_experience", "net_experience_per_customer")
"""The KPIs that cannot be compared between periods in which it differs much."""


@dataclass(frozen=True)
class NetOfCustomers(OfFact):
    """The mean over customers of each one's own net, 100 × (positive − negative) ÷ judged: −100 to 100.

    Each customer counts once, however many experiences they had; n counts customers.
    """

    method = "Student's t over customers, with half a customer added at either end of the scale"
    indivisible = OF_CUSTOMERS

    @property
    def behind(self) -> Behind:
        return Behind(self.counted, polarity, is_per_customer=True)

    @property
    def counted(self) -> Fact:
        return self.of.needing(NO_CUSTOMER, column("customer_id").is_not(None))

    def kept(self, cuts: Sequence[Cut]) -> Rows:
        return kept(self.counted, cuts, per_customer=True, measure=cast(polarity, Double))

    def cells(self, cut: Cut) -> Rows:
        net = 100 * func.avg(column("measure", Double))
        measure = cast(polarity, Double)
        customers = cells(self.counted, cut, per_customer=True, measure=measure, net=net)
        own = column("net", Double)
        return cells_of_customers(
            customers,
            n=func.count(),
            numerator=func.sum(own),
            squared_deviation=func.var_pop(own) * func.count(),
        )

    def estimate(self, components: Components) -> Estimate:
        n, total, spread = (components[name] for name in ("n", "numerator", "squared_deviation"))
        low, high = intervals.rating(total, spread, n, (-100, 100))
        return Estimate(n, total, n, spread, np.full_like(n, np.nan), total / n, low, high)


net_experience = Kpi(
    name="net_experience",
    title="Net experience",
    title_es="Experiencia neta",
    description="How many more experiences were good than bad, for every 100 that can be judged.",
    description_es="Cuántas experiencias más fueron buenas que malas, por cada 100 que se pueden valorar.",
    unit="points",
    better="higher",
    lowest=-100,
    highest=100,
    formula="100 × (good − bad) ÷ judged touchpoints; one judgement per customer, order or case and 14 days",
    formula_es="100 × (buenas − malas) ÷ puntos de contacto valorados; una sola valoración por cliente, pedido o "
    "caso cada 14 días",
    counts=_COUNTS,
    of=Net(judged, plus=polarity == 1, minus=polarity == -1),
)

net_experience_per_customer = Kpi(
    name="net_experience_per_customer",
    title="Net experience per customer",
    title_es="Experiencia neta por cliente",
    description="The same for each customer, then averaged: a few who call daily do not speak for all.",
    description_es="Lo mismo para cada cliente, y luego la media: unos pocos que llaman a diario no "
    "hablan por todos.",
    unit="points",
    better="higher",
    lowest=-100,
    highest=100,
    formula="mean over customers of their own 100 × (good − bad) ÷ judged touchpoints in the period",
    formula_es="media, entre los clientes, de 100 × (buenas − malas) ÷ puntos de contacto valorados de cada uno en "
    "el periodo",
    counts=f"{_COUNTS}, of known customers",
    of=NetOfCustomers(judged),
)

judged_share = Kpi(
    name=JUDGED_SHARE,
    title="Judged share of touchpoints",
    title_es="Proporción de puntos de contacto valorados",
    description="The share of touchpoints that tell whether they went well. Where it differs much, net "
    "experiences cannot be compared.",
    description_es="La proporción de puntos de contacto que dicen si fueron bien. Si difiere mucho, las "
    "experiencias netas no se pueden comparar.",
    unit="share",
    better="neither",
    lowest=0,
    highest=1,
    formula="touchpoints with evidence of their own ÷ touchpoints; net experiences of periods whose shares differ by "
    "over 0.1 are not comparable",
    formula_es="puntos de contacto con indicios propios ÷ puntos de contacto; no se pueden comparar experiencias netas "
    "de periodos cuyas proporciones difieren en más de 0,1",
    of=Share(lived, where=is_judged),
)
