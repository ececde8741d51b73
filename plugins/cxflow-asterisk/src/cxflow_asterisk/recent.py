"""Remembers call ids for some hours of a log's own time. Used by both logs."""

from __future__ import annotations

from collections import OrderedDict


class Recent:
    """Recently seen ids, each with the time when it was last seen."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Not a plain dict: finding its first key takes longer each time the first keys are deleted.
        self._seen: OrderedDict[object, float] = OrderedDict()

    def note(self, key: object, time: float) -> None:
        """Note that an id was seen at `time`, in epoch seconds."""
        self._seen[key] = time
        self._seen.move_to_end(key)

    def knows(self, key: object, time: float) -> bool:
        """Whether an id was seen at most `seconds` before `time`."""
        last = self._seen.get(key)
        return last is not None and time - last <= self._seconds

    def forget(self, time: float) -> None:
        """Evict ids last seen more than `seconds` before `time`."""
        while self._seen and self._seen[next(iter(self._seen))] < time - self._seconds:
            self._seen.popitem(last=False)
