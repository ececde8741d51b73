"""Zendesk's incremental exports. They are told where to start and not where to end: the connector leaves out what
changed at the window's end or later, and asks for no page after the first that goes so far.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cxflow import Window, http


class _Sorted(http.Paging):
    """An export in the order of a record's time."""

    time: str
    """Where that time stands: seconds since 1970, or ISO 8601."""

    def is_later(self, record: bytes, window: Window) -> bool:
        """Whether a record belongs to a later window. One without a time belongs to this one."""
        value = http.Answer(record, window.end).value(self.time)
        if value in (None, ""):
            return False
        at = datetime.fromtimestamp(value, UTC) if isinstance(value, int) else datetime.fromisoformat(value)
        return at.astimezone(UTC) >= window.end


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
        """From its last second on. A page never cuts a second, however many records it has: one that holds nothing but
        the second at which it started, and is not the last, is followed by the next second."""
        end, start = page.answer.value(self.end), page.request.params.get(self.start)
        if self.over and page.answer.value(self.over) is False and str(end) == start:
            return page.request.with_params(**{self.start: str(int(end) + 1)})
        return super().after(page)
