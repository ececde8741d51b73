"""The demo's truth, worked out once more from the sources by another route: DuckDB over the good records."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from demo_reader import Demo, dotted, moment

# The columns the checks need, by dotted name of the source's field.
TABLES = {
    "orders": (
        "shop.orders",
        ("id", "totals.price", "created_at", "promised_on", "delivered_at", "cancelled_at"),
    ),
    "calls": (
        "callcentre.calls",
        (
            "call_id",
            "reason",
            "started_at",
            "outcome",
            "wait_seconds",
            "talk_seconds",
            "hold_seconds",
            "acw_seconds",
        ),
    ),
    "voice_calls": ("voice.calls", ("sid", "of", "reason", "started_at")),
    "voice_tasks": ("voice.tasks", ("sid", "call", "started_at", "outcome", "wait_seconds", "work_seconds")),
    "tickets": (
        "desk.tickets",
        ("id", "reason", "via.channel", "created_at", "metric.first_reply_at", "metric.solved_at"),
    ),
    "answers": ("surveys.responses", ("response_id", "metric", "score", "responded_at")),
    "site_reviews": ("reviews.reviews", ("review_id", "stars", "scale", "created_at")),
    "trustpilot": ("trustpilot.service_reviews", ("review_id", "stars", "scale", "created_at", "published")),
    "leads": ("crm.leads", ("Lead Id", "Created At", "Won At", "Lost At")),
    "contacts": ("hubspot.contacts", ("Contact Id", "Segment")),
}


def identifiers(stream: str, row: dict[str, Any]) -> list[str]:
    """Whom a row names, normalised here and not by the simulator."""
    mails = [row.get("E-Mail"), row.get("email"), row.get("author_email")]
    mails.append((row.get("customer") or {}).get("email"))
    phones = [row.get("Phone"), row.get("caller"), (row.get("customer") or {}).get("phone")]
    found = ["mail:" + mail.strip().lower() for mail in mails if mail]
    for phone in phones:
        digits = "".join(filter(str.isdigit, phone or ""))
        if digits:
            found.append("phone:" + digits[-9:])
    if "Contact Id" in row:
        found.append("contact:" + row["Contact Id"])
    if "consumer_id" in row:
        found.append("consumer:" + row["consumer_id"])
    if stream.startswith("desk"):
        found.append(f"user:{row['user_id']}")
    if (row.get("customer") or {}).get("id"):
        found.append("shop:" + row["customer"]["id"])
    return found


@pytest.fixture(scope="module")
def person_of(demo: Demo) -> dict[str, int]:
    """A number for the person behind each identifier: breadth-first over all good versions delivered."""
    together: dict[str, set[str]] = {}
    for line in demo.lines:
        if not line.rules:
            names = identifiers(line.stream, line.row)
            for name in names:
                together.setdefault(name, set()).update(names)
    number: dict[str, int] = {}
    for person, name in enumerate(together):
        if name not in number:
            number[name] = person
            reached = deque([name])
            while reached:
                for other in together[reached.popleft()]:
                    if other not in number:
                        number[other] = person
                        reached.append(other)
    return number


@pytest.fixture(scope="module")
def warehouse(demo: Demo, person_of: dict[str, int]) -> Iterator[duckdb.DuckDBPyConnection]:
    """The good final records as tables; times as local wall-clock timestamps."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Europe/Madrid'")
        for table, (stream, fields) in TABLES.items():
            rows = demo.final(stream)
            if table == "answers":
                rows = [{**row, **answer} for row in rows for answer in row["answers"]]
            named = [identifiers(stream, row) for row in rows]
            columns: dict[str, list[Any]] = {
                "person": [person_of[names[0]] if names else None for names in named]
            }
            for field in fields:
                name = field.replace(".", "_").replace(" ", "_").lower()
                values = [dotted(row, field) for row in rows]
                columns[name] = (
                    [moment(value) for value in values]
                    if name.endswith("_at")
                    else [float(value) for value in values]
                    if is_number(name)
                    else values
                )
            connection.register("rows_read", pa.table(columns))
            connection.execute(f"create table {table} as from rows_read")
        connection.execute(
            """create table reviews as select created_at, stars, scale from site_reviews
               union all select created_at, stars, scale from trustpilot where published"""
        )
        connection.execute(
            """create table phoned as
               select started_at, outcome, wait_seconds, talk_seconds + hold_seconds + acw_seconds as work_seconds
               from calls
               union all select started_at, outcome, wait_seconds, work_seconds from voice_tasks"""
        )
        connection.execute(
            """create table support as
               select started_at as moment, reason, person, 'phone' as channel, 'callcentre' as source,
                   outcome = 'answered' as answered from calls
               union all select c.started_at, c.reason, c.person, 'phone', 'voice',
                   coalesce(t.outcome = 'answered', true)
               from voice_calls c left join voice_tasks t on t.call = c.sid where c.of is null
               union all select created_at, reason, person, via_channel, 'desk',
                   metric_first_reply_at is not null or metric_solved_at is not null from tickets"""
        )
        yield connection


def is_number(name: str) -> bool:
    return name.endswith("_seconds") or name in ("totals_price", "score", "stars", "scale")


# Minutes are differences of epochs: DuckDB subtracts two timestamptz by the calendar, an hour off where the
# clocks change in between.
# Per KPI: the relation, the time of its observations, the value and n.
QUERIES = {
    "nps": (
        "answers where metric = 'nps'",
        "responded_at",
        "100.0 * (count(*) filter (score >= 9) - count(*) filter (score <= 6)) / count(*)",
        "count(*)",
    ),
    "csat": ("answers where metric = 'csat'", "responded_at", "avg((score >= 4)::int)", "count(*)"),
    "ces": ("answers where metric = 'ces'", "responded_at", "avg(score)", "count(*)"),
    "ces_top": ("answers where metric = 'ces'", "responded_at", "avg((score >= 5)::int)", "count(*)"),
    "ces_net": (
        "answers where metric = 'ces'",
        "responded_at",
        "100.0 * (count(*) filter (score >= 6) - count(*) filter (score <= 3)) / count(*)",
        "count(*)",
    ),
    "review_rating": (
        "reviews where true",
        "created_at",
        "avg(case scale when 5 then stars else 1 + 0.4 * stars end)",
        "count(*)",
    ),
    "contact_rate": (
        "(select moment, 1 as c from support union all select created_at, 0 from orders) where true",
        "moment",
        "100.0 * sum(c) / sum(1 - c)",
        "sum(1 - c)",
    ),
    "average_handle_time": (
        "phoned where outcome = 'answered'",
        "started_at",
        "avg(work_seconds)",
        "count(*)",
    ),
    "average_speed_of_answer": (
        "phoned where outcome = 'answered'",
        "started_at",
        "avg(wait_seconds)",
        "count(*)",
    ),
    "abandonment_rate": ("phoned where true", "started_at", "avg((outcome = 'abandoned')::int)", "count(*)"),
    "service_level_80_20": (
        "phoned where outcome = 'answered'",
        "started_at",
        "avg((wait_seconds <= 20)::int)",
        "count(*)",
    ),
    "wait_seconds_p90": ("phoned where true", "started_at", "quantile_cont(wait_seconds, 0.9)", "count(*)"),
    "abandonment_rate_excluding_short": (
        "phoned where outcome = 'answered' or wait_seconds >= 5",
        "started_at",
        "avg((outcome = 'abandoned')::int)",
        "count(*)",
    ),
    "service_level_of_offered": (
        "phoned where outcome = 'answered' or wait_seconds > 20",
        "started_at",
        "avg((outcome = 'answered' and wait_seconds <= 20)::int)",
        "count(*)",
    ),
    "service_level_of_queued": (
        "phoned where true",
        "started_at",
        "avg((outcome = 'answered' and wait_seconds <= 20)::int)",
        "count(*)",
    ),
    "support_contacts": ("support where true", "moment", "count(*)", "count(*)"),
    "preventable_share": (
        "support where reason <> ''",
        "moment",
        "avg((reason in ('late_delivery', 'damaged_item', 'order_status'))::int)",
        "count(*)",
    ),
    "first_reply_minutes": (
        "tickets where metric_first_reply_at is not null",
        "created_at",
        "quantile_cont((epoch(metric_first_reply_at) - epoch(created_at)) / 60, 0.5)",
        "count(*)",
    ),
    "resolution_minutes_p90": (
        "tickets where metric_solved_at is not null",
        "metric_solved_at",
        "quantile_cont((epoch(metric_solved_at) - epoch(created_at)) / 60, 0.9)",
        "count(*)",
    ),
    "on_time_delivery_rate": (
        "orders where delivered_at is not null and cancelled_at is null",
        "delivered_at",
        "avg((delivered_at::date <= promised_on::date)::int)",
        "count(*)",
    ),
    "delivery_days": (
        "orders where delivered_at is not null and cancelled_at is null",
        "delivered_at",
        "quantile_cont((epoch(delivered_at) - epoch(created_at)) / 86400, 0.5)",
        "count(*)",
    ),
    "revenue": ("orders where cancelled_at is null", "created_at", "sum(totals_price)", "count(*)"),
    "average_order_value": (
        "orders where cancelled_at is null",
        "created_at",
        "avg(totals_price)",
        "count(*)",
    ),
    "repeat_purchase_rate": (
        "orders where cancelled_at is null",
        "created_at",
        "1.0 * (count(distinct person) filter (repeats)) / count(distinct person)",
        "count(distinct person)",
    ),
    "win_rate": (
        "leads where coalesce(won_at, lost_at) is not null",
        "coalesce(won_at, lost_at)",
        "avg((won_at is not null)::int)",
        "count(*)",
    ),
    "sales_cycle_days": (
        "leads where won_at is not null",
        "won_at",
        "quantile_cont((epoch(won_at) - epoch(created_at)) / 86400, 0.5)",
        "count(*)",
    ),
    "lead_conversion_rate": ("leads where true", "created_at", "avg((won_at is not null)::int)", "count(*)"),
}


@pytest.mark.parametrize("kpi", QUERIES)
def test_sql_over_the_good_records_finds_the_same_value(
    demo: Demo, warehouse: duckdb.DuckDBPyConnection, kpi: str
) -> None:
    relation, at, value, n = QUERIES[kpi]
    expected = {
        (each.grain, each.period_start): (each.value, each.n)
        for each in demo.truth.kpis
        if each.kpi == kpi and not each.dimension
    }
    found: dict[tuple[str, str | None], Any] = {}
    for grain, period in (("all", "null"), ("month", f"date_trunc('month', {at})"), ("day", f"{at}::date")):
        repeats = (
            f"*, count(*) over (partition by person, {period}) > 1 as repeats" if "repeats" in value else "*"
        )
        for start, result, size in warehouse.execute(
            f"select ({period})::date::text, {value}, {n} from (select {repeats} from {relation}) group by 1"
        ).fetchall():
            if grain != "day" or ("day", start) in expected:
                found[grain, start] = (pytest.approx(result), size)
    assert expected == found


def test_sql_over_the_good_records_finds_the_same_first_contact_resolution(
    demo: Demo, warehouse: duckdb.DuckDBPyConnection
) -> None:
    watched = """
        select channel, answered and not again as resolved from (
            select *, exists (
                from support later
                where later.person = support.person and later.reason = support.reason
                  and later.moment > support.moment and later.moment <= support.moment + interval 168 hours
            ) as again, exists (
                from support later
                where later.person = support.person and coalesce(support.reason, '') = ''
                  and later.moment > support.moment and later.moment <= support.moment + interval 168 hours
            ) as tried
            from support
        ) as judged
        where person is not null and (answered or not (again or tried))
          and moment + interval 168 hours <= (select max(s.moment) from support s where s.source = judged.source)
    """
    found = warehouse.execute(
        f"""select 'channel', channel, avg(resolved::int), count(*) from ({watched}) group by 2
            union all select '', '', avg(resolved::int), count(*) from ({watched})"""
    ).fetchall()
    expected = {
        (each.dimension, each.dimension_value): (each.value, each.n)
        for each in demo.truth.kpis
        if each.kpi == "first_contact_resolution" and each.grain == "all" and each.dimension != "source"
    }
    assert expected == {(split, part): (pytest.approx(value), n) for split, part, value, n in found}


def test_sql_over_the_good_records_finds_the_same_retention(
    demo: Demo, warehouse: duckdb.DuckDBPyConnection
) -> None:
    found = warehouse.execute(
        """with active as (
               select distinct person, month(created_at) as month from orders where cancelled_at is null
           )
           select before.month + 1, count(after.person) / count(*), count(*)
           from active before left join active after
             on after.person = before.person and after.month = before.month + 1
           where before.month < 3 group by 1 order by 1"""
    ).fetchall()
    retained = [each for each in demo.truth.kpis if each.kpi == "retention_rate"]
    assert [(each.period_start, each.value, each.n) for each in retained] == [
        (f"2026-{month:02d}-01", pytest.approx(value), n) for month, value, n in found
    ]


def test_every_person_is_found_once(demo: Demo, person_of: dict[str, int]) -> None:
    assert demo.truth.customers == len(set(person_of.values()))


def test_the_last_good_versions_alone_lead_to_the_same_persons(demo: Demo, person_of: dict[str, int]) -> None:
    """Whether a reader sees every version of a record or the last one only must not matter."""
    named = {
        name for stream in demo.truth.live for row in demo.final(stream) for name in identifiers(stream, row)
    }
    assert named == set(person_of)


def test_the_history_has_a_truth_of_its_own(demo: Demo) -> None:
    before = demo.truth.after_history
    assert before.until == "2026-03-27"
    assert before.customers < demo.truth.customers
    same = {stream for stream in before.live if before.live[stream] >= demo.truth.live[stream]}
    assert same == {"callcentre.calls"}, "it was switched off"
    january = [
        next(k for k in kpis if k.kpi == "average_order_value" and k.period_start == "2026-01-01").value
        for kpis in (before.kpis, demo.truth.kpis)
    ]
    assert january[0] != january[1], "corrections of the last days change what was published"


def test_the_company_is_a_plausible_one(demo: Demo) -> None:
    overall = {k.kpi: k.value for k in demo.truth.kpis if k.grain == "all" and not k.dimension}
    assert 15 < overall["nps"] < 35
    assert 0.05 < overall["abandonment_rate"] < 0.12
    assert 0.65 < overall["first_contact_resolution"] < 0.9
    assert 0.8 < overall["on_time_delivery_rate"] < 0.97
