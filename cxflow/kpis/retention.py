"""KPIs of customers over time: who comes back, who leaves, and what those who came before spend now."""

from __future__ import annotations

from sqlalchemy import Double, column

from cxflow.kpis.active import active, check_activities
from cxflow.kpis.estimators import RepeatShare
from cxflow.kpis.kpi import Kpi
from cxflow.kpis.order_facts import every_currency_has_a_rate, kept, valued
from cxflow.kpis.periods import Grain
from cxflow.kpis.retained import Churned, Retained, RetainedSum

_GRAINS: tuple[Grain, ...] = ("week", "month", "quarter", "year")
_SPENT: tuple[Grain, ...] = ("month", "quarter", "year")
_OF_CUSTOMERS = ("consent", "country", "segment", "source")
"""What a customer is, and the shop: spending moves between channels without anybody leaving."""
_value = column("value", Double)

repeat_purchase_rate = Kpi(
    name="repeat_purchase_rate",
    title="Repeat purchase rate",
    title_es="Tasa de recompra",
    description="The share of a period's customers who ordered more than once in it.",
    description_es="La proporción de clientes de un periodo que pidieron más de una vez en él.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="customers with 2 or more orders in the period ÷ customers with 1 or more",
    formula_es="clientes con 2 pedidos o más en el periodo ÷ clientes con 1 o más",
    of=RepeatShare(kept),
)

retention_rate = Kpi(
    name="retention_rate",
    title="Retention rate",
    title_es="Tasa de retención",
    description="The share of the previous period's customers who came back in this one: who ordered again, unless the "
    "project says what else makes a customer active.",
    description_es="La proporción de clientes del periodo anterior que volvieron en este: que pidieron de nuevo, salvo "
    "que el proyecto diga qué otra cosa hace activo a un cliente.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="customers active in the previous period and in this one ÷ customers active in the previous one; active: "
    "with an order that is not cancelled, or with an activity of kpis.active_by",
    formula_es="clientes activos en el periodo anterior y en este ÷ clientes activos en el anterior; activo: con un "
    "pedido no cancelado, o con una actividad de kpis.active_by",
    of=lambda settings: Retained(active(settings.kpis.active_by)),
    check=check_activities,
    grains=_GRAINS,
)

churn_rate = Kpi(
    name="churn_rate",
    title="Churn rate",
    title_es="Tasa de pérdida de clientes",
    description="The share of the previous period's customers who were not active in this one. Some of them will still "
    "come back.",
    description_es="La proporción de clientes del periodo anterior que no estuvieron activos en este. Algunos aún "
    "volverán.",
    unit="share",
    better="lower",
    lowest=0,
    highest=1,
    formula="customers active in the previous period and not in this one ÷ customers active in the previous one; "
    "active as in retention_rate",
    formula_es="clientes activos en el periodo anterior y no en este ÷ clientes activos en el anterior; activo como en "
    "«Tasa de retención»",
    of=lambda settings: Churned(active(settings.kpis.active_by)),
    check=check_activities,
    grains=_GRAINS,
)

net_revenue_retention = Kpi(
    name="net_revenue_retention",
    title="Net revenue retention",
    title_es="Retención neta de ingresos",
    description="What the previous period's customers spend in this one, of what they spent then: over 100 % if those "
    "who stay buy more than those who leave did.",
    description_es="Lo que gastan en este periodo los clientes del anterior, sobre lo que gastaron entonces: más del "
    "100 % si los que siguen compran más de lo que compraban los que se van.",
    unit="share",
    better="higher",
    lowest=0,
    formula="value of this period's orders by customers of the previous one ÷ value of their orders in the previous "
    "one, before refunds, as in average_order_value; of customers who were worth more than 0 then",
    formula_es="importe de los pedidos de este periodo de los clientes del anterior ÷ importe de sus pedidos en el "
    "anterior, antes de reembolsos, como en «Valor medio del pedido»; de los clientes cuyo importe de entonces fue "
    "mayor que 0",
    of=lambda settings: RetainedSum(valued(settings), _value, shared="value of orders"),
    check=every_currency_has_a_rate,
    grains=_SPENT,
    dimensions=_OF_CUSTOMERS,
)

gross_revenue_retention = Kpi(
    name="gross_revenue_retention",
    title="Gross revenue retention",
    title_es="Retención bruta de ingresos",
    description="How much of what the previous period's customers spent is spent again, each customer up to what they "
    "spent then: growth of some does not hide the loss of others.",
    description_es="Cuánto de lo que gastaron los clientes del periodo anterior se vuelve a gastar, cada cliente hasta "
    "lo que gastó entonces: el crecimiento de unos no oculta la pérdida de otros.",
    unit="share",
    better="higher",
    lowest=0,
    highest=1,
    formula="value of this period's orders by customers of the previous one, of each at most what they were worth "
    "then, ÷ value of their orders in the previous one, before refunds, as in average_order_value; of customers who "
    "were worth more than 0 then",
    formula_es="importe de los pedidos de este periodo de los clientes del anterior, de cada uno como mucho el de "
    "entonces, ÷ importe de sus pedidos en el anterior, antes de reembolsos, como en «Valor medio del pedido»; de "
    "los clientes cuyo importe de entonces fue mayor que 0",
    of=lambda settings: RetainedSum(valued(settings), _value, capped=True, shared="value of orders"),
    check=every_currency_has_a_rate,
    grains=_SPENT,
    dimensions=_OF_CUSTOMERS,
)
