"""Normalises and hashes the identifiers that name the customer of a record, for the identity graph."""

from __future__ import annotations

import duckdb
import phonenumbers
import pyarrow as pa

from cxflow.duck import identifier, literal, literals
from cxflow.errors import ConfigError
from cxflow.model.stream import Stream
from cxflow.settings import Connection, Settings, nearest

_EMAIL = r"[^@\s,;\x00]+@[^@\s,;\x00]+\.[^@\s.,;\x00]+"


def collect(
    database: duckdb.DuckDBPyConnection,
    settings: Settings,
    stream: Stream,
    *,
    system: str,
    country: str,
) -> dict[str, int]:
    """Fill `identifier_seen` from the wide table; returns the number of unusable values by namespace.

    E-mail addresses are compared in lower case, phone numbers in E.164 (national ones are read as of `country`),
    anything else as it is. A value that is not an address or a possible number, or that contains U+0000, is unusable:
    the record loads without it. Values in `identity.ignore` are skipped, too, but not counted.
    """
    secret = salt(settings)
    unusable: dict[str, int] = {}
    for name in stream.identifiers:
        namespace = qualified(name, system)
        column = identifier(f"identifiers.{name}")
        seen = f"(SELECT _row, nullif(trim({column}::VARCHAR), '') AS raw_value FROM wide)"
        _normalise(database, namespace, country, seen)
        ignored = _ignored(database, settings.identity.ignore.get(namespace, ()), namespace, country)
        kept = "identity_value" if settings.identity.store_values == "clear" else "NULL"
        prefix = literal(f"{secret}\x1f{namespace}\x1f")
        database.execute(
            f"INSERT INTO identifier_seen SELECT DISTINCT _row, {literal(namespace)}, "
            f"sha256({prefix} || identity_value), {kept} "
            f"FROM {seen} JOIN normal USING (raw_value) WHERE identity_value IS NOT NULL "
            f"AND NOT list_contains({literals(ignored)}::VARCHAR[], identity_value)"
        )
        row = database.execute(
            f"SELECT count(*) FROM {seen} JOIN normal USING (raw_value) WHERE identity_value IS NULL"
        ).fetchone()
        if row and row[0]:
            unusable[namespace] = int(row[0])
    return unusable


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
        return [e164(value, country) or value for value in values]
    form = "email(value)" if namespace == "email" else "trim(value)"
    rows = database.execute(
        f"SELECT {form} FROM (SELECT unnest($1::VARCHAR[]) AS value)", [list(values)]
    ).fetchall()
    return [row[0] for row in rows]


def _normalise(database: duckdb.DuckDBPyConnection, namespace: str, country: str, seen: str) -> None:
    """Fill `normal` (`raw_value`, `identity_value`): one row per distinct value of the relation `seen`."""
    distinct = f"SELECT DISTINCT raw_value FROM {seen} WHERE raw_value IS NOT NULL"
    if namespace == "phone":
        # Only a Python library knows every numbering plan; it parses each distinct number once.
        numbers = [row[0] for row in database.execute(distinct).fetchall()]
        normal = pa.table(
            {
                "raw_value": pa.array(numbers, pa.string()),
                "identity_value": pa.array([e164(number, country) for number in numbers], pa.string()),
            }
        )
        database.register("numbers", normal)
        database.execute("CREATE OR REPLACE TEMP TABLE normal AS SELECT * FROM numbers")
        database.unregister("numbers")
        return
    value = "CASE WHEN NOT contains(raw_value, chr(0)) THEN raw_value END"
    if namespace == "email":
        value = f"CASE WHEN regexp_full_match(email(raw_value), {literal(_EMAIL)}) THEN email(raw_value) END"
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE normal AS SELECT raw_value, {value} AS identity_value FROM ({distinct})"
    )


def e164(number: str, country: str) -> str | None:
    """A phone number in E.164; None if it is not a possible one."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
