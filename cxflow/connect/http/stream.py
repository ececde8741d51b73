"""The declaration of a stream that is read over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field, InstanceOf, model_validator

from cxflow.connect.http import template
from cxflow.connect.http.paging import OnePage, Paging
from cxflow.model.frozen import Frozen
from cxflow.model.snapshots import SnapshotStream
from cxflow.model.window import Window


class Call(Frozen):
    """Requests of one kind, page after page. Texts have places that are filled, such as `{start:epoch}`
    (`http.template`)."""

    path: str = ""
    """Below the base URL."""
    params: dict[str, str] = Field(default_factory=dict)
    """The query string. A parameter whose place has no value is left out, such as `{start}` in a first run."""
    body: Any = None
    """JSON, sent as a POST; unset: a GET."""
    records: str = ""
    """Where the list of records stands in an answer, dotted; "": the answer is the list, or the record."""
    optional_records: bool = False
    """Whether the list is missing, or null, where it is empty. Unset: an answer without it is a fault, as records may
    be lost."""
    pages: InstanceOf[Paging] = OnePage()
    """How pages follow each other."""
    says: str | None = None
    """Where an answer says how many records it has: a page with more or fewer stops the pull."""
    changed: str | None = None
    """Where a record says when it changed, if the service cannot filter by that: records outside of the window are not
    landed. One without a time is."""
    filters_start: bool = False
    """Whether the service itself leaves out what changed before the window, perhaps by another time: `changed` is then
    compared with the window's end alone."""
    cost: float = 0
    """Of a request, where the service counts in points."""


class Parent(Frozen):
    """The records that a child stream is read for, one after the other: a form's responses, a ticket's comments."""

    stream: str
    """Their stream. It is read in the same window: where it tells what changed, only parents touched in it are."""
    key: str = "id"
    """Where a parent's key stands; `{parent}` in the child's declaration."""
    optional: bool = False
    """Whether a record without a key has no children; unset: it is a fault."""
    carries: tuple[str, ...] = ()
    """What its children get from it, dotted, under `_parent`; the key is always there, as `_parent.key`."""
    together: int = Field(default=1, ge=1)
    """Parents to ask for in one request; `{parents}` is the list of their keys."""


class RestStream(SnapshotStream, Call):
    """A stream of an HTTP service."""

    right: str = ""
    """The right (scope) that the credentials need for it: told where the service refuses them."""
    sweeps: tuple[Call, ...] = ()
    """Requests for what the stream's own leave out, such as archived records."""
    parent: Parent | None = None
    """The stream whose records it is read for."""
    overlap: timedelta = timedelta(0)
    """How much earlier than the window requests start, where the service leaves out its first instant."""
    earliest: datetime | None = None
    """What `{start}` is in a first run; unset: nothing, and the parameter is left out."""
    kept: timedelta | None = Field(default=None, gt=timedelta(0))
    """How long the service keeps records: a window that begins earlier before its end begins there."""
    slices: timedelta | None = Field(default=None, ge=timedelta(seconds=1))
    """The longest window of one request, where the service does not page, or not reliably: a longer one is asked for in
    slices. Needs `kept` or `earliest`, for a first run."""

    whole_every: timedelta | None = Field(default=None, gt=timedelta(0))
    """How often a scheduled run of a `snapshot` stream reads it whole, where the service does not tell what was
    deleted: a record that two such readings lack counts as deleted. Unset: every run does. Without `snapshot`, none
    does, so that a project can turn off what its connector declares."""

    @model_validator(mode="after")
    def _whole_readings(self) -> RestStream:
        if self.snapshot and self.kept is not None:
            raise ValueError(
                "snapshot = true needs a service that keeps all of its records, and kept says otherwise"
            )
        return self

    @model_validator(mode="after")
    def _has_a_start(self) -> RestStream:
        if self.slices is not None and self.kept is None and self.earliest is None:
            raise ValueError("slices need kept or earliest: a first run has no start otherwise")
        return self

    @model_validator(mode="after")
    def _known_places(self) -> RestStream:
        of_parent = {"parent", "parents"}
        for call in self.calls:
            used = template.names(call.path) | template.names(call.params) | template.names(call.body)
            if not call.path:
                raise ValueError("a stream of an HTTP service needs a path")
            if self.parent is None and used & of_parent:
                raise ValueError(f"{{{min(used & of_parent)}}} needs a parent stream")
        return self

    def pieces(self, window: Window) -> Iterator[Window]:
        """The windows that are asked for one after the other: the whole, or its slices."""
        start = window.start if window.start is not None else self.earliest
        if self.kept is not None:
            oldest = window.end - self.kept
            start = oldest if start is None else max(start, oldest)
        if self.slices is None or start is None:
            yield Window(start, window.end)
            return
        while start < window.end:
            end = min(start + self.slices, window.end)
            yield Window(start, end)
            start = end

    @property
    def calls(self) -> tuple[Call, ...]:
        """Its own requests, then the sweeps."""
        return (self, *self.sweeps)
