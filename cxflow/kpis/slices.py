"""Which values of a dimension have cells of their own, and how those are called. The others share one, `(other)`.

Of each KPI and dimension, the values with the most observations over all time keep their name, at most
`kpis.max_values` of them; of two with as many, the one first by name. What the rest is depends on the events alone, not
on the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from cxflow.kpis.facts import Rows

OTHER = "(other)"
"""The slice of all values that do not keep their name."""

Slices = Mapping[str, tuple[str, ...]]
"""Dimension to the names of its slices, `OTHER` among them where there are more values than names."""


def published_name(value: ColumnElement[str]) -> ColumnElement[str]:
    """A value as it is published: as it is. Only those that look like `OTHER` get one more pair of parentheses, so that
    no two are the same and none is that."""
    looks_alike = and_(func.trim(value, "()") == OTHER.strip("()"), value != OTHER.strip("()"))
    return case((looks_alike, func.concat("(", value, ")")), else_=value)


def is_capped(slices: Slices) -> bool:
    """Whether any dimension has more values than names."""
    return any(OTHER in names for names in slices.values())


def ranked(connection: Connection, sizes: Rows, most: int) -> Slices:
    """The slices of each dimension, of rows of `dimension`, `dimension_value` (as published) and `n` over all time."""
    size = sizes.subquery()
    # Compared by their bytes, on whatever database: its own order of words is another one on the next machine.
    by_size = (size.c.n.desc(), size.c.dimension_value.collate("C"))
    place = func.row_number().over(partition_by=size.c.dimension, order_by=by_size)
    all_places = select(size.c.dimension, size.c.dimension_value, place.label("place")).subquery()
    found: dict[str, list[str]] = {}
    first = select(all_places).where(all_places.c.place <= most + 1).order_by(all_places.c.place)
    for row in connection.execute(first):
        found.setdefault(row.dimension, []).append(row.dimension_value)
    return {
        dimension: tuple(names) if len(names) <= most else (*names[:most], OTHER)
        for dimension, names in found.items()
    }


def moved(before: Slices, after: Slices) -> dict[str, frozenset[str]]:
    """Dimension to the slices whose cells are others in all periods: values that lost their name or have it now, and
    `OTHER` with them."""
    found = {}
    for dimension in {*before, *after}:
        old, new = set(before.get(dimension, ())), set(after.get(dimension, ()))
        if old != new and OTHER in old | new:
            found[dimension] = frozenset(old ^ new | {OTHER})
    return found


class TooManySlices(Exception):  # noqa: N818 - it is no error
    """A dimension has, or may have, more values than names."""


class Census:
    """Counts the slices of cells as they come."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str, set[str]] = {}

    def count(self, cells: Iterable[Sequence[Any]]) -> None:
        """Count the slices of cells, which begin with their KEY. Raises TooManySlices where a dimension has more."""
        for _, _, dimension, value, *_ in cells:
            if dimension:
                self._found.setdefault(dimension, set()).add(value)
        if any(len(names) > self._most for names in self._found.values()):
            raise TooManySlices

    @property
    def slices(self) -> Slices:
        """Those counted, all by name."""
        return {dimension: tuple(sorted(names)) for dimension, names in self._found.items()}


def capped(slices: Slices) -> Slices:
    """Only the dimensions that have more values than names."""
    return {dimension: names for dimension, names in slices.items() if OTHER in names}


def of_slices(
    dimension: ColumnElement[str], value: ColumnElement[str], only: Mapping[str, Set[str]]
) -> ColumnElement[bool]:
    """Whether a cell is of some slices of some dimensions."""
    return or_(*(and_(dimension == name, value.in_(sorted(values))) for name, values in only.items()))
