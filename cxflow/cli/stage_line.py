"""The line under the progress bar: what is done of the present stage, how fast, and how long the rest takes.

reading: 423,000 of 1,000,000 records, 85,000 a second, 7 s left
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from cxflow.model.progress import Progress

_SURE_SECONDS = 2.0
"""Before that, a rate says little."""


@dataclass(slots=True)
class StageLine:
    """Keeps the last report and the first one of its stage. A listener of progress."""

    clock: Callable[[], float] = time.monotonic
    _first: Progress | None = None
    _last: Progress | None = None
    _began: float = 0.0
    _told: float = 0.0

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        now, last = self.clock(), self._last
        if last is None or _of(last) != _of(progress):
            self._first, self._began = progress, now
        self._last, self._told = progress, now

    def clear(self) -> None:
        """Another step begins, of which nothing is known yet."""
        self._first = self._last = None

    def text(self) -> str:
        """The line as it is now; empty if no stage has reported."""
        first, last = self._first, self._last
        if first is None or last is None:
            return ""
        elapsed = self.clock() - self._began
        parts = [_amount(last)]
        if last.note:
            parts.append(last.note)
        done = (last.done or 0) - (first.done or 0)
        if elapsed < _SURE_SECONDS:
            pass
        elif last.done is None:
            parts.append(f"for {_duration(elapsed)}")
        elif done > 0 and last.unit == "records":
            parts.append(f"{done / max(self._told - self._began, 0.1):,.0f} a second")
        if (left := self._left(first, last, elapsed)) is not None:
            parts.append(f"{_duration(left)} left")
        return f"{last.stage}: {', '.join(part for part in parts if part)}"

    def _left(self, first: Progress, last: Progress, elapsed: float) -> float | None:
        """Seconds until the stage's end, at its speed so far; None if nothing tells."""
        part, before = last.part, first.part or 0.0
        if part is None or part <= before or elapsed < _SURE_SECONDS:
            return None
        whole = (self._told - self._began) / (part - before) * (1.0 - before)
        return max(whole - elapsed, 0.0)


def _of(progress: Progress) -> tuple[str, str | None, str | None]:
    return progress.stage, progress.connection, progress.stream


def _amount(progress: Progress) -> str:
    done, total, unit = progress.done, progress.total, progress.unit
    if done is None:
        return f"{total:,} {unit}" if total is not None else ""
    if total is not None:
        return f"{done:,} of {total:,} {unit}"
    share = f" ({progress.part:.0%})" if progress.part is not None else ""
    return f"{done:,} {unit}{share}"


def _duration(seconds: float) -> str:
    """Seconds in words: 7 s, 2 min 5 s, 1 h 2 min."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
