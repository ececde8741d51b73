"""What names the customer in a record: normalised, hashed, and ready for the identity graph."""

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
    """Fill `identifier_met` from the sheet; returns how many values of each namespace could not be used.

    An e-mail address is compared in lower case, a telephone number in E.164 (national ones belong to
    `country`), anything else as it is. A value that is no address, no possible number or no text (U+0000 in it) names
    nobody: the record loads without it, and it is counted. Values that `identity.ignore` lists name nobody either.
    """
    secret = salt(settings)
    unusable: dict[str, int] = {}
    for name in stream.identifiers:
        namespace = qualified(name, system)
        column = identifier(f"identifiers.{name}")
        met = f"(SELECT _row, nullif(trim({column}::VARCHAR), '') AS raw_value FROM sheet)"
        _normalise(database, namespace, country, met)
        ignored = _ignored(database, settings.identity.ignore.get(namespace, ()), namespace, country)
        kept = "identity_value" if settings.identity.store_values == "clear" else "NULL"
        prefix = literal(f"{secret}\x1f{namespace}\x1f")
        database.execute(
            f"INSERT INTO identifier_met SELECT DISTINCT _row, {literal(namespace)}, "
            f"sha256({prefix} || identity_value), {kept} "
            f"FROM {met} JOIN normal USING (raw_value) WHERE identity_value IS NOT NULL "
            f"AND NOT list_contains({literals(ignored)}::VARCHAR[], identity_value)"
        )
        row = database.execute(
            f"SELECT count(*) FROM {met} JOIN normal USING (raw_value) WHERE identity_value IS NULL"
        ).fetchone()
        if row and row[0]:
            unusable[namespace] = int(row[0])
    return unusable


def qualified(name: str, system: str) -> str:
    """The full namespace of a declared identifier."""
    return name if name in ("email", "phone") or "." in name else f"{system}.{name}"


def check(settings: Settings, connection: Connection, stream: Stream) -> None:
    """Whether a stream's identifiers belong to connections that are there, and its telephone numbers to a
    country. Raises ConfigError."""
    for name in stream.identifiers:
        if not name.strip(". ") or name.endswith("."):
            raise ConfigError(f"an identifier's namespace cannot be {name!r}", value=name)
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
            f"no telephone numbers are known of the country {country!r}",
            value=country,
            fix="say country as two letters of ISO 3166-1, of the connection or of the project",
        )


def salt(settings: Settings) -> str:
    """What is keyed into the hashes of identifiers. Raises ConfigError where it is said but not there."""
    return settings.identity.salt.reveal("identity.salt").get_secret_value() if settings.identity.salt else ""


def _ignored(
    database: duckdb.DuckDBPyConnection, values: tuple[str, ...], namespace: str, country: str
) -> list[str]:
    """The values that name nobody, written as identifiers are."""
    if namespace == "phone":
        return [e164(value, country) or value for value in values]
    form = "email(value)" if namespace == "email" else "trim(value)"
    rows = database.execute(
        f"SELECT {form} FROM (SELECT unnest($1::VARCHAR[]) AS value)", [list(values)]
    ).fetchall()
    return [row[0] for row in rows]


def _normalise(database: duckdb.DuckDBPyConnection, namespace: str, country: str, met: str) -> None:
    """Fill `normal` (`raw_value`, `identity_value`): one row per distinct value met."""
    distinct = f"SELECT DISTINCT raw_value FROM {met} WHERE raw_value IS NOT NULL"
    if namespace == "phone":
        # The one library that knows every numbering plan is Python: it sees each distinct number once.
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
    """A telephone number in E.164, or None where it is no possible one."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
