"""Sorts JSON records by their form, with all of DuckDB's threads: which keys their objects have, outside of lists, and
what stands at some places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from cxflow.duck import literals
from cxflow.landing.shape import MIXED, SCALAR, InexpressibleError
from cxflow.model.raw_schema import json_step


@dataclass(frozen=True, slots=True)
class Form:
    """What some records have in common. Places are JSON paths."""

    number: int
    """A hash of the rest."""
    keys: dict[str, list[str]]
    """By place of an object, in their order."""
    kinds: dict[str, str | None]
    """By place, DuckDB's word for what stands there; None if nothing does."""

    @property
    def repeated(self) -> set[str]:
        """The places of objects that have a key twice."""
        return {place for place, keys in self.keys.items() if len(keys) != len(set(keys))}

    def is_of(self, shapes: dict[str, Any]) -> bool:
        """Whether records of this form are of a shape, given by place."""
        return all(set(keys) <= shapes[place].keys() for place, keys in self.keys.items()) and all(
            kind in (None, "NULL", "OBJECT" if isinstance(shapes[place], dict) else None)
            for place, kind in self.kinds.items()
        )


@dataclass(frozen=True, slots=True)
class Places:
    """The places by which forms are told apart."""

    objects: tuple[str, ...]
    """Where keys are looked at."""
    others: tuple[str, ...] = ()
    """Where it matters what stands there."""

    def forms(self, database: duckdb.DuckDBPyConnection, records: str, most: int | None = None) -> list[Form]:
        """The forms of the records (`_payload`) of a relation, or `most` of them."""
        rows = database.execute(
            f"SELECT form, any_value(keys), any_value(kinds) FROM {self._told_apart(records)} "
            f"GROUP BY form {'' if most is None else f'LIMIT {most}'}"
        ).fetchall()
        return [
            Form(
                number,
                {place: met or [] for place, met in zip(self.objects, keys, strict=True)},
                dict(zip(self.others, kinds, strict=True)),
            )
            for number, keys, kinds in rows
        ]

    def one_of_each(self, forms: Sequence[Form], records: str) -> str:
        """A query for one record (`record`) of each form."""
        numbers = ", ".join(str(form.number) for form in forms)
        return (
            f"SELECT any_value(_payload) AS record FROM {self._told_apart(records)} "
            f"WHERE form IN ({numbers}) GROUP BY form ORDER BY form"
        )

    def _told_apart(self, records: str) -> str:
        keys = f"json_keys(_payload, {literals(self.objects)})"
        kinds = f"json_type(_payload, {literals(self.others)})" if self.others else "[]"
        # By their hash: to tell lists apart takes longer than to make them.
        return (
            f"(SELECT {keys} AS keys, {kinds} AS kinds, hash(keys, kinds) AS form, _payload FROM {records})"
        )


def places_of(shape: Any, place: str = "$") -> Iterator[tuple[str, Any]]:
    """The places of a shape where forms may differ, each with what it expects there: those of objects, and of what was
    nothing but null. Plain values and mixtures are texts whatever comes. Raises InexpressibleError if no path leads to
    one, or if it is a list."""
    yield place, shape
    for name, inner in shape.items() if isinstance(shape, dict) else ():
        if inner in (SCALAR, MIXED):
            continue
        if isinstance(inner, list) or not name or not (step := json_step(name)):
            raise InexpressibleError
        yield from places_of(inner, f"{place}{step}")
