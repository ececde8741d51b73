"""References to batches: small enough for XCom, and all that one task passes to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Mode = Literal["scheduled", "backfill", "replay", "remap"]


@dataclass(frozen=True, slots=True)
class BatchRef:
    """One landed batch: the raw records of one stream and window."""

    connection: str
    """The name of the connection that it came through."""
    stream: str
    """The name of the stream of that connection."""
    batch_id: str
    """Unique in its stream, and the name of its folder."""
    mode: Mode = "scheduled"
    """scheduled moves the stream's cursor, the others leave it alone."""

    @property
    def path(self) -> str:
        """Its folder, relative to the landing zone."""
        return f"{self.connection}/{self.stream}/{self.batch_id}"

    def as_json(self) -> dict[str, str]:
        """For XCom and `--json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """The inverse of `as_json`."""
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Counts:
    """The accounting of one batch, in source records."""

    extracted: int = 0
    """Read from the source."""
    inserted: int = 0
    """New to the warehouse."""
    updated: int = 0
    """In the warehouse with other content, which they replaced."""
    unchanged: int = 0
    """In the warehouse as they are."""
    deleted: int = 0
    """Deleted at the source."""
    deduplicated: int = 0
    """A newer or equal version was in the batch or in the warehouse."""
    quarantined: int = 0
    """Refused, whole, with the reason."""

    def __add__(self, other: Counts) -> Counts:
        mine, theirs = asdict(self), asdict(other)
        return Counts(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def books(self) -> str:
        """The books as a line: what was read, and what became of it."""
        outcomes = asdict(self)
        extracted = outcomes.pop("extracted")
        parts = " + ".join(f"{number:,} {name}" for name, number in outcomes.items() if number)
        return f"{extracted:,} extracted = {parts or '0'}"

    @property
    def balanced(self) -> bool:
        """Whether every extracted record is accounted for."""
        outcomes = asdict(self)
        extracted = outcomes.pop("extracted")
        return bool(extracted == sum(outcomes.values()))
