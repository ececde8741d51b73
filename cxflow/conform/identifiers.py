"""Normalises and hashes the identifiers that name the customer of a record, for the identity graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import duckdb
import phonenumbers

from cxflow.conform import phone_numbers, placeholders
from cxflow.conform.plain_ids import plain
from cxflow.duck import count, identifier, literal, literals
from cxflow.errors import ConfigError
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings, nearest

_EMAIL = r"[^@\s,;\x00]+@[^@\s,;\x00]+\.[^@\s.,;\x00]+"
_HASH = "CAST(substr(sha256({}), 1, 32) AS UUID)"
"""SQL: 128 bits of SHA-256, in 16 bytes."""
_JUDGED_RECORDS = 100
"""Of fewer records, the share of one value says little."""
_PLAIN_EMAIL = r"[a-z0-9._+-]+@[a-z0-9.-]+\.[a-z0-9-]+"
"""Most addresses: as they are, they are what the macro `email` makes of them."""


def collect(
    database: duckdb.DuckDBPyConnection,
    settings: Settings,
    stream: Stream,
    *,
    system: str,
    country: str,
) -> dict[str, dict[str, Any]]:
    """Fill `identifier_seen` from the wide table; returns what the load's report should say of them.

    E-mail addresses are compared in lower case, phone numbers in E.164 (national ones are read as of `country`),
    anything else as it is. Of a list, each item is one. A value that is not an address or a valid number, or that
    contains U+0000, is unusable: the record loads without it. So are placeholders (`0`, `unknown`, `noreply@`), which
    are counted by themselves, and values in `identity.ignore`, which are not. A value in a large share of the records
    is reported: how many have it, and how many have one at all.
    """
    secret = salt(settings)
    unusable: dict[str, int] = {}
    placed: dict[str, int] = {}
    frequent: dict[str, list[int]] = {}
    lists = _lists(database, stream)
    for name in stream.identifiers:
        namespace = qualified(name, system)
        value = identifier(f"identifiers.{name}")
        given = (
            f"SELECT DISTINCT _row, unnest({lists[name]}) AS given FROM wide"
            if name in lists
            else f"SELECT _row, {value} AS given FROM wide"
        )
        present = (
            f"SELECT _row, {plain('given', 'VARCHAR')} AS raw_value FROM ({given}) WHERE trim(given) <> ''"
        )
        normal = (
            phone_numbers.normalised(database, country, present)
            if namespace == "phone"
            else f"SELECT _row, {_usable(namespace)} AS identity_value FROM ({present})"
        )
        # A table, because DuckDB would evaluate the value twice: once to select the rows, once for their hash.
        database.execute(f"CREATE OR REPLACE TEMP TABLE normal AS {normal}")
        is_placeholder = "false"
        if settings.identity.placeholders:
            is_placeholder = placeholders.is_placeholder(namespace, "identity_value")
        ignored = _ignored(database, settings.identity.ignore.get(namespace, ()), namespace, country)
        kept = "identity_value" if settings.identity.store_values == "clear" else "NULL"
        is_ignored = f"list_contains({literals(ignored)}::VARCHAR[], identity_value)"
        prefix = literal(f"{secret}\x1f{namespace}\x1f")
        database.execute(
            f"INSERT INTO identifier_seen SELECT {'DISTINCT ' if name in lists else ''}_row, {literal(namespace)}, "
            f"{_HASH.format(f'{prefix} || identity_value')}, {kept} FROM normal WHERE identity_value IS NOT NULL "
            f"AND NOT {is_placeholder} AND NOT {is_ignored}"
        )
        if found := count(database, f"normal WHERE {is_placeholder} AND NOT {is_ignored}"):
            placed[namespace] = found
        if found := count(database, "normal WHERE identity_value IS NULL"):
            unusable[namespace] = found
        most, records = _most_frequent(database, namespace)
        if records >= _JUDGED_RECORDS and most > settings.identity.max_share / 2 * records:
            frequent[namespace] = [most, records]
    _pair_weak(database, [qualified(name, system) for name in stream.identifiers], settings.identity.weak)
    return {"unusable_identifiers": unusable, "placeholders": placed, "frequent_identifiers": frequent}


def _lists(database: duckdb.DuckDBPyConnection, stream: Stream) -> dict[str, str]:
    """The identifiers that are lists, or texts some of which are lists in JSON, to the SQL of the list. Raises
    ConfigError for one that is an object, or a list of them."""
    if not stream.identifiers:
        return {}
    names = {name: identifier(f"identifiers.{name}") for name in stream.identifiers}
    rows = database.execute(f"DESCRIBE SELECT {', '.join(names.values())} FROM wide").fetchall()
    kinds = {row[0].removeprefix("identifiers."): str(row[1]) for row in rows}
    found = {}
    for name, kind in kinds.items():
        if kind.startswith(("STRUCT", "MAP")) or kind.endswith("[][]"):
            raise ConfigError(
                f"identifiers.{name} is {'a list of objects or lists' if kind.endswith('[]') else 'an object'}",
                value=name,
                fix="name the value in it, such as list_transform(contacts, c -> c.email)",
            )
        if kind.endswith("[]"):
            found[name] = names[name]
        elif kind in ("VARCHAR", "JSON"):
            text = f"{names[name]}::VARCHAR"
            is_list = f"(starts_with({text}, '[') AND json_valid({text}))"
            if count(database, f"wide WHERE {is_list}"):
                found[name] = (
                    f"CASE WHEN {is_list} THEN json_extract_string({text}, '$[*]') ELSE [{text}] END"
                )
    return found


def _most_frequent(database: duckdb.DuckDBPyConnection, namespace: str) -> tuple[int, int]:
    """How many records have the most frequent value, and how many have one at all."""
    row = database.execute(
        "SELECT coalesce(max(records), 0), coalesce(sum(records), 0) FROM (SELECT count(*) AS records "
        f"FROM identifier_seen WHERE namespace = {literal(namespace)} GROUP BY identity_hash)"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _pair_weak(database: duckdb.DuckDBPyConnection, namespaces: Sequence[str], weak: Sequence[str]) -> None:
    """Add the pairs of weak identifiers in a record, which link where one alone does not: `phone+crm.address`."""
    for one, other in combinations(sorted(set(namespaces) & set(weak)), 2):
        pair = _HASH.format("one.identity_hash::VARCHAR || other.identity_hash::VARCHAR")
        database.execute(
            f"INSERT INTO identifier_seen SELECT one._row, {literal(f'{one}+{other}')}, {pair}, NULL "
            "FROM identifier_seen one JOIN identifier_seen other ON other._row = one._row "
            f"WHERE one.namespace = {literal(one)} AND other.namespace = {literal(other)}"
        )


def qualified(name: str, system: str) -> str:
    """The full namespace of a declared identifier."""
    return name if name in ("email", "phone") or "." in name else f"{system}.{name}"


def check(settings: Settings, connection: Connection, stream: Stream) -> None:
    """Check that a stream's identifiers belong to configured connections and its phone numbers to a known country.
    Raises ConfigError."""
    for name in stream.identifiers:
        if not name.strip(". ") or name.endswith("."):
            raise ConfigError(f"{name!r} is not a valid namespace for an identifier", value=name)
        system, dot, _ = qualified(name, connection.name).partition(".")
        if dot and system not in settings.connections:
            raise ConfigError(
                f"the identifier {name!r} belongs to a connection {system!r}, which is not configured"
                f"{nearest(system, settings.connections)}",
                value=name,
            )
    country = connection.country or settings.project.country
    if "phone" in stream.identifiers and country not in phonenumbers.SUPPORTED_REGIONS:
        raise ConfigError(
            f"no phone numbers are known for the country {country!r}",
            value=country,
            fix="set country, of the connection or the project, to a two-letter code of ISO 3166-1",
        )


def salt(settings: Settings) -> str:
    """The salt of identifier hashes; empty if none is configured. Raises ConfigError if it cannot be read."""
    return settings.identity.salt.reveal("identity.salt").get_secret_value() if settings.identity.salt else ""


def _ignored(
    database: duckdb.DuckDBPyConnection, values: tuple[str, ...], namespace: str, country: str
) -> list[str]:
    """The values of `identity.ignore`, normalised like identifiers."""
    if namespace == "phone":
        return [phone_numbers.e164(value, country) or value for value in values]
    form = "email(value)" if namespace == "email" else "trim(value)"
    rows = database.execute(
        f"SELECT {form} FROM (SELECT unnest($1::VARCHAR[]) AS value)", [list(values)]
    ).fetchall()
    return [row[0] for row in rows]


def _usable(namespace: str) -> str:
    """SQL: the value of `raw_value` by which identifiers are compared; null if it is unusable."""
    if namespace == "email":
        return (
            f"CASE WHEN regexp_full_match(raw_value, {literal(_PLAIN_EMAIL)}) THEN raw_value "
            f"WHEN regexp_full_match(email(raw_value), {literal(_EMAIL)}) THEN email(raw_value) END"
        )
    return "CASE WHEN NOT contains(raw_value, chr(0)) THEN raw_value END"
