"""The records of a page as they land: those of the window, with what they get from their parent, and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from cxflow.connect.http.answer import Answer, value_of
from cxflow.connect.http.instants import instant
from cxflow.connect.http.stream import Call, Parent, RestStream
from cxflow.errors import CountError, SourceError
from cxflow.model.window import Window


def carried(record: Any, declared: Parent) -> tuple[str, bytes] | None:
    """A parent's key, and what its children get from it, as JSON; None if it has no key, and need not have one."""
    value = value_of(record, declared.key)
    if value in (None, ""):
        if declared.optional:
            return None
        raise SourceError(f"a parent record has no {declared.key}", value=declared.key)
    found: dict[str, Any] = {"key": value}
    found |= {name.rsplit(".", 1)[-1]: value_of(record, name) for name in declared.carries}
    return str(value), json.dumps(found, ensure_ascii=False).encode()


def of_window(records: list[bytes], call: Call, window: Window, overlap: timedelta) -> list[bytes]:
    """The records that changed in the window, or do not say when; all, where the service filters itself."""
    if call.changed is None:
        return records
    start = None if window.start is None or call.filters_start else window.start - overlap
    known = [instant(value_of(record, call.changed)) for record in records]
    return [
        record
        for record, at in zip(records, known, strict=True)
        if at is None or ((start is None or start <= at) and at < window.end)
    ]


def with_parent(records: list[bytes], places: Mapping[str, Any]) -> list[bytes]:
    """The records with what they get from their parent, put in front of their own fields."""
    carried = places.get("_carried")
    if carried is None or len(places["parents"]) > 1:
        return records
    return [
        b'{"_parent":' + carried + (b"," if record[1:].strip() != b"}" else b"") + record[1:]
        for record in records
    ]


def said(stream: RestStream, call: Call, answer: Answer, origin: str, came: int) -> int:
    """How many records a page has, as it says itself where it does. Raises CountError if it has more or fewer."""
    said = None if call.says is None else answer.value(call.says)
    if isinstance(said, int) and said != came:
        raise CountError(
            f"a page of {origin} says that it has {said:,} records, and has {came:,}", stream=stream.name
        )
    return came
