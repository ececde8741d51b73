"""The dashboard, whatever tool draws it: which views it reads, its charts, and the tabs that they stand on.

Charts name columns and metrics; no formula of a KPI stands here: `measures` makes them from the declarations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["number", "line", "bar", "columns", "table"]
"""A number with its course, lines over time, stacked bars over time, columns by a category, or rows."""
Grain = Literal["day", "week", "month"]
Wanted = str | bool | Sequence[str]
"""The value that rows must have in a column, or several of which it must be one."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A published view, and what can be computed over its rows."""

    view: str
    time: str | None = None
    """The column that periods go by; None: it has none."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Metric to its SQL, beside `rows`."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart shows, of which rows, and how wide it stands."""

    title: str
    view: str
    kind: Kind
    metrics: Sequence[str] = ()
    """What is shown: metrics of the dataset."""
    by: Sequence[str] = ()
    """Columns that split it; of a table without metrics, those that it lists."""
    where: Mapping[str, Wanted] = field(default_factory=dict)
    """Which rows: column to what it must be."""
    grain: Grain | None = None
    """The periods that rows are put in; None: as they are."""
    format: str = ",.0f"
    """How numbers are shown, as a d3 format."""
    width: int = 4
    """In twelfths of the page."""


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab: rows of charts."""

    title: str
    rows: Sequence[Sequence[Chart]]


DATASETS: Sequence[Dataset] = (
    # One row is one value: the largest of one is itself.
    Dataset(
        "mart_kpi", "period_start", {"value": "MAX(value)", "low": "MAX(ci_low)", "high": "MAX(ci_high)"}
    ),
    Dataset("mart_touchpoint", "occurred_at_local", {"customers": "COUNT(DISTINCT customer_id)"}),
    Dataset(
        "mart_experience",
        "occurred_at_local",
        {
            "good": "SUM(CASE WHEN is_counted AND polarity > 0 THEN 1 ELSE 0 END)",
            "bad": "SUM(CASE WHEN is_counted AND polarity < 0 THEN 1 ELSE 0 END)",
        },
    ),
    Dataset("mart_journey", "occurred_at_local"),
    Dataset("mart_interaction", "offered_at_local"),
    Dataset("mart_support_case", "opened_at_local"),
    Dataset("mart_order", "created_at_local"),
    Dataset("mart_delivery", "shipped_at_local"),
    Dataset("mart_refund", "refunded_at_local"),
    Dataset("mart_survey_response", "responded_at_local"),
    Dataset("mart_review", "date_published_local"),
    Dataset("mart_customer", "first_seen_at_local"),
    Dataset("mart_freshness"),
    Dataset("mart_load", "finished_at_local"),
    Dataset("mart_quarantine", "first_seen_at"),
)
"""What the dashboard reads, and what else is worth exploring."""


def _kpi(kpi: str, title: str, number_format: str, width: int = 3) -> Chart:
    """The monthly values of a KPI that are complete, the last one large."""
    return Chart(
        title, "mart_kpi", "number", ("value",), (), _of(kpi, "month"), "month", number_format, width
    )


def _course(kpis: Sequence[str], title: str, number_format: str, width: int = 6) -> Chart:
    where = _of(kpis, "month")
    return Chart(title, "mart_kpi", "line", ("value",), ("title",), where, "month", number_format, width)


def _slices(kpi: str, dimension: str, title: str, number_format: str, width: int = 6) -> Chart:
    where: dict[str, Wanted] = {
        "kpi": kpi,
        "grain": "all",
        "dimension": dimension,
        "is_suppressed": False,
    }
    return Chart(
        title, "mart_kpi", "columns", ("value",), ("dimension_value",), where, None, number_format, width
    )


def _of(kpi: str | Sequence[str], grain: str) -> dict[str, Wanted]:
    return {"kpi": kpi, "grain": grain, "dimension": "", "is_complete": True}


_BOOKS = (
    "source_system",
    "source_object",
    "finished_at_local",
    "status",
    "extracted",
    "inserted",
    "updated",
    "unchanged",
    "deleted",
    "deduplicated",
    "quarantined",
)
_SHARE, _POINTS, _TWO = ",.1%", ",.1f", ",.2f"

TABS: Sequence[Tab] = (
    Tab(
        "Overview",
        (
            (
                _kpi("nps", "Net Promoter Score", _POINTS),
                _kpi("csat", "Customer satisfaction", _SHARE),
                _kpi("contact_rate", "Contacts for every 100 orders", _TWO),
                _kpi("repeat_purchase_rate", "Customers who bought again", _SHARE),
            ),
            (
                _course(("nps", "net_experience"), "What customers felt", _POINTS),
                Chart(
                    "Touchpoints by week and channel",
                    "mart_touchpoint",
                    "bar",
                    ("rows",),
                    ("channel",),
                    {},
                    "week",
                    width=6,
                ),
            ),
            (
                Chart(
                    "All KPIs, over the whole time",
                    "mart_kpi",
                    "table",
                    (),
                    ("title", "unit", "value", "ci_low", "ci_high", "n", "left_out", "status"),
                    {"grain": "all", "dimension": ""},
                    None,
                    ",.3~f",
                    12,
                ),
            ),
        ),
    ),
    Tab(
        "Journey",
        (
            (
                Chart(
                    "Touchpoints by stage",
                    "mart_touchpoint",
                    "bar",
                    ("rows",),
                    ("journey_stage",),
                    {},
                    "week",
                    width=6,
                ),
                Chart(
                    "Good and bad experiences",
                    "mart_experience",
                    "bar",
                    ("good", "bad"),
                    (),
                    {},
                    "week",
                    width=6,
                ),
            ),
            (
                _slices("net_experience", "segment", "Net experience by segment", _POINTS),
                _slices("net_experience", "channel", "Net experience by channel", _POINTS),
            ),
            (
                Chart(
                    "What happened",
                    "mart_touchpoint",
                    "table",
                    ("rows", "customers"),
                    ("journey_stage", "activity", "channel"),
                    width=12,
                ),
            ),
        ),
    ),
    Tab(
        "Service",
        (
            (
                _kpi("first_contact_resolution", "Resolved at the first contact", _SHARE),
                _kpi("first_reply_minutes", "First reply, median minutes", _POINTS),
                _kpi("abandonment_rate", "Gave up waiting", _SHARE),
                _kpi("backlog", "Open cases", ",.0f"),
            ),
            (
                Chart(
                    "Support contacts by channel",
                    "mart_touchpoint",
                    "bar",
                    ("rows",),
                    ("channel",),
                    {"is_support_contact": True},
                    "week",
                    width=6,
                ),
                Chart(
                    "Why customers ask for help",
                    "mart_touchpoint",
                    "columns",
                    ("rows",),
                    ("reason",),
                    {"is_support_contact": True},
                    width=6,
                ),
            ),
            (
                _slices(
                    "first_contact_resolution", "channel", "Resolved at first contact, by channel", _SHARE
                ),
                _slices("csat", "segment", "Satisfaction by segment", _SHARE),
            ),
        ),
    ),
    Tab(
        "Shop",
        (
            (
                _kpi("revenue", "Revenue", ",.0f"),
                _kpi("average_order_value", "Average order value", _TWO),
                _kpi("on_time_delivery_rate", "Delivered on time", _SHARE),
                _kpi("return_rate", "Orders returned", _SHARE),
            ),
            (
                Chart("Orders by week", "mart_order", "bar", ("rows",), (), {}, "week", width=6),
                _course(("retention_rate", "churn_rate"), "Customers who stay and leave", _SHARE),
            ),
            (
                _slices("return_rate", "segment", "Orders returned, by segment", _SHARE),
                _slices("repeat_purchase_rate", "segment", "Bought again, by segment", _SHARE),
            ),
        ),
    ),
    Tab(
        "Quality",
        (
            (
                Chart(
                    "How far each stream is loaded",
                    "mart_freshness",
                    "table",
                    (),
                    (
                        "source_system",
                        "source_object",
                        "known_until_local",
                        "loaded_at_local",
                        "last_status",
                        "loads",
                        "quarantine_open",
                    ),
                    width=12,
                ),
            ),
            (
                Chart(
                    "What is refused, and why",
                    "mart_quarantine",
                    "table",
                    ("rows",),
                    ("source_system", "source_object", "rule", "column_name"),
                    {"status": "open"},
                    width=12,
                ),
            ),
            (Chart("Records by load", "mart_load", "table", (), _BOOKS, width=12),),
        ),
    ),
)
"""The dashboard."""
