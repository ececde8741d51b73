"""Reads streams in memory, in one go or broken off, without landing anything. Called by the conformance suite."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import duckdb

from cxflow.model.reading import Checkpoint, Count, Cursor, Item, Page, Query, Reading

_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_PHONE = re.compile(r"\+[1-9][0-9]{7,14}")


@dataclass
class Pulled:
    """What a reading gave."""

    records: list[str] = field(default_factory=list)
    """Records and rejects as JSON texts, in their order."""
    counted: int | None = None
    """The independent count, rejects included; None if there was none."""
    checkpoints: list[tuple[int, Checkpoint]] = field(default_factory=list)
    """Each with the number of records before it."""
    delivered: set[datetime] = field(default_factory=set)
    """When the source delivered the records."""
    cursor: Cursor = field(default_factory=dict)

    @property
    def sorted(self) -> list[str]:
        """Its records in an order of their own, for comparison."""
        return sorted(self.records)


def pull(reading: Reading, checkpoints: int | None = None) -> Pulled:
    """Read to the end, or break off after so many checkpoints."""
    found = Pulled()
    with closing(reading):
        try:
            item = next(reading)
            while True:
                try:
                    _keep(found, item)
                except duckdb.Error as problem:
                    item = reading.throw(problem)
                    continue
                if checkpoints is not None and len(found.checkpoints) == checkpoints:
                    return found
                item = next(reading)
        except StopIteration as end:
            found.cursor = end.value or {}
    return found


def _keep(found: Pulled, item: Item) -> None:
    match item:
        case Page():
            found.records += [_text(record) for record in item.records]
            found.records += [_text({"_rejected": _text(reject.payload)}) for reject in item.rejects]
            found.delivered.add(item.received_at)
            if item.checkpoint is not None:
                found.checkpoints.append((len(found.records), json.loads(json.dumps(item.checkpoint))))
        case Query():
            relation = item.database.execute(item.sql)
            names = [column[0] for column in relation.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
            item.landed = len(rows)
            for row in rows:
                if isinstance(at := row.pop("_received_at", None), datetime):
                    found.delivered.add(at)
                payload = row.get("_payload")
                found.records.append(payload if isinstance(payload, str) else _text(row))
        case Count():
            found.counted = (found.counted or 0) + item.records


def _text(record: Mapping[str, Any] | bytes | str) -> str:
    if isinstance(record, bytes):
        return record.decode("utf-8", "backslashreplace")
    return record if isinstance(record, str) else json.dumps(record, default=str, sort_keys=True)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The plain values of a document with their dotted paths; lists add nothing to a path."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from leaves(inner, f"{path}.{name}" if path else name)
        case list():
            for inner in value:
                yield from leaves(inner, path)
        case _:
            yield path, value


def documents(records: list[str]) -> Iterator[Any]:
    """The records that are JSON."""
    for record in records:
        try:
            yield json.loads(record)
        except ValueError:
            continue


def values_at(records: list[str], tagged: str) -> set[str]:
    """The texts at a dotted path; below it, only what is personal by its look: an object has names and keys, too."""
    return {
        str(value)
        for document in documents(records)
        for path, value in leaves(document)
        if value is not None and (path == tagged or (path.startswith(f"{tagged}.") and looks_personal(value)))
    }


def looks_personal(value: Any) -> bool:
    """Whether a value is an e-mail address or a telephone number."""
    return isinstance(value, str) and bool(_EMAIL.fullmatch(value) or _PHONE.fullmatch(value))


def turning_points(found: Pulled, end: datetime, most: int = 4) -> list[datetime]:
    """Instants at which something of a reading lies, before `end`: the middle one of each field with times, and of the
    deliveries; those with most records first."""
    by_field: dict[str, Counter[datetime]] = {"": Counter(found.delivered)}
    for document in documents(found.records):
        for path, value in leaves(document):
            if (at := _instant(value)) is not None:
                by_field.setdefault(path, Counter())[at] += 1
    points: Counter[datetime] = Counter()
    for counter in by_field.values():
        known = sorted(at for at in counter if _EARLIEST < at < min(end, _LATEST))
        if known:
            points[known[len(known) // 2]] += counter[known[len(known) // 2]]
            tied = max(known, key=lambda at: counter[at])
            points[tied] += counter[tied]
    return sorted(at for at, _ in points.most_common(most))


def _instant(value: Any) -> datetime | None:
    """A value as a time, if it is written as one."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value > 1e11 else value
            return datetime.fromtimestamp(seconds, UTC) if seconds > 6e8 else None
        if not isinstance(value, str) or len(value) < 10:
            return None
        at = datetime.fromisoformat(value) if value[:4].isdigit() else parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
