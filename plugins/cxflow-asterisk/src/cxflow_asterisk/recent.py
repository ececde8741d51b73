"""Remembers call ids for some hours of a log's own time. Used by both logs."""

from __future__ import annotations

from collections import OrderedDict


class Recent:
    """Ids met not long ago, with the time at which each was met last."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Not a plain dict: to find the first key of one whose first keys are deleted again and again takes
        # longer each time.
        self._met: OrderedDict[object, float] = OrderedDict()

    def note(self, key: object, time: float) -> None:
        """The id was met at an epoch second."""
        self._met[key] = time
        self._met.move_to_end(key)

    def knows(self, key: object, time: float) -> bool:
        """Whether the id was met in the hours before an epoch second."""
        met = self._met.get(key)
        return met is not None and time - met <= self._seconds

    def forget(self, time: float) -> None:
        """Let go of what is too long ago at an epoch second."""
        while self._met and self._met[next(iter(self._met))] < time - self._seconds:
            self._met.popitem(last=False)
