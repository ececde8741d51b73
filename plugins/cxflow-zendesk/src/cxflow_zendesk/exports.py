"""How Zendesk pages: lists by cursor, and incremental exports.

Exports are told where to start and not where to end: `changed` leaves out what changed at the window's end or
later, and no page is asked for after the first that goes so far.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cxflow import Window, http

_ANY_TIME = datetime(2007, 1, 1, tzinfo=UTC)
"""Of an answer that is a record."""


class _Sorted(http.Paging):
    """An export in the order of a record's time."""

    time: str
    """Where that time stands: seconds since 1970, or ISO 8601."""

    def at(self, record: bytes) -> datetime | None:
        """The time of a record; None if it has none."""
        value = http.Answer(record, _ANY_TIME).value(self.time)
        if value in (None, ""):
            return None
        return datetime.fromtimestamp(value, UTC) if isinstance(value, int) else datetime.fromisoformat(value)

    def is_later(self, record: bytes, window: Window) -> bool:
        """Whether a record belongs to a later window. One without a time belongs to this one."""
        at = self.at(record)
        return at is not None and at >= window.end


class Export(_Sorted, http.Export):
    """An export that goes on by cursor: tickets, users."""

    def after(self, page: http.Page) -> http.Request | None:
        """By its cursor, unless this page goes past the window."""
        if page.records and self.is_later(page.records[-1], page.window):
            return None
        return super().after(page)


class Walk(_Sorted, http.TimeWalk):
    """An export that goes on from the second at which the page before ended: events, calls."""

    def after(self, page: http.Page) -> http.Request | None:
        """From the page's last second on. A page never cuts a second, however many records it has: one that
        holds a single second, and is not the last, is followed by the next second."""
        last = self.at(page.records[-1]) if page.records else None
        if last is None or self.at(page.records[0]) != last:
            return super().after(page)
        if (self.over and page.answer.value(self.over)) or last >= page.window.end:
            return None
        return page.request.with_params(**{self.start: str(int(last.timestamp()) + 1)})


EXPORT: dict[str, Any] = {
    # Changes of the last minute are withheld, and a start less than a minute ago is refused. The second
    # minute is for clocks that differ.
    "lag": timedelta(minutes=2),
    # Exports know whole seconds, and include the first.
    "overlap": timedelta(seconds=1),
    # They go by a time of their own, which may be later than the one that a record shows.
    "filters_start": True,
    # They need a start. Zendesk is no older.
    "earliest": datetime(2007, 1, 1, tzinfo=UTC),
}
"""The window of an export."""

CURSOR = {"pages": http.Token(token="meta.after_cursor", param="page[after]", more="meta.has_more")}
"""The paging of a list."""
