"""Compares the source's own list with the warehouse: nothing lost, nothing twice, the books balanced.

What must be there is worked out from the source's records (`fault_shop.truth`); customers and KPIs are compared
with those of a run that nothing disturbed.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fault_shop
import sqlalchemy as sa

from cxflow.connect.files.known_files import KnownFiles, digest_of
from cxflow.settings import Settings
from cxflow.warehouse import tables, transactions

OF_A_LOAD = {
    "run_id",
    "loaded_at",
    "as_of",
    "batch_id",
    "closed_at",
    "since",
    "complete_until",
    "restated_because",
    "cause",
}
"""Columns that say which load it was, and when."""
OF_RUNS = {"load_run", "stream_state"}
"""Tables that say how often somebody ran: they are checked for themselves."""

State = dict[str, str]
"""Table to a hash of what it holds, apart from when and by which load."""


@dataclass
class Findings:
    """What is wrong with a warehouse, in words; all empty where nothing is."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)


def state(settings: Settings) -> State:
    """What the warehouse holds."""
    found = {}
    with transactions.transaction(settings) as connection:
        for name, table in tables.metadata.tables.items():
            # When a refusal was first seen is about the load; when a customer was, is about the customer.
            left_out = OF_A_LOAD | ({"first_seen_at"} if name == "quarantine" else set())
            columns = [column for column in table.columns if column.name not in left_out]
            if name not in OF_RUNS:
                rows = sorted(_told(row) for row in connection.execute(sa.select(*columns)))
                found[name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return found


def _told(row: sa.Row[Any]) -> str:
    """A row as text; numbers rounded, for an engine adds in any order, and what cancels out but for that is 0."""
    return repr([_rounded(value) for value in row])


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return f"{round(value, 9) + 0.0:.9g}" if isinstance(value, float) else value


def check(settings: Settings, source: Path, day: int, undisturbed: State | None = None) -> Findings:
    """Everything that can be wrong after the run of a day."""
    truth = fault_shop.truth(day)
    with transactions.transaction(settings) as connection:
        found = Findings(
            lost=list(_lost(connection, truth)),
            duplicated=[*_invented(connection, truth), *_repeated(connection)],
            unbalanced=[*_unbalanced(connection, truth), *_astray(connection, settings, source, day)],
        )
    if undisturbed is not None:
        now = state(settings)
        found.unbalanced += [
            f"{name} is not what it is undisturbed" for name in now if now[name] != undisturbed[name]
        ]
    return found


def _rows(connection: sa.Connection, sql: str) -> list[Any]:
    return list(connection.execute(sa.text(sql)))


def _names(connection: sa.Connection, sql: str) -> set[str]:
    return {row[0] for row in _rows(connection, sql)}


def _scores(connection: sa.Connection) -> dict[str, int]:
    rows = _rows(
        connection, "SELECT source_record_id, rating_value FROM survey_response WHERE NOT is_deleted"
    )
    return {row[0]: int(row[1]) for row in rows}


def _lost(connection: sa.Connection, truth: fault_shop.Truth) -> Iterator[str]:
    scores = _scores(connection)
    for name, score in truth.kept.items():
        if scores.get(name) != score:
            yield f"{name} is {scores.get(name)}, the source says {score}"
    gone = _names(connection, "SELECT source_record_id FROM source_record WHERE is_deleted")
    for name in truth.deleted - gone:
        yield f"{name} is not known to be deleted"
    refused = _names(connection, "SELECT source_record_id FROM quarantine WHERE status = 'open'")
    for name in truth.refused - refused:
        yield f"{name} was refused, and is not in quarantine"


def _invented(connection: sa.Connection, truth: fault_shop.Truth) -> Iterator[str]:
    for name in _scores(connection).keys() - truth.kept.keys():
        yield f"{name} has a row, the source has no such record"
    repeated = (
        "SELECT source_record_id, count(*) FROM touchpoint GROUP BY source_record_id HAVING count(*) > 1"
    )
    for name, count in _rows(connection, repeated):
        yield f"{name} has {count} touchpoints"


def _repeated(connection: sa.Connection) -> Iterator[str]:
    for table, key in tables.KEYS.items():
        columns = ", ".join(key)
        if _rows(connection, f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1"):
            yield f"the key of {table} is not unique"


def _unbalanced(connection: sa.Connection, truth: fault_shop.Truth) -> Iterator[str]:
    parts = ("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")
    loads = "FROM load_run WHERE status = 'loaded'"
    if _rows(connection, f"SELECT run_id {loads} AND extracted <> {' + '.join(parts)}"):
        yield "a load does not account for its records"
    [(lines, inserted)] = _rows(connection, f"SELECT sum(extracted), sum(inserted) {loads}")
    # A file is read once, however often a run had to begin anew.
    if lines != truth.lines:
        yield f"the ledger has {lines} lines, the source {truth.lines}"
    registered = _names(connection, "SELECT source_record_id FROM source_record")
    if registered != {*truth.kept, *truth.deleted} or inserted != len(registered):
        yield f"{inserted} records were inserted, {len(registered)} are registered"
    if registered != _names(connection, "SELECT source_record_id FROM touchpoint"):
        yield "the registry and the touchpoints are not of the same records"
    for name in ("pending_identity", "pending_kpi"):
        if _rows(connection, f"SELECT * FROM {name} LIMIT 1"):
            yield f"{name} is not empty"


def _astray(connection: sa.Connection, settings: Settings, source: Path, day: int) -> Iterator[str]:
    """Whether the cursor says what is loaded, no more and no less."""
    query = "SELECT s.cursor, s.position, r.status FROM stream_state s LEFT JOIN load_run r ON r.run_id = s.run_id"
    [(cursor, position, status)] = _rows(connection, query)
    if settings.connections[fault_shop.CONNECTION]["connector"] == "fault_pages":
        if json.loads(cursor) != {"until": fault_shop.end(day).isoformat()}:
            yield "the cursor is not what the service gave"
    else:
        files = [fault_shop.file(source, each) for each in range(day + 1)]
        read = {
            path: known.digest
            for path, known in KnownFiles(
                json.loads(cursor), json.loads(cursor).get("settings", "")
            ).files.items()
        }
        if read != {str(file): digest_of(io.BytesIO(file.read_bytes())) for file in files}:
            yield "the cursor does not hold the files that are loaded"
    if position != fault_shop.end(day) or status != "loaded":
        yield f"the cursor stands at {position}, set by a load that is {status}"
