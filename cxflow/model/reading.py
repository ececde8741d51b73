"""What a connector yields while it reads a stream. The framework lands each item as it comes (`extract`).

A connector never holds more than one page. It learns nothing of the landing zone, and whoever has seen enough simply
stops asking.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import duckdb

Cursor = dict[str, Any]
"""What a stream remembers between scheduled runs: JSON, in the connector's own words, without personal data."""

Checkpoint = Mapping[str, Any]
"""Where the source's own paging continues after a page: JSON, in the connector's own words, without personal data and
without a secret. Never logged."""

PAGE_RECORDS = 20_000
"""In a page that `pages` makes."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Something the source delivered that is no record: it is counted, and goes to quarantine as `malformed`."""

    reason: str
    """Why, without a word of the data: it is shown."""
    payload: str | bytes
    """All of it, as it came."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, as Python has them."""

    origin: str
    """Where they are from: an endpoint, a file."""
    received_at: datetime
    """When the source delivered them."""
    records: Sequence[Mapping[str, Any]] = ()
    """JSON-like."""
    rejects: Sequence[Reject] = ()
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    """Where `resume` continues after this page; None where it cannot. Yield the `Count` of a page's records before the
    page: a resumed pull does not see what came before the checkpoint again."""


@dataclass(slots=True)
class Query:
    """A DuckDB relation, landed without passing through Python: for sources made of files.

    What DuckDB raises while it lands is raised at the `yield`, so that a connector may read in another way.
    """

    database: duckdb.DuckDBPyConnection
    """The connection on which `sql` runs."""
    sql: str
    """It yields `_origin`, `_received_at` and the raw columns, or one text column `_payload` with JSON."""
    record_bytes: int = 0
    """Length of a record where it is known: of long ones fewer are held in memory."""
    of_rejects: bool = False
    """Whether its rows are rejects: `_origin`, `_received_at`, `reason`, `payload` and, where that text is not all
    there is to it, `raw`."""
    landed: int = field(default=0, init=False)
    """How many rows it had; set by the framework before it asks for the next item."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many records and rejects an origin holds, counted by other means than those that read them.

    A batch lands only if exactly as many of that origin did.
    """

    records: int
    """How many there are, rejects included."""
    origin: str
    """The `origin` of the pages or rows that were counted."""
    place: str = ""
    """Which piece of the origin was counted (a byte range), for the error."""
    remark_none: bool = False
    """Whether the load's report tells of an origin without records: of a file that is not empty."""


Item = Page | Query | Count
Reading = Generator[Item, None, Cursor | None]
"""What `Connector.read` and `resume` return: items, and at its end the next cursor (None for none)."""


def pages(
    records: Iterable[Mapping[str, Any]], *, origin: str, received_at: datetime, size: int = PAGE_RECORDS
) -> Iterator[Page]:
    """Records in pages, for a source that gives them one by one."""
    rest = iter(records)
    while chunk := list(islice(rest, size)):
        yield Page(origin, received_at, chunk)
