"""Writes what customers are and were: `customer` and `customer_history`. Called by `resolve`, after they are named.

Each field of a customer is from the profile changed last that has it, since no system knows all of them: now, and at
any time before, of the versions that held then. What a profile said first counts for the time before it, too: it is
what is known of that.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.identity.temporary import count, make, run
from cxflow.warehouse.customer_tables import BEFORE_ALL, DESCRIBED

_FIELDS = ", ".join(DESCRIBED)
_VERSION = "coalesce(r.version_at, r.received_at)"
"""SQL: since when the present version of a profile holds."""
_BEFORE_ALL = f"TIMESTAMPTZ '{BEFORE_ALL.isoformat()}'"
_FIRSTS = ", ".join(
    f"{'bool_and' if name == 'consent' else 'max'}(CASE WHEN {name}_rank = 1 THEN {name} END) AS {name}"
    for name in DESCRIBED
)
"""SQL: each field where it ranks first, over the rows with `_ranks`."""


def keep(connection: sa.Connection) -> None:
    """Write `customer`: the customers of `assigned`, when they were first and last seen, and what their profiles say.
    Creates `moved`: those whose segment, country or consent changed, now or before."""
    ranks = _ranks("p", "p.customer_id", f"{_VERSION} DESC, p.profile_id")
    make(
        connection,
        "profile",
        f"SELECT customer_id, {_FIRSTS} FROM (SELECT p.customer_id, {_of('p')}, {ranks} "
        f"FROM customer_profile p JOIN source_record r ON {_same_record('r', 'p')} "
        "WHERE NOT p.is_deleted AND p.customer_id IN (SELECT customer_id FROM assigned)) ranked "
        "GROUP BY customer_id",
    )
    seen = (
        "(SELECT a.customer_id, min(a.first_seen_at) AS first_seen_at, max(a.last_seen_at) AS last_seen_at, "
        "max(p.segment) AS segment, bool_and(p.consent) AS consent, max(p.country) AS country FROM assigned a "
        "LEFT JOIN profile p ON p.customer_id = a.customer_id WHERE a.match_rule = 'exact' "
        "GROUP BY a.customer_id) s"
    )
    differs = {
        name: f"customer.{name} IS DISTINCT FROM s.{name}"
        for name in ("first_seen_at", "last_seen_at", *DESCRIBED)
    }
    make(
        connection,
        "moved",
        f"SELECT customer.customer_id FROM customer JOIN {seen} ON s.customer_id = customer.customer_id "
        f"WHERE {' OR '.join(differs[name] for name in DESCRIBED)}",
    )
    run(
        connection,
        f"UPDATE customer SET {', '.join(f'{name} = s.{name}' for name in differs)} FROM {seen} "
        f"WHERE customer.customer_id = s.customer_id AND ({' OR '.join(differs.values())})",
    )
    run(
        connection,
        "INSERT INTO customer (customer_id, merged_into_id, first_seen_at, last_seen_at, segment, consent, country) "
        "SELECT s.customer_id, NULL, s.first_seen_at, s.last_seen_at, s.segment, s.consent, s.country "
        f"FROM {seen} "
        "WHERE NOT EXISTS (SELECT 1 FROM customer c WHERE c.customer_id = s.customer_id)",
    )
    if count(connection, "SELECT count(*) FROM (SELECT 1 FROM profile_version LIMIT 1) v"):
        _keep_history(connection)


def _same_record(one: str, other: str) -> str:
    names = ("source_system", "source_object", "source_record_id")
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)


def _keep_history(connection: sa.Connection) -> None:
    """Write `customer_history` of the customers of `assigned`: the periods in which what their profiles said differs
    from what the customer is now. Adds those whose periods changed to `moved`."""
    _find_periods(connection)
    resolved = "(SELECT customer_id FROM assigned UNION SELECT customer_id FROM former)"
    columns = f"customer_id, valid_from, valid_to, {_FIELDS}"
    present = f"SELECT {columns} FROM customer_history WHERE customer_id IN {resolved}"
    past = f"SELECT {columns} FROM past"
    run(
        connection,
        "INSERT INTO moved SELECT DISTINCT customer_id FROM "
        f"(({past} EXCEPT {present}) UNION ALL ({present} EXCEPT {past})) differing",
    )
    run(connection, f"DELETE FROM customer_history WHERE customer_id IN {resolved}")
    run(connection, f"INSERT INTO customer_history ({columns}) {past}")


def _find_periods(connection: sa.Connection) -> None:
    """Create `past`: the rows of `customer_history`."""
    profile = "p.customer_id, p.source_system, p.source_object, p.source_record_id, p.profile_id"
    live = "NOT p.is_deleted AND p.customer_id IN"
    make(
        connection,
        "told",
        f"SELECT {profile}, v.valid_from, {_of('v')} FROM profile_version v "
        f"JOIN customer_profile p ON {_same_record('p', 'v')} AND p.profile_id = v.profile_id "
        f"JOIN source_record r ON {_same_record('r', 'p')} "
        f"WHERE {live} (SELECT customer_id FROM assigned) AND v.valid_from < {_VERSION}",
    )
    run(
        connection,
        f"INSERT INTO told SELECT {profile}, {_VERSION}, {_of('p')} FROM customer_profile p "
        f"JOIN source_record r ON {_same_record('r', 'p')} WHERE {live} (SELECT customer_id FROM told)",
    )
    make(
        connection,
        "span",
        f"SELECT p.*, lead(valid_from) OVER version AS valid_to, row_number() OVER version = 1 AS is_first FROM told p "
        f"WINDOW version AS (PARTITION BY {profile} ORDER BY valid_from)",
    )
    # At each time at which a profile changed: what each of the customer's profiles said.
    holds = "s.valid_from <= t.valid_from"
    newest = f"CASE WHEN {holds} THEN 0 ELSE 1 END, CASE WHEN {holds} THEN s.valid_from END DESC"
    ranks = _ranks("s", "t.customer_id, t.valid_from", f"{newest}, s.valid_from, s.profile_id")
    make(
        connection,
        "described",
        f"SELECT customer_id, valid_from, {_FIRSTS} FROM (SELECT t.customer_id, t.valid_from, {_of('s')}, {ranks} "
        "FROM (SELECT DISTINCT customer_id, valid_from FROM span) t JOIN span s ON s.customer_id = t.customer_id "
        f"AND (s.is_first OR {holds}) AND (s.valid_to IS NULL OR s.valid_to > t.valid_from)) ranked "
        "GROUP BY customer_id, valid_from",
    )
    of_customer = "PARTITION BY customer_id ORDER BY valid_from"
    before = ", ".join(f"lag({name}) OVER customer AS {name}_before" for name in DESCRIBED)
    changes = " OR ".join(f"{name} IS DISTINCT FROM {name}_before" for name in DESCRIBED)
    is_other = " OR ".join(f"p.{name} IS DISTINCT FROM c.{name}" for name in DESCRIBED)
    make(
        connection,
        "past",
        f"SELECT p.customer_id, p.valid_from, p.valid_to, {_of('p')} FROM ("
        f"SELECT customer_id, {_FIELDS}, lead(valid_from) OVER customer AS valid_to, "
        f"CASE WHEN row_number() OVER customer = 1 THEN {_BEFORE_ALL} ELSE valid_from END AS valid_from "
        f"FROM (SELECT d.*, row_number() OVER customer AS place, {before} FROM described d "
        f"WINDOW customer AS ({of_customer})) ordered WHERE place = 1 OR {changes} "
        f"WINDOW customer AS ({of_customer})) p JOIN customer c ON c.customer_id = p.customer_id "
        f"WHERE p.valid_to IS NOT NULL AND ({is_other})",
    )


def _ranks(table: str, within: str, order: str) -> str:
    """SQL: the rank of each field of a table, those that are known first, then in an order."""
    return ", ".join(
        f"row_number() OVER (PARTITION BY {within} "
        f"ORDER BY CASE WHEN {table}.{name} IS NULL THEN 1 ELSE 0 END, {order}) AS {name}_rank"
        for name in DESCRIBED
    )


def _of(table: str) -> str:
    return ", ".join(f"{table}.{name}" for name in DESCRIBED)
