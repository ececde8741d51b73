"""The trip of `cxflow.toml`, written by hand in DuckDB SQL: what a good engineer would write for this one stream.

    python by_hand.py WAREHOUSE LANDING FILE

The same steps with the same outcome: land the raw lines as Parquet with a checksum, conform with rejects, normalise and
hash e-mail addresses and telephone numbers, check, merge by key so that a second delivery changes nothing, quarantine,
ledger and customers in one transaction, NPS by day, week, month, quarter, year and whole period, by channel and source,
with its interval. Customers are the connected components of all identifiers, by scipy.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

_TABLES = """
CREATE TABLE IF NOT EXISTS touchpoint (
    touchpoint_id VARCHAR, occurred_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, received_at TIMESTAMPTZ, customer_id VARCHAR,
    anonymous_id VARCHAR, agent_id VARCHAR, activity VARCHAR, channel VARCHAR, direction VARCHAR,
    journey_stage VARCHAR, control VARCHAR, order_id VARCHAR, reason VARCHAR, revenue_impact DECIMAL(18, 4),
    currency_code VARCHAR, source_system VARCHAR, source_object VARCHAR, source_record_id VARCHAR,
    version_at TIMESTAMPTZ, run_id VARCHAR, loaded_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS survey_response (
    response_id VARCHAR, question_id VARCHAR, touchpoint_id VARCHAR, metric_type VARCHAR, rating_value DOUBLE,
    worst_rating DOUBLE, best_rating DOUBLE, responded_at TIMESTAMPTZ, source_system VARCHAR, source_object VARCHAR,
    source_record_id VARCHAR, run_id VARCHAR, loaded_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS interaction (
    interaction_id VARCHAR, touchpoint_id VARCHAR, agent_id VARCHAR, offered_at TIMESTAMPTZ, ended_at TIMESTAMPTZ,
    wait_seconds DOUBLE, talk_seconds DOUBLE, source_system VARCHAR, source_object VARCHAR, source_record_id VARCHAR,
    run_id VARCHAR, loaded_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS record_identity (
    source_record_id VARCHAR, namespace VARCHAR, identity_hash UUID, seen_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS quarantine (
    source_record_id VARCHAR, column_name VARCHAR, raw_value VARCHAR, payload VARCHAR, run_id VARCHAR
);
CREATE TABLE IF NOT EXISTS load_run (
    run_id VARCHAR, file VARCHAR, sha256 VARCHAR, extracted BIGINT, inserted BIGINT, updated BIGINT, unchanged BIGINT,
    quarantined BIGINT, loaded_at TIMESTAMPTZ
);
CREATE TABLE IF NOT EXISTS kpi_value (
    kpi VARCHAR, grain VARCHAR, period_start DATE, dimension VARCHAR, dimension_value VARCHAR, as_of TIMESTAMPTZ,
    numerator DOUBLE, denominator DOUBLE, n BIGINT, value DOUBLE, ci_low DOUBLE, ci_high DOUBLE
);
"""

_STRUCTURE = """{"id": "VARCHAR", "updated_at": "VARCHAR", "occurred_at": "VARCHAR", "ended_at": "VARCHAR",
"activity": "VARCHAR", "channel": "VARCHAR", "agent_id": "VARCHAR", "order_id": "VARCHAR", "reason": "VARCHAR",
"score": "VARCHAR", "revenue": "VARCHAR", "currency": "VARCHAR", "email": "VARCHAR", "phone": "VARCHAR",
"wait_seconds": "VARCHAR", "talk_seconds": "VARCHAR", "customer": {"id": "VARCHAR"}}"""

_CONFORM = """
CREATE TEMP TABLE conformed AS
SELECT *, md5(concat_ws('|', 'desk', 'touchpoints', id, activity)) AS touchpoint_id,
    (occurred_text IS NOT NULL AND occurred_at IS NULL) OR (ended_text IS NOT NULL AND ended_at IS NULL)
    OR (updated_text IS NOT NULL AND version_at IS NULL) OR (revenue_text IS NOT NULL AND revenue_impact IS NULL)
    OR (score_text IS NOT NULL AND rating_value IS NULL) OR (wait_text IS NOT NULL AND wait_seconds IS NULL)
    OR (talk_text IS NOT NULL AND talk_seconds IS NULL) AS is_misfit,
    CASE WHEN regexp_full_match(email, '[^@ ]+@[^@ ]+[.][^@ .]+')
        THEN substr(sha256(concat_ws(chr(31), '', 'email', email)), 1, 32)::UUID END AS email_hash,
    CASE WHEN regexp_full_match(phone, '[+][1-9][0-9]{7,14}')
        THEN substr(sha256(concat_ws(chr(31), '', 'phone', phone)), 1, 32)::UUID END AS phone_hash
FROM (SELECT *, CASE WHEN dialled LIKE '00%' THEN '+' || dialled[3:] WHEN dialled LIKE '+%' THEN dialled
    ELSE '+34' || dialled END AS phone FROM (
    SELECT _row, r.id AS id, r.occurred_at AS occurred_text, r.ended_at AS ended_text, r.updated_at AS updated_text,
        r.revenue AS revenue_text, r.score AS score_text, TRY_CAST(r.occurred_at AS TIMESTAMPTZ) AS occurred_at,
        TRY_CAST(r.ended_at AS TIMESTAMPTZ) AS ended_at, TRY_CAST(r.updated_at AS TIMESTAMPTZ) AS version_at,
        'desk:' || r.agent_id AS agent_id, r.activity AS activity, r.channel AS channel,
        'desk:' || r.order_id AS order_id,
        r.reason AS reason, TRY_CAST(r.revenue AS DECIMAL(18, 4)) AS revenue_impact, r.currency AS currency_code,
        r.customer.id AS anonymous_id, TRY_CAST(r.score AS DOUBLE) AS rating_value,
        r.wait_seconds AS wait_text, TRY_CAST(r.wait_seconds AS DOUBLE) AS wait_seconds,
        r.talk_seconds AS talk_text, TRY_CAST(r.talk_seconds AS DOUBLE) AS talk_seconds,
        lower(trim(r.email)) AS email, regexp_replace(r.phone, '[^0-9+]', '', 'g') AS dialled
    FROM (SELECT _row, from_json(_payload, $structure) AS r FROM read_parquet($landed))
))
"""

_CHECKS = """
SELECT count(*) FILTER (occurred_at < '1990-01-01' OR ended_at < '1990-01-01'),
    count(*) FILTER (occurred_at > now() + INTERVAL 1 DAY OR ended_at > now() + INTERVAL 1 DAY),
    count(*) FILTER (ended_at < occurred_at), count(*) FILTER (rating_value NOT BETWEEN 0 AND 10),
    count(*) FILTER (wait_seconds < 0 OR talk_seconds < 0),
    count(*) FILTER (NOT regexp_full_match(activity, '[a-z]+(_[a-z]+)+')), count(*) FILTER (length(currency_code) <> 3),
    count(*) FILTER (id IS NULL OR occurred_at IS NULL OR activity IS NULL OR channel IS NULL)
FROM conformed WHERE NOT is_misfit
"""

_OUTCOME = """
CREATE TEMP TABLE outcome AS
SELECT c._row, c.id, CASE WHEN t.source_record_id IS NULL THEN 'inserted'
    WHEN t.version_at >= c.version_at THEN 'unchanged' ELSE 'updated' END AS outcome
FROM (SELECT _row, id, version_at FROM conformed WHERE NOT is_misfit
      QUALIFY row_number() OVER (PARTITION BY id ORDER BY version_at DESC) = 1) c
LEFT JOIN (SELECT source_record_id, version_at FROM touchpoint) t ON t.source_record_id = c.id
"""

_NODES = """
CREATE OR REPLACE TEMP TABLE node AS
SELECT namespace, identity_hash, min(seen_at) AS first_seen_at, max(seen_at) AS last_seen_at,
    row_number() OVER () - 1 AS node
FROM record_identity GROUP BY namespace, identity_hash
"""

_EDGES = """
SELECT a.node AS a, b.node AS b FROM record_identity e JOIN record_identity p USING (source_record_id)
JOIN node a ON a.identity_hash = e.identity_hash JOIN node b ON b.identity_hash = p.identity_hash
WHERE e.namespace = 'email' AND p.namespace = 'phone'
"""

_CUSTOMERS = """
CREATE OR REPLACE TABLE customer_identity AS
SELECT namespace, identity_hash, first_seen_at, last_seen_at,
    first_value(md5(namespace || '|' || identity_hash::VARCHAR))
        OVER (PARTITION BY component ORDER BY first_seen_at, namespace, identity_hash) AS customer_id
FROM node JOIN labels USING (node);
CREATE OR REPLACE TABLE customer AS
SELECT customer_id, min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
FROM customer_identity GROUP BY customer_id;
CREATE OR REPLACE TEMP TABLE owner AS
SELECT source_record_id, min(customer_id) AS customer_id
FROM record_identity JOIN customer_identity USING (identity_hash) GROUP BY source_record_id;
UPDATE touchpoint SET customer_id = o.customer_id FROM owner o
WHERE o.source_record_id = touchpoint.source_record_id AND touchpoint.customer_id IS DISTINCT FROM o.customer_id;
"""
"""A customer is named after the identifier seen first."""

_KPI = """
INSERT INTO kpi_value
SELECT 'nps', grain, period_start, dimension, dimension_value, now(), plus - minus, n, n, 100 * (plus - minus) / n,
    100 * ((plus - minus) / n - spread), 100 * ((plus - minus) / n + spread)
FROM (
    SELECT *, 1.959964 * sqrt((plus + minus) / n - ((plus - minus) / n) ** 2) / sqrt(n) AS spread
    FROM (
        SELECT CASE WHEN grouping(day) = 0 THEN 'day' WHEN grouping(week) = 0 THEN 'week'
                WHEN grouping(month) = 0 THEN 'month' WHEN grouping(quarter) = 0 THEN 'quarter'
                WHEN grouping(year) = 0 THEN 'year' ELSE 'all' END AS grain,
            coalesce(day, week, month, quarter, year, DATE '0001-01-01') AS period_start,
            CASE WHEN grouping(channel) = 0 THEN 'channel' WHEN grouping(source) = 0 THEN 'source' ELSE '' END
                AS dimension,
            coalesce(channel, source, '') AS dimension_value, count(*) AS n,
            count(*) FILTER (rating_value >= 9)::DOUBLE AS plus, count(*) FILTER (rating_value <= 6)::DOUBLE AS minus
        FROM (
            SELECT s.rating_value, t.channel, s.source_system AS source, s.responded_at::DATE AS day,
                date_trunc('week', s.responded_at)::DATE AS week, date_trunc('month', s.responded_at)::DATE AS month,
                date_trunc('quarter', s.responded_at)::DATE AS quarter, date_trunc('year', s.responded_at)::DATE AS year
            FROM survey_response s LEFT JOIN touchpoint t ON t.touchpoint_id = s.touchpoint_id
        )
        GROUP BY GROUPING SETS ((day), (day, channel), (day, source), (week), (week, channel), (week, source), (month),
            (month, channel), (month, source), (quarter), (quarter, channel), (quarter, source), (year),
            (year, channel), (year, source), (), (channel), (source))
    )
)
"""


def run(warehouse: Path, landing: Path, file: Path) -> None:
    """The whole trip of one delivery."""
    run_id = f"{time.time_ns()}"
    landed = landing / f"{run_id}.parquet"
    with duckdb.connect() as database:
        database.execute(
            "COPY (SELECT json AS _payload, filename AS _origin, now() AS _received_at, row_number() OVER () AS _row "
            f"FROM read_ndjson_objects('{file}', filename = true)) TO '{landed}.tmp' (FORMAT parquet, COMPRESSION zstd)"
        )
    with open(f"{landed}.tmp", "rb") as parquet:
        checksum = hashlib.file_digest(parquet, "sha256").hexdigest()
    Path(f"{landed}.tmp").rename(landed)
    with duckdb.connect(str(warehouse)) as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(_TABLES)
        database.execute(_CONFORM, {"structure": _STRUCTURE, "landed": str(landed)})
        if failed := [number for number in database.execute(_CHECKS).fetchone() or () if number]:
            raise SystemExit(f"checks failed: {failed}")
        database.begin()
        database.execute(_OUTCOME)
        counts = dict(database.execute("SELECT outcome, count(*) FROM outcome GROUP BY outcome").fetchall())
        for table in ("touchpoint", "survey_response", "interaction", "record_identity"):
            if counts.get("updated"):
                database.execute(
                    f"DELETE FROM {table} WHERE source_record_id IN (SELECT id FROM outcome WHERE outcome = 'updated')"
                )
        changed = "JOIN outcome o ON o._row = c._row WHERE o.outcome <> 'unchanged'"
        for name in ("email", "phone"):
            database.execute(
                f"INSERT INTO record_identity SELECT c.id, '{name}', {name}_hash, occurred_at "
                f"FROM conformed c {changed} AND {name}_hash IS NOT NULL"
            )
        database.execute(
            "INSERT INTO touchpoint SELECT touchpoint_id, occurred_at, ended_at, now(), NULL, anonymous_id, agent_id, "
            "activity, channel, 'inbound', CASE activity WHEN 'visited_page' THEN 'before' ELSE 'after' END, 'owned', "
            "order_id, reason, revenue_impact, currency_code, 'desk', 'touchpoints', c.id, version_at, $run, now() "
            f"FROM conformed c {changed}",
            {"run": run_id},
        )
        database.execute(
            "INSERT INTO survey_response SELECT 'desk:' || c.id, 'recommend', touchpoint_id, 'nps', rating_value, "
            "0, 10, ended_at, 'desk', 'touchpoints', c.id, $run, now() "
            f"FROM conformed c {changed} AND rating_value IS NOT NULL",
            {"run": run_id},
        )
        database.execute(
            "INSERT INTO interaction SELECT 'desk:' || c.id, touchpoint_id, agent_id, occurred_at, ended_at, "
            f"wait_seconds, talk_seconds, 'desk', 'touchpoints', c.id, $run, now() FROM conformed c {changed}",
            {"run": run_id},
        )
        database.execute(
            "INSERT INTO quarantine SELECT id, 'occurred_at', occurred_text, p._payload, $run FROM conformed c "
            "JOIN read_parquet($landed) p ON p._row = c._row WHERE c.is_misfit",
            {"run": run_id, "landed": str(landed)},
        )
        extracted, refused = database.execute(
            "SELECT count(*), count(*) FILTER (is_misfit) FROM conformed"
        ).fetchone()
        database.execute(
            "INSERT INTO load_run VALUES (?, ?, ?, ?, ?, ?, ?, ?, now())",
            [
                run_id,
                str(file),
                checksum,
                extracted,
                counts.get("inserted", 0),
                counts.get("updated", 0),
                counts.get("unchanged", 0),
                refused,
            ],
        )
        resolve(database)
        database.execute(_KPI)
        database.commit()


def resolve(database: duckdb.DuckDBPyConnection) -> None:
    """The customers of all identifiers, and of each touchpoint."""
    database.execute(_NODES)
    (count,) = database.execute("SELECT count(*) FROM node").fetchone() or (0,)
    edges = database.execute(_EDGES).fetchnumpy()
    links = coo_matrix((np.ones(len(edges["a"]), np.int8), (edges["a"], edges["b"])), shape=(count, count))
    _, component = connected_components(links, directed=False)
    database.register("labels", pa.table({"node": np.arange(count), "component": component}))
    database.execute(_CUSTOMERS)


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
