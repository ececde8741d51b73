"""Chooses which values of a dimension have their own slice, and names the slices. The other values share `(other)`.

For each KPI and dimension, the values with the most observations over all time have their own slice, at most
`kpis.max_values` of them; ties go to the first by name. The choice depends on the events alone, not on the order in
which they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, or_, select

from cxflow.kpis.facts import Rows

OTHER = "(other)"
"""The slice of all values without their own."""

Slices = Mapping[str, tuple[str, ...]]
"""Dimension to the names of its slices, including `OTHER` if it has more values than `kpis.max_values`."""


def published_name(value: ColumnElement[str]) -> ColumnElement[str]:
    """The name under which a value is published: the value itself. A value that looks like `OTHER` gets one more pair
    of parentheses, so that names stay distinct and none equals `OTHER`."""
    looks_alike = and_(func.trim(value, "()") == OTHER.strip("()"), value != OTHER.strip("()"))
    return case((looks_alike, func.concat("(", value, ")")), else_=value)


def is_capped(slices: Slices) -> bool:
    """Whether any dimension has more values than slices."""
    return any(OTHER in names for names in slices.values())


def ranked(connection: Connection, sizes: Rows, most: int) -> Slices:
    """The slices of each dimension, from rows of `dimension`, `dimension_value` (as published) and `n` of all time."""
    size = sizes.subquery()
    return ranked_by_kpi(connection, select(literal("").label("kpi"), size), most).get("", {})


def ranked_by_kpi(connection: Connection, sizes: Rows, most: int) -> dict[str, Slices]:
    """The same for several KPIs: the rows name theirs as `kpi`."""
    size = sizes.subquery()
    # Compared by bytes: a database's own collation may differ on the next machine.
    by_size = (size.c.n.desc(), size.c.dimension_value.collate("C"))
    place = func.row_number().over(partition_by=(size.c.kpi, size.c.dimension), order_by=by_size)
    value = (size.c.kpi, size.c.dimension, size.c.dimension_value)
    all_places = select(*value, place.label("place")).subquery()
    found: dict[str, dict[str, list[str]]] = {}
    first = select(all_places).where(all_places.c.place <= most + 1).order_by(all_places.c.place)
    for row in connection.execute(first):
        found.setdefault(row.kpi, {}).setdefault(row.dimension, []).append(row.dimension_value)
    return {
        kpi: {
            dimension: tuple(names) if len(names) <= most else (*names[:most], OTHER)
            for dimension, names in dimensions.items()
        }
        for kpi, dimensions in found.items()
    }


def moved(before: Slices, after: Slices) -> dict[str, frozenset[str]]:
    """Dimension to the slices whose cells change in all periods: values that gained or lost their own slice, and
    `OTHER`."""
    found = {}
    for dimension in {*before, *after}:
        old, new = set(before.get(dimension, ())), set(after.get(dimension, ()))
        if old != new and OTHER in old | new:
            found[dimension] = frozenset(old ^ new | {OTHER})
    return found


class TooManySlices(Exception):  # noqa: N818 - a signal to the caller, not an error
    """A dimension has, or may have, more values than `kpis.max_values`."""


class Census:
    """Counts the slices of cells while they are read."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str, set[str]] = {}

    def count(self, cells: Iterable[Sequence[Any]]) -> None:
        """Count the slices of cells, which begin with their KEY. Raises TooManySlices if a dimension has too many."""
        for _, _, dimension, value, *_ in cells:
            if dimension:
                self._found.setdefault(dimension, set()).add(value)
        if any(len(names) > self._most for names in self._found.values()):
            raise TooManySlices

    @property
    def slices(self) -> Slices:
        """The slices counted so far."""
        return {dimension: tuple(sorted(names)) for dimension, names in self._found.items()}


def capped(slices: Slices) -> Slices:
    """Only the dimensions that have more values than slices."""
    return {dimension: names for dimension, names in slices.items() if OTHER in names}


def of_slices(
    dimension: ColumnElement[str], value: ColumnElement[str], only: Mapping[str, Set[str]]
) -> ColumnElement[bool]:
    """The condition for cells in `only`: dimension to some of its slices."""
    return or_(*(and_(dimension == name, value.in_(sorted(values))) for name, values in only.items()))
