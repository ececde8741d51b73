"""The declaration of a stream that is read over HTTP."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field, InstanceOf, model_validator

from cxflow.connect.http import template
from cxflow.connect.http.paging import OnePage, Paging
from cxflow.model.frozen import Frozen
from cxflow.model.stream import Stream

WINDOW = {"start", "end"}
"""The places in a declaration that the window fills."""


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
    pages: InstanceOf[Paging] = OnePage()
    """How pages follow each other."""
    time: str | None = None
    """Where a record's time stands, if the service cannot filter by it: all pages are asked for, and the records of the
    window are kept. ISO 8601; without a zone, in UTC."""
    says: str | None = None
    """Where an answer says how many records it has: a page with more or fewer stops the pull."""
    cost: float = 0
    """Of a request, where the service counts in points."""


class Parent(Frozen):
    """The records that a child stream is read for, one after the other: a form's responses, a ticket's comments."""

    stream: str
    """Their stream. It is read in the same window: where it tells what changed, only parents touched in it are."""
    key: str = "id"
    """Where a parent's key stands; `{parent}` in the child's declaration."""
    carries: tuple[str, ...] = ()
    """What its children get from it, dotted, under `_parent`; the key is always there, as `_parent.key`."""
    together: int = Field(default=1, ge=1)
    """Parents to ask for in one request; `{parents}` is the list of their keys."""


class RestStream(Stream, Call):
    """A stream of an HTTP service."""

    sweeps: tuple[Call, ...] = ()
    """Requests for what the stream's own leave out, such as archived records."""
    parent: Parent | None = None
    """The stream whose records it is read for."""
    overlap: timedelta = timedelta(0)
    """How much earlier than the window requests start, where the service leaves out its first instant."""
    earliest: datetime | None = None
    """What `{start}` is in a first run; unset: nothing, and the parameter is left out."""

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

    @property
    def calls(self) -> tuple[Call, ...]:
        """Its own requests, then the sweeps."""
        return (self, *self.sweeps)
