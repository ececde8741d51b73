"""Infers the types of all-null JSON columns and empty lists from the mapping. Called by `batch`.

A stream's first batch may hold no return, no assignee and no comment at all: `returns` is then null or `[]`, and
`item.at` could not be resolved. The inferred types serve this batch only; the known raw schema does not keep them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cxflow import record_sql
from cxflow.conform.projection import record_expressions
from cxflow.model.raw_schema import RawSchema
from cxflow.model.stream import Stream

_UNSEEN: tuple[Any, ...] = ("NULL", {})

_Place = tuple[Any, Any]
"""A place within a raw schema: a container, and a key in it."""


def with_unseen(schema: RawSchema, stream: Stream) -> RawSchema:
    """The schema, with an object or a list wherever the mapping needs one and none has been seen."""
    inference = _Inference(json.loads(json.dumps(schema)))
    for sql in record_expressions(stream).values():
        inference.learn(_tree(sql), {})
    for projection in (item for items in stream.to.values() for item in items):
        names: dict[str, _Place] = {}
        if projection.for_each:
            listed = _tree(projection.for_each)
            inference.learn(listed, {})
            if item := inference.item_of(listed, {}):
                names["item"] = item
        for expression in (*projection.columns.values(), projection.where or "true"):
            inference.learn(_tree(expression), names)
    return inference.schema


def _tree(sql: str) -> Any:
    """What DuckDB's parser makes of an expression. It is shared: nothing here changes it."""
    return record_sql.parse("mapping", sql).tree


class _Inference:
    """A raw schema that grows with the expressions it learns from."""

    def __init__(self, schema: RawSchema) -> None:
        self.schema = schema
        self._made: list[dict[str, Any]] = []

    def learn(self, node: Any, names: dict[str, _Place]) -> None:
        """Add what a parsed expression needs. `names` maps the names of list items to their places."""
        if isinstance(node, dict):
            if node.get("class") == "COLUMN_REF":
                self._place(node["column_names"], names)
            names = names | dict(self._named(node, names))
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self.learn(inner, names)

    def item_of(self, node: Any, names: dict[str, _Place]) -> _Place | None:
        """The place of a list's items, if the list is a column or a filter of one."""
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
        """The parameter of a function's lambda, and the place of the list items it stands for."""
        match node.get("children"):
            case [listed, {"class": "LAMBDA", "lhs": {"column_names": [name]}}, *_]:
                if item := self.item_of(listed, names):
                    yield name, item

    def _place(self, path: list[str], names: dict[str, _Place]) -> _Place | None:
        """The place of a dotted name; its parents are added if nothing is known of them."""
        first, *rest = path
        place = names.get(first) or ((self.schema, first) if first in self.schema else None)
        for name in rest:
            if place is None:
                return None
            container, key = place
            if container[key] in _UNSEEN:
                container[key] = {}
                self._made.append(container[key])
            inner = container[key]
            if any(inner is made for made in self._made):
                inner.setdefault(name, "NULL")
            place = (inner, name) if isinstance(inner, dict) and name in inner else None
        return place
