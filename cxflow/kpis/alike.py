"""Groups what one statement can treat together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def alike(several: Iterable[T], by: Callable[[T], Hashable]) -> list[list[T]]:
    """Those with the same key together, in the order of their first."""
    groups: dict[Hashable, list[T]] = {}
    for each in several:
        groups.setdefault(by(each), []).append(each)
    return list(groups.values())
