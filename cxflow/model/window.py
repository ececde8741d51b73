"""The half-open time window of an extraction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cxflow.errors import ConfigError

FIRST_YEAR, LAST_YEAR = 1800, 9998
"""Margins to the years 1 and 9999, so that a look-back or a time zone never leaves Python's calendar."""

_SHORTEST = timedelta(microseconds=1)
"""The shortest window: a run up to an instant that is already loaded still reads something."""


@dataclass(frozen=True, slots=True)
class Window:
    """`[start, end)` in UTC, fixed before the first request.

    A record belongs to the window in which it became *known* (a file's delivery, an API's change time), not the one in
    which its event happened: late records arrive in later windows.
    """

    start: datetime | None
    """First instant inside; None: the source's beginning."""
    end: datetime
    """First instant after it."""

    def __post_init__(self) -> None:
        for edge in (self.start, self.end):
            if edge is not None and edge.tzinfo is None:
                raise ConfigError(f"a window needs times with a zone, not {edge.isoformat()}")
            if edge is not None and not FIRST_YEAR <= edge.year <= LAST_YEAR:
                raise ConfigError(
                    f"a window must be between the years {FIRST_YEAR} and {LAST_YEAR}, not at {edge.isoformat()}"
                )
        if self.start is not None and self.start >= self.end:
            raise ConfigError(f"the window {self} is empty", fix="its start must be before its end")

    def __contains__(self, instant: datetime) -> bool:
        return (self.start is None or self.start <= instant) and instant < self.end

    def __str__(self) -> str:
        start = self.start.astimezone(UTC).isoformat() if self.start else "the beginning"
        return f"[{start}, {self.end.astimezone(UTC).isoformat()})"

    def as_json(self) -> dict[str, str | None]:
        """ISO 8601 strings in UTC, as manifests and XCom carry them."""
        return {
            "start": self.start.astimezone(UTC).isoformat() if self.start else None,
            "end": self.end.astimezone(UTC).isoformat(),
        }

    @classmethod
    def from_json(cls, edges: dict[str, str | None]) -> Window:
        """The inverse of `as_json`."""
        start, end = edges["start"], edges["end"]
        if end is None:
            raise ConfigError("a window needs an end")
        return cls(datetime.fromisoformat(start) if start else None, datetime.fromisoformat(end))


def scheduled(
    position: datetime | None, end: datetime, look_back: timedelta, first: datetime | None
) -> Window:
    """The window of a scheduled run up to `end`: from the cursor's `position` minus the look-back.

    Without a position it starts at `first`, or (None) at the source's beginning. A look-back does not reach before
    `first`.
    """
    latest = end - _SHORTEST
    if first is not None:
        first = min(first, latest)
    if position is None:
        return Window(first, end)
    # A run for a past day still has a window, although its records are loaded already.
    start = min(position, latest) - look_back
    if first is not None and first <= position:
        start = max(start, first)
    return Window(start, end)
