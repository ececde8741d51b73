"""The settings of streams whose deliveries may be snapshots: files, and databases that are read whole."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from cxflow.model.stream import Stream


class SnapshotStream(Stream):
    """A stream whose connector can declare its deliveries as snapshots (`reading.Snapshot`)."""

    snapshot: bool = False
    """Whether each delivery (a file, a reading of a database) holds everything that the stream has. A record that two
    deliveries in a row lack then counts as deleted, until it comes back."""
    max_vanished_share: float | None = Field(default=None, ge=0, le=1)
    """The share of this stream's live records that a snapshot may lack, 0 to 1; unset: the project's."""

    @property
    def remarks(self) -> list[str]:
        """What becomes of records that later deliveries lack, and of old deliveries that come again, where the
        declaration leaves that open. One clause each."""
        return []

    @model_validator(mode="after")
    def _share_of_snapshots(self) -> Self:
        if self.max_vanished_share is not None and not self.snapshot:
            raise ValueError("max_vanished_share means nothing without snapshot = true")
        return self
