"""The items that a connector yields while it reads a stream. `extract` lands each one before it requests the next.

A connector holds at most one page and knows nothing of the landing zone. A dry run stops early by requesting no more.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import duckdb

Cursor = dict[str, Any]
"""The state of a stream between scheduled runs: JSON of the connector's own making, without personal data."""

Checkpoint = Mapping[str, Any]
"""Where the source's own paging continues after a page: JSON of the connector's own making, without personal data or
secrets. Never logged."""

PAGE_RECORDS = 20_000
"""The default size of the pages that `pages` makes."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A delivered text that is not a record. It is counted, and goes to quarantine as `malformed`."""

    reason: str
    """Why it is not a record. It is shown, so it must not quote the data."""
    payload: str | bytes
    """The complete text, unchanged."""


@dataclass(frozen=True, slots=True)
class Page:
    """Records that pass through Python."""

    origin: str
    """Their source: an endpoint, a file."""
    received_at: datetime
    """When the source delivered them."""
    records: Sequence[Mapping[str, Any] | bytes] = ()
    """JSON-like, or each the JSON text of an object as it came, in UTF-8: that is landed without being decoded."""
    rejects: Sequence[Reject] = ()
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    """Where `resume` continues after this page; None if it cannot. Yield the `Count` of a page's records before the
    page: a resumed pull starts after it."""


@dataclass(slots=True)
class Query:
    """A DuckDB relation, landed without passing through Python: for sources made of files.

    DuckDB errors while landing are raised at the `yield`, so that the connector can fall back to another way.
    """

    database: duckdb.DuckDBPyConnection
    """The connection on which `sql` runs."""
    sql: str
    """A SELECT of `_origin`, `_received_at` and the raw columns, or of one text column `_payload` with JSON."""
    record_bytes: int = 0
    """Length of the longest record, if known: fewer long records are held in memory at a time."""
    of_rejects: bool = False
    """Whether its rows are rejects: `_origin`, `_received_at`, `reason`, `payload` and, for bytes that are not text,
    `raw`."""
    records: int = 0
    """Its number of rows, if known beforehand: for the progress that is shown."""
    landed: int = field(default=0, init=False)
    """Its number of rows; set by the framework before it requests the next item."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns that an origin names, known without reading a record of it."""

    columns: Mapping[str, str]
    """Name to type, as in the raw schema; in their order."""
    received_at: datetime
    """When the source delivered it."""


@dataclass(frozen=True, slots=True)
class Count:
    """An independent count of an origin's records and rejects, made by other means than reading them.

    A batch lands only if exactly as many of that origin were landed.
    """

    records: int
    """Their number, rejects included."""
    origin: str
    """The `origin` of the pages or rows that were counted."""
    place: str = ""
    """The part of the origin that was counted (a byte range), for the error message."""
    remark_none: bool = False
    """Whether the load's report mentions the origin if it has no records: for a file that is not empty."""
    header: Header | None = None
    """Its columns. If none of its records can be read, they are checked like those of the records that can."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Declares that an origin held everything its stream has at one time: what it lacks may be gone.

    Yield it after the origin's last record. The load deletes records that two snapshots lack.
    """

    origin: str
    """The `origin` of its pages or rows."""
    received_at: datetime
    """Their `received_at`."""
    content: str | None = None
    """A fingerprint of what was delivered: the same origin with the same content is no new snapshot. None: each time
    of delivery is one."""


@dataclass(frozen=True, slots=True)
class KnownUntil:
    """Declares how far the deliveries of a stream reach: what happened before has been delivered, what happened later
    has not. At most the window's end, which counts where a reading yields none."""

    at: datetime
    """The time of the newest delivery, whether or not this reading reads it."""


Item = Page | Query | Count | Snapshot | KnownUntil
Reading = Generator[Item, None, Cursor | None]
"""The result of `Connector.read` and `resume`: yields items, and returns the next cursor (or None)."""


def pages(
    records: Iterable[Mapping[str, Any]], *, origin: str, received_at: datetime, size: int = PAGE_RECORDS
) -> Iterator[Page]:
    """Group single records into pages of `size` records."""
    rest = iter(records)
    while chunk := list(islice(rest, size)):
        yield Page(origin, received_at, chunk)
