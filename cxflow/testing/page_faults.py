"""Faults of an answer's content: pages that come again, cursors that lead back, fields that change.

They find the records of an answer by themselves: the first list of objects, the outermost first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cxflow.testing.faults import Exchange, Fault, Send, passed_on

Record = dict[str, Any]
Edit = Callable[[list[Record], Exchange], list[Record]]
NEW_FIELD = "_a_field_that_is_new"


def records_of(document: Any) -> list[Record] | None:
    """The list of records in an answer, itself; None if there is none."""
    level = [document]
    while level:
        for each in level:
            if isinstance(each, list) and each and all(isinstance(item, dict) for item in each):
                return each
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(inner, dict | list)
        ]
    return None


def _document(met: Exchange | None) -> Any:
    """The answer as JSON; None if it is none, or no success."""
    if met is None or not 200 <= met.status < 300:
        return None
    try:
        return json.loads(met.body)
    except ValueError:
        return None


def edited(edit: Edit) -> Fault:
    """Changes the records of each answer."""

    async def fault(met: Exchange, send: Send) -> None:
        document = _document(met)
        found = records_of(document)
        if found is None:
            await passed_on(met, send)
            return
        found[:] = edit(list(found), met)
        await passed_on(met, send, body=met.replaced(document))

    return fault


async def repeated(met: Exchange, send: Send) -> None:
    """The first page comes again, for every later page."""
    first = met.first if met.first is not None and records_of(_document(met.first)) else None
    await passed_on(met, send, body=None if first is None else first.body)


async def led_back(met: Exchange, send: Send) -> None:
    """The records are right, and what stands around them is the first page's: so is the cursor to the next page."""
    here, first = _document(met), _document(met.first)
    if records_of(here) is None or records_of(first) is None:
        await passed_on(met, send)
        return
    await passed_on(met, send, body=met.replaced(_around(first, here)))


def _around(before: Any, here: Any) -> Any:
    """A document with the lists of `here`, and all else as in `before`."""
    if isinstance(here, list):
        return here
    if isinstance(here, dict) and isinstance(before, dict):
        return {name: _around(before.get(name), item) for name, item in {**before, **here}.items()}
    return before if not isinstance(here, dict) else here


def _shifted(records: list[Record], met: Exchange) -> list[Record]:
    """A record was added in front meanwhile: the page begins with the last record of the page before."""
    before = records_of(_document(met.before))
    return [*before[-1:], *records] if before else records


def linked(address: str) -> Fault:
    """Every link of the service to itself leads to another host."""

    async def fault(met: Exchange, send: Send) -> None:
        host = met.asked_headers.get(b"host", b"").decode()
        body = met.body.replace(f"http://{host}".encode(), address.encode())
        await passed_on(met, send, body=body)

    return fault


def without(name: str) -> Fault:
    """A field is gone from every record."""
    return edited(
        lambda records, _: [{key: record[key] for key in record if key != name} for record in records]
    )


def retyped(name: str) -> Fault:
    """A field is an object now."""
    return edited(
        lambda records, _: [
            {**record, **({name: {"value": record[name]}} if name in record else {})} for record in records
        ]
    )


def with_new_field() -> Fault:
    """Every record has a field more."""
    return edited(lambda records, _: [{**record, NEW_FIELD: "a value"} for record in records])


twice = edited(lambda records, _: [record for record in records for _ in (1, 2)])
"""Every record comes twice."""

shifted = edited(_shifted)
"""Each page begins with the last record of the page before."""

twice_and_more = edited(
    lambda records, met: [
        {**record, NEW_FIELD: "a value"} for record in _shifted(records, met) for _ in (1, 2)
    ]
)
"""Every record comes twice, pages overlap, and there is a new field."""

CONTENT: dict[str, Fault] = {
    "a page that comes again": repeated,
    "a cursor that leads back": led_back,
    "records that come twice": twice,
    "pages that shift": shifted,
    "a new field": with_new_field(),
}
"""Faults of content: every record lands, or the pull ends with an error that says why."""
