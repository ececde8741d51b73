"""Independent record counts of a batch, compared with its files. Used by `files`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cxflow.duck import literals, workbench
from cxflow.errors import CountError
from cxflow.model.reading import Count, Header


class Witness:
    """The records of each origin, counted by other means than those that read them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._places: dict[str, str] = {}
        self.without_records: list[str] = []
        """Origins without records that the load's report should mention."""
        self._headers: dict[str, Header] = {}

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
        if count.header is not None:
            self._headers[count.origin] = count.header

    def headers(self, folder: Path) -> dict[str, Header]:
        """The headers of the origins that have no readable record in a folder's Parquet files."""
        empty = {origin for origin in self._headers if not self._counts[origin]}
        # Only of an origin with rejects may all records be rejects.
        if any(folder.glob("malformed-*.parquet")):
            parts = [str(part) for part in sorted(folder.glob("part-*.parquet"))]
            empty = self._headers.keys() - (_origins_in(parts) if parts else set())
        return {origin: header for origin, header in self._headers.items() if origin in empty}

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
            "headers": {origin: header_as_json(header) for origin, header in self._headers.items()},
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Witness:
        """The inverse of `as_json`."""
        made = cls()
        made._counts, made._places = dict(fields["counts"]), dict(fields["places"])
        made.without_records = list(fields["without_records"])
        made._headers = {
            origin: header_from_json(header) for origin, header in fields.get("headers", {}).items()
        }
        return made


def header_as_json(header: Header) -> dict[str, Any]:
    """A header for a manifest or a partial batch. The order of its columns is kept."""
    return {
        "columns": dict(header.columns),
        "received_at": header.received_at.astimezone(UTC).isoformat(),
    }


def header_from_json(fields: dict[str, Any]) -> Header:
    """The inverse of `header_as_json`."""
    return Header(fields["columns"], datetime.fromisoformat(fields["received_at"]))


def _origins_in(files: list[str]) -> set[str]:
    with workbench() as database:
        rows = database.execute(
            f"SELECT DISTINCT _origin FROM read_parquet({literals(files)}, "
            "union_by_name = true, hive_partitioning = false)"
        ).fetchall()
    return {str(origin) for (origin,) in rows}
