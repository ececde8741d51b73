"""Independent record counts of a batch, compared with its files. Used by `files`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxflow.duck import literals, workbench
from cxflow.errors import CountError
from cxflow.model.reading import Count


class Witness:
    """The records of each origin, counted by other means than those that read them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._places: dict[str, str] = {}
        self.without_records: list[str] = []
        """Origins without records that the load's report should mention."""

    @property
    def total(self) -> int | None:
        """The sum of the counts; None if there are none."""
        return sum(self._counts.values()) if self._counts else None

    def keep(self, count: Count) -> None:
        """Add a count; counts of the same origin add up."""
        if count.remark_none and not count.records:
            self.without_records.append(count.origin)
        self._counts[count.origin] = self._counts.get(count.origin, 0) + count.records
        self._places[count.origin] = count.place

    def verify(self, folder: Path) -> None:
        """Compare a folder's Parquet files with the counts. Raises CountError, with both numbers and the place, if they
        differ.
        """
        if not self._counts:
            return
        files = sorted(folder.glob("*.parquet"))
        landed: dict[str, int] = {}
        if files:
            with workbench() as database:
                rows = database.execute(
                    f"SELECT _origin, count(*) FROM read_parquet({literals([str(file) for file in files])}, "
                    "union_by_name = true, hive_partitioning = false) GROUP BY _origin"
                ).fetchall()
            landed = {origin: int(count) for origin, count in rows}
        for origin, count in self._counts.items():
            if landed.get(origin, 0) != count:
                place = f" ({self._places[origin]})" if self._places[origin] else ""
                raise CountError(
                    f"{origin}{place} holds {count:,} records by an independent count, and "
                    f"{landed.get(origin, 0):,} were read: nothing of it was landed",
                    value=origin,
                    fix="run again if it was being written meanwhile; otherwise please report it",
                )

    def as_json(self) -> dict[str, Any]:
        """For a partial batch."""
        return {
            "counts": self._counts,
            "places": self._places,
            "without_records": self.without_records,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Witness:
        """The inverse of `as_json`."""
        made = cls()
        made._counts, made._places = dict(fields["counts"]), dict(fields["places"])
        made.without_records = list(fields["without_records"])
        return made
