"""The columns that cxflow itself adds to a raw record, beside the source's own. Called by everything that knows which
names a mapping may use."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cxflow.conform.projection import expressions
from cxflow.model.names import numbered
from cxflow.model.stream import PLACE, Stream

RAW_OWN = ("_origin", "_received_at", "_landed_batch", "_landed_row", "_raw_hash")
"""What cxflow itself knows of a raw record: its origin and delivery, where it was landed first, and its hash."""
_PLACE_NAMED = re.compile(rf"\b({'|'.join(PLACE)})\b", re.IGNORECASE)


def names(stream: Stream) -> tuple[str, ...]:
    """The names that are cxflow's own in the raw records of a stream."""
    return ("_row", *RAW_OWN, *(PLACE if stream.has_places else ()))


def renamed(columns: Iterable[str], stream: Stream) -> dict[str, str]:
    """Raw column with a name of cxflow's own to the name that it has for a mapping: with a numeric suffix."""
    return numbered(columns, names(stream))


def names_place(stream: Stream) -> bool:
    """Whether the mapping or an expectation of a stream may name the place of a record: only then is it worked out."""
    texts = [sql for _, sql, _ in expressions(stream)] + [each.sql or "" for each in stream.expect]
    return stream.has_places and any(map(_PLACE_NAMED.search, texts))
