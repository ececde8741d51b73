"""Reads what customers wrote, one text per touchpoint: all its texts in a fixed order. Called by `score`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from cxflow.warehouse.tables import CANONICAL, KEYS, texts

RECORD = ("source_system", "source_object", "source_record_id")
SCHEMA = pa.schema([(name, pa.string()) for name in ("touchpoint_id", *RECORD, "text")])
"""The columns of `query`: the touchpoint, the record of its first text, and its texts."""


def query(touchpoints: sa.Select[Any]) -> sa.Select[Any]:
    """The texts of some touchpoints (a column of ids), of those that have one."""
    some = touchpoints.subquery()
    id_ = some.columns[0]
    pieces = []
    for place, table in enumerate(_tables()):
        text = _text(table)
        pieces.append(
            sa.select(
                table.c.touchpoint_id,
                *(table.c[name] for name in RECORD),
                sa.literal_column(str(place)).label("place"),
                _key(table).label("key"),
                text.label("text"),
            )
            .join_from(table, some, id_ == table.c.touchpoint_id)
            .where(~table.c.is_deleted, text != "")
        )
    each = sa.union_all(*pieces).subquery()
    order = (each.c.place, each.c.key.collate("C"), *(each.c[name].collate("C") for name in RECORD))
    rank = sa.func.row_number().over(partition_by=each.c.touchpoint_id, order_by=order).label("rank")
    ranked = sa.select(each, rank).subquery()
    is_first = ranked.c.rank == 1
    return sa.select(
        ranked.c.touchpoint_id,
        *(sa.func.max(sa.case((is_first, ranked.c[name]))).label(name) for name in RECORD),
        sa.func.string_agg(
            ranked.c.text, aggregate_order_by(sa.literal_column("chr(10)"), ranked.c.rank)
        ).label("text"),
    ).group_by(ranked.c.touchpoint_id)


def touchpoints() -> sa.Select[Any]:
    """The ids of all touchpoints with a text."""
    every = [
        sa.select(table.c.touchpoint_id).where(table.c.touchpoint_id.is_not(None), _text(table) != "")
        for table in _tables()
    ]
    return sa.select(sa.union(*every).subquery())


def _tables() -> list[sa.Table]:
    return [table for _, table in sorted(CANONICAL.items()) if texts(table)]


def _text(table: sa.Table) -> sa.ColumnElement[str]:
    """A row's texts, one per line, each trimmed; empty if there is none."""
    blanks: sa.ColumnElement[str] = sa.literal_column("chr(32) || chr(9) || chr(10) || chr(13)")
    columns = [sa.func.nullif(sa.func.trim(table.c[name], blanks), "") for name in texts(table)]
    return sa.func.concat_ws(sa.literal_column("chr(10)"), *columns)


def _key(table: sa.Table) -> sa.ColumnElement[str]:
    columns = [sa.cast(table.c[name], sa.String) for name in KEYS[table.name]]
    return sa.func.concat_ws(sa.literal_column("chr(31)"), *columns)
