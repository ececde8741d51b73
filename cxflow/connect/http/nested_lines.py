"""Puts the lines of an export together, where the items of a record's lists are lines that name their record.

By one join in DuckDB, which spills: the lines may be in any order, and more than fit into memory. Called by connectors
whose services export like this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from cxflow.duck import literal, workbench
from cxflow.errors import SourceError

_AT_A_TIME = 1000
_LONGEST_LINE_BYTES = 64 << 20


def joined(
    file: Path, lists: Mapping[str, str], *, key: str = "id", parent: str = "__parentId"
) -> Iterator[list[bytes]]:
    """The records of a file of JSON lines, some at a time, in the order of their keys.

    `lists`: what the key of an item begins with to the name of its list. An item is a line with the key of its record
    as `parent`, which is left out of it. Each record gets every list as a whole connection of GraphQL, `{"nodes": […],
    "pageInfo": {"hasNextPage": false}}`, its items in the order of their keys, shorter ones first: the order of the
    lines may differ from one export to the next. Raises SourceError for an item without a record or without a list, and
    for a line that is not JSON.
    """
    if not file.stat().st_size:
        return
    with workbench() as database:
        try:
            database.execute(
                f"CREATE TABLE line AS SELECT row_number() OVER () AS number, trim(json::VARCHAR) AS text, "
                f"json ->> {literal('$.' + key)} AS id, json ->> {literal('$.' + parent)} AS parent "
                f"FROM read_json_objects({literal(str(file))}, format = 'newline_delimited', "
                f"maximum_object_size = {_LONGEST_LINE_BYTES})"
            )
        except duckdb.Error:  # it quotes the line
            raise SourceError("the export has a line that is not JSON") from None
        kinds = " ".join(
            f"WHEN starts_with(id, {literal(begin)}) THEN {literal(name)}" for begin, name in lists.items()
        )
        without = json.dumps({parent: None})
        database.execute(
            f"CREATE TABLE item AS SELECT parent, CASE {kinds or 'WHEN false THEN NULL'} END AS list, "
            f"string_agg(json_merge_patch(text, {literal(without)}), ',' ORDER BY length(id), id, number) AS items "
            "FROM line WHERE parent IS NOT NULL GROUP BY ALL"
        )
        orphans = database.execute(
            "SELECT count(*) FROM item WHERE list IS NULL "
            "OR NOT EXISTS (FROM line WHERE line.parent IS NULL AND line.id = item.parent)"
        ).fetchone()
        if orphans is None or orphans[0]:
            raise SourceError("the export has items of records that it does not have")
        columns, joins = "", ""
        for place, name in enumerate(sorted(set(lists.values()))):
            joins += (
                f" LEFT JOIN item i{place} ON i{place}.parent = line.id AND i{place}.list = {literal(name)}"
            )
            before, after = f',"{name}":{{"nodes":[', '],"pageInfo":{"hasNextPage":false}}'
            columns += f" || {literal(before)} || coalesce(i{place}.items, '') || {literal(after)}"
        found = database.execute(
            f"SELECT left(text, -1){columns} || '}}' FROM line{joins} WHERE line.parent IS NULL ORDER BY id, number"
        )
        while rows := found.fetchmany(_AT_A_TIME):
            yield [row[0].encode() for row in rows]
