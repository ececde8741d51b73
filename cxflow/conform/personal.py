"""Keeps raw columns tagged as personal data (`pii`) out of columns that everyone may see. Called by `projection`.

The views mask canonical columns by their own mark. A personal raw column may stand in a marked column, in a hash, in an
identifier (which is hashed) and in a condition. Anywhere else it would be shown in clear, unless the stream says for
that very place why it may be (`in_clear`).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from cxflow import record_sql
from cxflow.errors import ConfigError
from cxflow.model.names import nearest
from cxflow.model.stream import Projection, Stream
from cxflow.warehouse import tables

_HIDES = frozenset(
    {"md5", "md5_number", "md5_number_lower", "md5_number_upper", "sha1", "sha256", "hash", "is null"}
)
"""What a value does not get through: hashes, and whether there is one."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A personal column where it would be shown."""

    place: str
    expression: str
    column: str
    because: str


def check(stream: Stream) -> None:
    """Check that no personal column is shown in clear, and that each entry of `in_clear` is about one that would be.
    Raises ConfigError with the place, the column and the ways out."""
    uses = list(_uses(stream))
    for use in uses:
        if use.place not in stream.in_clear:
            raise ConfigError(
                f"{use.place}: {use.expression!r} shows the personal column {use.column!r}: {use.because}",
                value=use.place,
                fix=_ways_out(use),
            )
    places = {use.place for use in uses}
    for place in stream.in_clear:
        if place not in places:
            raise ConfigError(
                f"in_clear names {place!r}, where no personal column is shown{nearest(place, places)}",
                value=place,
                fix="remove the entry; where a connector declares it, set in_clear in the table of the stream",
            )


def _ways_out(use: _Use) -> str:
    table, dot, _ = use.place.partition(".")
    masked = (
        [name for name, each in tables.mappable(tables.CANONICAL[table]).items() if each.info.get("pii")]
        if dot
        else []
    )
    elsewhere = f"map it to a masked column ({', '.join(masked)}); or " if masked else ""
    return (
        f"{elsewhere}hash it, as md5(…); or do not use it; or say why it may be seen there: "
        f'in_clear = {{ "{use.place}" = "…" }}'
    )


def _uses(stream: Stream) -> Iterator[_Use]:
    if not stream.pii:
        return
    tagged = {name.lower() for name in stream.pii}
    for number, key in enumerate(stream.primary_key, start=1):
        for column in _shown(key, tagged):
            yield _Use(f"primary_key_{number}", key, column, "keys of records are stored in clear")
    for name, projection in ((name, each) for name, many in stream.to.items() for each in many):
        known = tables.mappable(tables.CANONICAL[name])
        inner = tagged | _items(projection, tagged)
        for target, expression in projection.columns.items():
            if not known[target].info.get("pii"):
                for column in _shown(expression, inner):
                    yield _Use(
                        f"{name}.{target}", expression, column, f"the views do not mask {name}.{target}"
                    )


def _items(projection: Projection, tagged: Set[str]) -> Set[str]:
    """What is personal of a projection's `item`: what is tagged in a list that is a column, else all of it."""
    listed = projection.for_each
    if not listed or not any(_shown(listed, tagged)):
        return set()
    columns = [".".join(each.path).lower() for each in record_sql.parse("", listed).columns()]
    if columns != [listed.strip().lower()] or any(f"{columns[0]}.".startswith(f"{tag}.") for tag in tagged):
        return {"item"}
    return {f"item{tag[len(columns[0]) :]}" for tag in tagged if tag.startswith(f"{columns[0]}.")}


def _shown(expression: str, tagged: Set[str]) -> Iterator[str]:
    """The personal columns whose values an expression may give. A nested column counts with those around and in it."""
    for column in record_sql.parse("", expression).columns():
        if _HIDES.isdisjoint(column.inside) and column.touches(tagged):
            yield "*" if column.dotted == "*" else ".".join(column.path)
