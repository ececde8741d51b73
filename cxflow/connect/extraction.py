"""What to read: one window of one stream. Made by `flow`, taken by `extract` and `dry_run`."""

from __future__ import annotations

from dataclasses import dataclass

from cxflow.connect.connector import Connector
from cxflow.model.batch import Mode
from cxflow.model.reading import Cursor
from cxflow.model.stream import Stream
from cxflow.model.window import Window


@dataclass(frozen=True, slots=True)
class Extraction:
    """A request to a connector."""

    connector: Connector
    """The source, configured."""
    stream: Stream
    """One of its streams."""
    window: Window
    """Half-open, fixed before the first request."""
    cursor: Cursor | None
    """The stream's last cursor ({} in its first run); None for a backfill."""
    mode: Mode
    """Whether it is a scheduled run, which moves the cursor, or a backfill."""
    reads_anew: bool = False
    """Whether the stream's records so far were read under other settings (`Connector.reads_anew`)."""
