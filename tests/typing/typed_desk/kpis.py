"""KPIs with every estimator, over every canonical table."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Double, Integer, case, column, exists, extract, func, select

from cxflow import (
    Kpi,
    Mean,
    Net,
    Quantile,
    Rate,
    Ratio,
    RepeatShare,
    Retained,
    Settings,
    Share,
    SurvivalMedian,
    Total,
    Volume,
    case_status_history,
    customer_profile,
    delivery,
    fact,
    interaction,
    lead,
    opportunity,
    order_header,
    order_line,
    organisation,
    payment,
    product,
    refund,
    review,
    signal,
    support_case,
    survey_invitation,
    survey_response,
    touchpoint,
)

orders = fact(
    order_header,
    dimensions={
        # What a line, a payment or a profile says of an order: the first by name, where several say it.
        "category": select(func.min(product.c.category))
        .where(
            product.c.product_id == order_line.c.product_id, order_line.c.order_id == order_header.c.order_id
        )
        .correlate(order_header)
        .scalar_subquery(),
        "seller_region": select(func.min(organisation.c.region))
        .where(
            organisation.c.organisation_id == order_line.c.seller_id,
            order_line.c.order_id == order_header.c.order_id,
        )
        .correlate(order_header)
        .scalar_subquery(),
        "payment_method": select(func.min(payment.c.method))
        .where(payment.c.order_id == order_header.c.order_id, ~payment.c.is_deleted)
        .correlate(order_header)
        .scalar_subquery(),
        "customer_region": select(func.min(customer_profile.c.region))
        .where(customer_profile.c.customer_id == order_header.c.customer_id)
        .correlate(order_header)
        .scalar_subquery(),
    },
    has_refund=exists().where(refund.c.order_id == order_header.c.order_id, ~refund.c.is_deleted),
    late_parcels=select(func.count())
    .where(delivery.c.order_id == order_header.c.order_id, delivery.c.delivered_at > delivery.c.promised_at)
    .correlate(order_header)
    .scalar_subquery(),
)
contacts = fact(touchpoint).where(column("channel").in_(("phone", "email")))
calls = fact(interaction, waited=interaction.c.wait_seconds, transfers=interaction.c.transfer_count)
score, waited = column("rating", Double), column("waited", Double)


def seconds(start: ColumnElement[object], end: ColumnElement[object]) -> ColumnElement[int]:
    """Elapsed seconds."""
    return extract("epoch", end) - extract("epoch", start)


def answered_at_once(settings: Settings) -> Share:
    """By the project's own idea of how long a caller may wait."""
    limit = settings.kpis.service_level_seconds
    return Share(fact(interaction, waited=interaction.c.wait_seconds), column("waited", Double) <= limit)


KPIS = (
    Kpi(
        name="desk_answered_at_once",
        title="Calls answered at once",
        unit="share",
        better="higher",
        lowest=0,
        highest=1,
        formula="calls that waited no longer than kpis.service_level_seconds ÷ calls",
        of=answered_at_once,
    ),
    Kpi(
        name="desk_passed_on",
        title="Calls passed on",
        unit="share",
        better="lower",
        formula="calls transferred at least once ÷ calls",
        of=Share(
            fact(
                interaction,
                dimensions={"wait": case((interaction.c.wait_seconds < 60, "short"), else_="long")},
                transfers=interaction.c.transfer_count,
            ),
            column("transfers", Integer) > 0,
        ),
        dimensions=("wait", "agent"),
    ),
    Kpi(
        name="desk_recommended",
        title="Recommendation",
        unit="points",
        better="higher",
        lowest=-100,
        highest=100,
        formula="100 × (share of 9 and 10 − share of 0 to 6)",
        of=Net(
            fact(survey_response, rating=survey_response.c.rating_value), plus=score >= 9, minus=score <= 6
        ),
        needs=select(survey_response.c.response_id),
    ),
    Kpi(
        name="desk_review_stars",
        title="Stars",
        unit="points",
        better="higher",
        formula="mean of the ratings",
        of=Mean(fact(review, rating=review.c.rating_value), score),
    ),
    Kpi(
        name="desk_sentiment",
        title="Sentiment",
        unit="points",
        better="higher",
        formula="mean of the sentiment of touchpoints",
        of=Mean(
            fact(signal, touchpoint.c.occurred_at, of=signal.c.name, said=signal.c.number_value).where(
                column("of") == "sentiment"
            ),
            column("said", Double),
        ),
    ),
    Kpi(
        name="desk_first_reply_seconds",
        title="First reply",
        unit="seconds",
        better="lower",
        lowest=0,
        formula="median of first reply − opening",
        of=Quantile(
            fact(support_case, reply=seconds(support_case.c.opened_at, support_case.c.first_reply_at)),
            column("reply", Double),
            0.5,
        ),
        grains=("month", "all"),
    ),
    Kpi(
        name="desk_reply_within",
        title="First reply, those counted that wait for one",
        title_es="Primera respuesta, contando los que la esperan",
        description="Half of the cases are answered within this time.",
        description_es="La mitad de los casos se responden en este tiempo.",
        unit="seconds",
        better="lower",
        lowest=0,
        decimals=0,
        formula="Kaplan–Meier median of first reply − opening, each watched for ten minutes",
        formula_es="mediana de Kaplan–Meier de primera respuesta − apertura, cada una seguida diez minutos",
        of=SurvivalMedian(
            fact(support_case, reply=seconds(support_case.c.opened_at, support_case.c.first_reply_at)),
            func.coalesce(column("reply", Double), 600),
            column("reply").is_not(None),
        ),
    ),
    Kpi(
        name="desk_calls",
        title="Calls",
        unit="calls",
        better="higher",
        formula="number of calls",
        of=Volume(calls),
        always=("queue",),
    ),
    Kpi(
        name="desk_seconds_waited",
        title="Time waited in all",
        unit="seconds",
        better="lower",
        formula="sum of the waits",
        of=Total(calls, waited),
    ),
    Kpi(
        name="desk_transfers_per_second",
        title="Transfers per second of waiting",
        unit="transfers",
        better="lower",
        formula="sum of transfers ÷ sum of waits",
        of=Ratio(calls, column("transfers", Integer), waited),
    ),
    Kpi(
        name="desk_invitations",
        title="Invitations to a survey",
        unit="invitations",
        better="neither",
        formula="number of invitations",
        of=Volume(fact(survey_invitation)),
    ),
    Kpi(
        name="desk_cases_that_waited",
        title="Cases that waited",
        unit="share",
        better="lower",
        formula="cases that were in the state waiting ÷ cases",
        of=Share(
            fact(
                support_case,
                waited=exists().where(
                    case_status_history.c.case_id == support_case.c.case_id,
                    case_status_history.c.status == "waiting",
                ),
            ),
            column("waited").is_(True),
        ),
        version=2,
    ),
    Kpi(
        name="desk_contacts_per_100_orders",
        title="Contacts per 100 orders",
        unit="per 100 orders",
        better="lower",
        formula="100 × contacts by telephone and e-mail ÷ orders",
        of=Rate(contacts, orders, times=100),
    ),
    Kpi(
        name="desk_late_orders",
        title="Orders with a late parcel",
        unit="share",
        better="lower",
        formula="orders of which a parcel was late ÷ orders",
        of=Share(orders, column("late_parcels", Integer) > 0),
    ),
    Kpi(
        name="desk_refunded_orders",
        title="Orders refunded",
        unit="share",
        better="lower",
        formula="orders with a refund ÷ orders",
        of=Share(orders, column("has_refund").is_(True)),
    ),
    Kpi(
        name="desk_repeat_customers",
        title="Customers who come back",
        unit="share",
        better="higher",
        formula="customers with two orders ÷ customers",
        of=RepeatShare(orders, times=2),
    ),
    Kpi(
        name="desk_kept_customers",
        title="Customers kept",
        unit="share",
        better="higher",
        formula="customers of the month before with an order ÷ customers of the month before",
        of=Retained(orders),
        grains=("month",),
    ),
    Kpi(
        name="desk_leads_won",
        title="Leads won",
        unit="share",
        better="higher",
        formula="leads with a deal that was won ÷ leads",
        of=Share(
            fact(lead, won=exists().where(opportunity.c.lead_id == lead.c.lead_id, opportunity.c.is_won)),
            column("won").is_(True),
        ),
    ),
)
