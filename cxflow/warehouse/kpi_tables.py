"""The tables of KPIs: judgements, definitions and values, and what is kept between computations. Declared here, read
through `tables`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Integer,
    String,
)

from cxflow.warehouse.columns import TIME, column, derived_table, system_table

touchpoint_judgement = derived_table(
    "touchpoint_judgement",
    "what each touchpoint was to the customer: stage, control, and whether the experience was good or bad",
    ("judgement_id",),
    column("judgement_id", String, "the touchpoint; else the kind and id of what happened", nullable=False),
    column("touchpoint_id", String, "the touchpoint; null: what happened has none (a late delivery)"),
    column(
        "occurred_at", TIME, "when it was lived through: its evidence, else the touchpoint", nullable=False
    ),
    column("customer_id", String, "the customer: the touchpoint's, else the order's or the case's"),
    column("order_id", String, "the order it is about"),
    column("case_id", String, "the support case it belongs to"),
    column("activity", String, "the touchpoint's; null without one"),
    column("channel", String, "the touchpoint's; null without one"),
    column("source_system", String, "the connection it came through", nullable=False),
    column(
        "journey_stage",
        String,
        "before, during or after, relative to the customer's own orders; or unknown",
        nullable=False,
    ),
    column("control", String, "owned or external", nullable=False),
    column("polarity", Integer, "−1 bad, 0 neutral, 1 good; null: unjudged, which is not neutral"),
    column("intensity", Double, "0 to 1; null: unjudged"),
    column("rule", String, "the rule that judged it, of the seed table polarity"),
    column(
        "is_counted",
        Boolean,
        "whether it is the one judgement of its customer, order or case in 14 days",
        nullable=False,
    ),
)

kpi_definition = derived_table(
    "kpi_definition",
    "the definition of each KPI",
    ("kpi", "version"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "raised when the formula changes", nullable=False),
    column("title", String, "name for display", nullable=False),
    column("unit", String, "points, share, seconds, …", nullable=False),
    column("better", String, "higher, lower or neither"),
    column("lowest", Double, "smallest possible value"),
    column("highest", Double, "largest possible value"),
    column("formula", String, "in words", nullable=False),
    column("interval_method", String, "how ci_low and ci_high are computed", nullable=False),
    column("settings", String, "time zone, currency, [kpis], grains and dimensions of its values, as JSON"),
    column("slices", String, "JSON: dimension to the names of its slices"),
    column("title_es", String, "name for display, in Spanish"),
    column("description", String, "what it tells a manager"),
    column("description_es", String, "the same in Spanish"),
    column("decimals", Integer, "how many to show; of a share, those of its percentage"),
    column("formula_es", String, "the formula in words, in Spanish"),
)

kpi_value = derived_table(
    "kpi_value",
    "every KPI value ever published; the latest as_of is the current one",
    ("kpi", "version", "grain", "period_start", "dimension", "dimension_value", "as_of"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("grain", String, "day, week (from Monday), month, quarter, year or all", nullable=False),
    column("period_start", Date, "first day, reporting time zone; 0001-01-01 for all", nullable=False),
    column("dimension", String, "channel, source, segment, agent, …; empty: everything", nullable=False),
    column(
        "dimension_value",
        String,
        "its value, or (other) for those beyond kpis.max_values; empty: everything",
        nullable=False,
    ),
    column("as_of", TIME, "when this value was published", nullable=False),
    column("numerator", Double, "additive component"),
    column("denominator", Double, "additive component"),
    column("n", BigInteger, "observations", nullable=False),
    column("value", Double, "null if n is below the minimum, or the period has no value"),
    column("ci_low", Double, "95 % interval, low end"),
    column("ci_high", Double, "95 % interval, high end"),
    column("is_suppressed", Boolean, "whether n is below the minimum", nullable=False),
    column(
        "squared_deviation",
        Double,
        "sum of squared deviations from the mean; null if no interval needs it",
    ),
    column(
        "left_out", BigInteger, "events that belong to it and could not be counted (no value, no customer)"
    ),
    column("cubed_deviation", Double, "sum of cubed deviations from the mean; null if no interval needs it"),
    column("interval_note", String, "why the value has no interval"),
    column(
        "customers",
        BigInteger,
        "customers of the observations, each of an unknown one counted as one; null: too many to count",
    ),
    column("effective_n", Double, "how many independent observations would have this interval"),
    column(
        "is_complete",
        Boolean,
        "whether the period is over and everything that it needs is loaded; null for the whole time",
    ),
    column(
        "restated_because", String, "why it replaces the value before it: which loads, or what else changed"
    ),
)

kpi_complete = derived_table(
    "kpi_complete",
    "how far each source is loaded, as far as each KPI needs it",
    ("kpi", "version", "source"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("source", String, "connection with rows that it reads; empty: all of them", nullable=False),
    column(
        "complete_until", TIME, "periods that end by then have all that they need; null: nobody knows when"
    ),
)

kpi_status = derived_table(
    "kpi_status",
    "whether each KPI could be computed",
    ("kpi", "version"),
    column("kpi", String, "its name", nullable=False),
    column("version", Integer, "of its definition", nullable=False),
    column("status", String, "computed, failed, or no events", nullable=False),
    column("reason", String, "why it failed or has no events"),
    column("since", TIME, "when it came to this status", nullable=False),
)


def _cell_of_day() -> tuple[Column[Any], ...]:
    """New columns that say which KPI, day and slice a row is of."""
    return (
        column("kpi", String, "its name", nullable=False),
        column("version", Integer, "of its definition", nullable=False),
        column("day", Date, "in the reporting time zone", nullable=False),
        column("dimension", String, "as in kpi_value", nullable=False),
        column("dimension_value", String, "its value, never (other); empty: everything", nullable=False),
    )


kpi_day = system_table(
    "kpi_day",
    "current daily components of the KPIs that are sums, by dimension value, including those in (other)",
    ("kpi", "version", "day", "dimension", "dimension_value"),
    *_cell_of_day(),
    column("n", BigInteger, "observations", nullable=False),
    column("numerator", Double, "additive component"),
    column("squared_deviation", Double, "sum of squared deviations from the day's mean"),
    column("cubed_deviation", Double, "sum of cubed deviations from the day's mean"),
)

kpi_day_customer = system_table(
    "kpi_day_customer",
    "the rows of kpi_day by customer, for intervals that know which events are of one customer",
    ("kpi", "version", "day", "dimension", "dimension_value"),
    *_cell_of_day(),
    column("is_grouped", Boolean, "whether some of its customers are together in a group", nullable=False),
    column("customers", ARRAY(BigInteger), "hash of each customer, or the group's number", nullable=False),
    column("n", ARRAY(BigInteger), "observations of each", nullable=False),
    column("numerators", ARRAY(Double), "additive component of each", nullable=False),
)

kpi_left_out = system_table(
    "kpi_left_out",
    "how many events of each day a KPI leaves out, by reason",
    ("kpi", "version", "day", "dimension", "dimension_value", "reason"),
    *_cell_of_day(),
    column("reason", String, "no value, no customer, …", nullable=False),
    column("events", BigInteger, "how many", nullable=False),
)

kpi_horizon = system_table(
    "kpi_horizon",
    "how far each source is known, for KPIs that look ahead",
    ("horizon", "source"),
    column("horizon", String, "what tells it: support_contacts, orders, …", nullable=False),
    column("source", String, "connection", nullable=False),
    column("at", TIME, "the time of its newest such event", nullable=False),
)

business_hours = system_table(
    "business_hours",
    "when the teams of [calendars] work, for times in business minutes",
    ("calendar", "day"),
    column("calendar", String, "its name in cxflow.toml", nullable=False),
    column("day", Integer, "UTC day, in days since 1970-01-01", nullable=False),
    column(
        "seconds_before",
        Double,
        "how long it worked from the calendar's first day in this table to the day's midnight",
        nullable=False,
    ),
    column("opens", ARRAY(Double), "when its intervals begin, in seconds after midnight", nullable=False),
    column("closes", ARRAY(Double), "when they end", nullable=False),
)
