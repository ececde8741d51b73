"""Survey and review scales. The original scale is stored; a KPI may rescale, but only in its own value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """The ends of a rating scale, in its own points."""

    worst: float
    """The end of those who like it least."""
    best: float
    """The end of those who like it most."""


SCALES: dict[str, Scale] = {
    "nps": Scale(0, 10),
    "csat": Scale(1, 5),
    "ces": Scale(1, 7),
}
"""Metric to its default scale, if a mapping does not set one."""
