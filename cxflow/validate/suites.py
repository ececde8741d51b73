"""The expectations of each canonical table, the same for every source. Streams may add their own (`expect`)."""

from __future__ import annotations

from sqlalchemy import String, Table

from cxflow.model.activities import ACTIVITY_NAME
from cxflow.model.currencies import CURRENCIES
from cxflow.model.expectation import Expectation
from cxflow.model.stream import Stream
from cxflow.settings import Quality
from cxflow.validate import amounts
from cxflow.warehouse import tables

IN_ORDER = "end_not_before_start"
"""The rule about the order of two times. Its entries in the quarantine name both."""


def ordered_pairs(table: Table) -> dict[str, str]:
    """The pairs of times of a table that must be in order: both names, and the condition over the row `t`."""
    return {
        f"{table.name}.{first}, {table.name}.{second}": f"coalesce(t.{first} <= t.{second}, true)"
        for first, second in table.info["in_order"]
    }


def of_stream(quality: Quality, stream: Stream) -> dict[str, list[Expectation]]:
    """Canonical table to its expectations, the stream's own last."""
    suites = {name: of_table(quality, tables.CANONICAL[name]) for name in stream.to}
    for expectation in stream.expect:
        suites[expectation.table].append(expectation)
    return suites


def of_table(quality: Quality, table: Table) -> list[Expectation]:
    """The expectations of one canonical table.

    Conditions are DuckDB SQL over the conformed row `t` and its record `k`. Null passes: required columns are checked
    before.
    """
    columns = tables.mappable(table)
    found: list[tuple[str, str, str]] = []
    times = [name for name, column in columns.items() if column.type is tables.TIME]
    if times:
        plausible = " AND ".join(
            _or_null(f"t.{name} >= TIMESTAMPTZ '{quality.earliest}'", name) for name in times
        )
        found.append(("time_plausible", plausible, "no event before quality.earliest: a reset clock, a zero"))
    past = [name for name in times if not columns[name].info.get("planned")]
    if past:
        limit = f"t._received_at + INTERVAL {int(quality.future_tolerance_seconds)} SECOND"
        not_future = " AND ".join(_or_null(f"t.{name} <= {limit}", name) for name in past)
        found.append(("time_not_in_future", not_future, "no event after its record was delivered"))
    if pairs := ordered_pairs(table):
        says = "nothing ends before it starts: of the two times, the first is not after the second"
        found.append((IN_ORDER, " AND ".join(pairs.values()), says))
    if "rating_value" in columns:
        within = "coalesce(t.rating_value BETWEEN t.worst_rating AND t.best_rating, t.rating_value IS NULL)"
        found.append(
            ("rating_within_scale", within, "a rating lies within its scale, and the scale is known")
        )
    if "metric_type" in columns:
        whole = "coalesce(t.metric_type <> 'nps' OR t.rating_value = floor(t.rating_value), true)"
        found.append(("nps_answer_whole", whole, "answers to the NPS question are whole numbers"))
    if "currency_code" in columns:
        codes = ", ".join(f"'{code}'" for code in sorted(CURRENCIES))
        found.append(
            ("currency_known", _or_null(f"t.currency_code IN ({codes})", "currency_code"), "ISO 4217")
        )
    if seconds := [name for name in columns if name.endswith("_seconds")]:
        positive = " AND ".join(_or_null(f"t.{name} >= 0", name) for name in seconds)
        found.append(("duration_not_negative", positive, "no negative durations"))
    if table is tables.interaction:
        found += [
            (
                "wait_fits_its_times",
                _alike("t.wait_seconds", _WAIT),
                "the wait is from offer to answer or abandon",
            ),
            (
                "talk_fits_its_times",
                _within("t.talk_seconds + coalesce(t.hold_seconds, 0)", _TALK),
                "talk and hold lie within the contact",
            ),
            (
                "answered_or_abandoned",
                "t.answered_at IS NULL OR t.abandoned_at IS NULL",
                "a contact is answered or abandoned, not both",
            ),
        ]
    if table is tables.order_header:
        found.append(
            (
                "price_total_not_negative",
                _or_null("t.price_total >= 0", "price_total"),
                "a refund is no order",
            )
        )
    if quality.minor_units == "refuse" and (fit := amounts.fit(table)):
        found.append(
            ("amount_fits_currency", " AND ".join(fit.values()), "no more decimals than the currency has")
        )
    if table is tables.touchpoint:
        found += [
            ("activity_named", f"regexp_full_match(t.activity, '{ACTIVITY_NAME}')", "verb_noun, past tense"),
            ("direction_known", _one_of("direction", "inbound", "outbound"), ""),
            ("journey_stage_known", _one_of("journey_stage", "before", "during", "after"), ""),
            ("control_known", _one_of("control", "owned", "external"), ""),
        ]
    texts = [f"t.{name}" for name, column in columns.items() if isinstance(column.type, String)]
    no_nul = f"NOT contains(concat(t.record_id, {', '.join(texts)}), chr(0))"
    found.append(("text_without_nul", no_nul, "no U+0000 in texts: not every database can store it"))
    return [Expectation(table=table.name, rule=rule, sql=sql, says=says) for rule, sql, says in found]


_WAIT = "epoch_us(coalesce(t.answered_at, t.abandoned_at)) - epoch_us(t.offered_at)"
_TALK = "epoch_us(t.ended_at) - epoch_us(t.answered_at)"
"""Durations that follow from times, in microseconds."""


def _alike(seconds: str, elapsed: str) -> str:
    """Whether a duration is as long as its times say. Systems round, and count ringing to one or the other."""
    return (
        f"coalesce(abs({seconds} - ({elapsed}) / 1e6) <= greatest({_slack(elapsed)}, 0.1 * {seconds}), true)"
    )


def _within(seconds: str, elapsed: str) -> str:
    """Whether a duration is no longer than its times say."""
    return f"coalesce({seconds} - ({elapsed}) / 1e6 <= {_slack(elapsed)}, true)"


def _slack(elapsed: str) -> str:
    return f"greatest(60, 0.1 * ({elapsed}) / 1e6)"


def _or_null(condition: str, name: str) -> str:
    return f"(t.{name} IS NULL OR {condition})"


def _one_of(name: str, *values: str) -> str:
    return _or_null(f"t.{name} IN ({', '.join(repr(value) for value in values)})", name)
