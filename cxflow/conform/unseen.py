"""Gives a form to raw columns of which nothing but nulls and empty lists has been met yet, from how the
mapping speaks of them. Called by `batch` for JSON.

A stream's first batch may hold no return, no assignee, no comment at all: `returns` is then a null or `[]`,
and `item.at` would have nothing to stand on. What is made here is for reading alone; it does not become known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from cxflow.conform.projection import record_expressions
from cxflow.model.raw_schema import RawSchema
from cxflow.model.stream import Stream

_UNSEEN: tuple[Any, ...] = ("NULL", {})

_Place = tuple[Any, Any]
"""A form within a shape: its container, and its key there."""


def with_unseen(shape: RawSchema, stream: Stream) -> RawSchema:
    """The shape, with an object or a list wherever the mapping needs one and nothing is known."""
    forms = _Forms(json.loads(json.dumps(shape)))
    with duckdb.connect() as database:
        for sql in record_expressions(stream).values():
            forms.speak(_parsed(database, sql), {})
        for projection in (item for items in stream.to.values() for item in items):
            names: dict[str, _Place] = {}
            if projection.for_each:
                listed = _parsed(database, projection.for_each)
                forms.speak(listed, {})
                if item := forms.item_of(listed, {}):
                    names["item"] = item
            for expression in (*projection.columns.values(), projection.where or "true"):
                forms.speak(_parsed(database, expression), names)
    return forms.shape


def _parsed(database: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = database.execute("SELECT json_serialize_sql($1)", [f"SELECT ({sql}) FROM raw"]).fetchone()
    return json.loads(row[0])["statements"][0]["node"]["select_list"][0] if row else {}


class _Forms:
    """A shape that learns from expressions."""

    def __init__(self, shape: RawSchema) -> None:
        self.shape = shape
        self._made: list[dict[str, Any]] = []

    def speak(self, node: Any, names: dict[str, _Place]) -> None:
        """Make what a parsed expression needs; `names` are those of items."""
        if isinstance(node, dict):
            if node.get("class") == "COLUMN_REF":
                self._place(node["column_names"], names)
            names = names | dict(self._named(node, names))
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self.speak(inner, names)

    def item_of(self, node: Any, names: dict[str, _Place]) -> _Place | None:
        """The form of the items of a list, where it is a column or what a filter leaves of one."""
        if node.get("function_name") in ("list_filter", "filter", "array_filter"):
            return self.item_of(node["children"][0], names)
        place = self._place(node["column_names"], names) if node.get("class") == "COLUMN_REF" else None
        if place is None:
            return None
        container, key = place
        if container[key] in _UNSEEN:
            container[key] = ["NULL"]
        return (container[key], 0) if isinstance(container[key], list) else None

    def _named(self, node: dict[str, Any], names: dict[str, _Place]) -> Iterator[tuple[str, _Place]]:
        """What a function's lambda calls the items of its list."""
        match node.get("children"):
            case [listed, {"class": "LAMBDA", "lhs": {"column_names": [name]}}, *_]:
                if item := self.item_of(listed, names):
                    yield name, item

    def _place(self, path: list[str], names: dict[str, _Place]) -> _Place | None:
        """Where a dotted name stands; made where nothing is known of what it stands in."""
        first, *rest = path
        place = names.get(first) or ((self.shape, first) if first in self.shape else None)
        for part in rest:
            if place is None:
                return None
            container, key = place
            if container[key] in _UNSEEN:
                container[key] = {}
                self._made.append(container[key])
            form = container[key]
            if any(form is made for made in self._made):
                form.setdefault(part, "NULL")
            place = (form, part) if isinstance(form, dict) and part in form else None
        return place
