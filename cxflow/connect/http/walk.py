"""One reading of a stream: its requests, page after page. Called by `connector`."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import PurePath
from typing import Any

import structlog

from cxflow.connect.http import page_records, paging, template
from cxflow.connect.http.ahead import Ahead
from cxflow.connect.http.answer import Answer
from cxflow.connect.http.client import Client, SkippedError, TooLargeError
from cxflow.connect.http.request import Request
from cxflow.connect.http.stream import Call, Parent, RestStream
from cxflow.errors import SourceError
from cxflow.model.reading import Checkpoint, Count, Page, Reject
from cxflow.model.window import Window

log = structlog.get_logger("cxflow")

Places = Mapping[str, Any]
"""What fills the places of a declaration, by name."""
Items = Generator[Count | Page, None, None]


@dataclass(frozen=True)
class Walk:
    """How the streams of a connection are walked through."""

    client: Client
    places: Places
    """The connection's settings that declarations may name, and what the service says for them."""
    known: Mapping[str, RestStream]
    """All streams: a child needs its parent."""
    completed: Callable[[Client, RestStream, list[bytes]], list[bytes]]
    """Puts into the records of a page what further requests say of them."""
    in_order: bool = True
    """Parents in the order of their keys, and one request ahead: for a reading that is to be resumed. Else parents as
    soon as each is known, and no request before it is needed."""

    def records(
        self, stream: RestStream, window: Window, done: Checkpoint, calls: Sequence[tuple[int, Call]]
    ) -> Items:
        """Some kinds of request, by number: each for each parent and slice. A checkpoint is the place in these; those
        before `done` are left out."""
        for number, call in calls:
            resumed = done if number == done.get("call") else {}
            for parents, places in self._parents(stream, window, resumed.get("parent")):
                at = resumed if parents == resumed.get("parent", "") else {}
                for piece in stream.pieces(window):
                    first = self._first(stream, call, piece, places)
                    place = {
                        "call": number,
                        **({"parent": parents} if parents else {}),
                        **_slice(stream, piece),
                    }
                    if at:
                        if place.get("slice", 0) < at.get("slice", 0):
                            continue
                        following, at = at.get("request"), {}
                        if following is None:
                            continue
                        first = Request.from_json(following)
                    yield from self._pages(stream, call, piece, first, place, places)

    def first_page(self, stream: RestStream, window: Window) -> Answer | None:
        """The first page of a stream; of a child, for its first parent. None if there is none, or it is gone."""
        places: dict[str, Any] = {}
        if (declared := stream.parent) is not None:
            of = self.known[declared.stream]
            answer = self.first_page(of, window)
            records = [] if answer is None else answer.records(of.records, optional=of.optional_records)
            found = (page_records.carried(each, declared) for each in records if each[:1] == b"{")
            if (parent := next((each for each in found if each), None)) is None:
                return None
            places = {"parent": parent[0], "parents": [parent[0]], "_carried": parent[1]}
        request = self._first(stream, stream, next(stream.pieces(window)), places)
        while True:
            try:
                return self.client.send(
                    request, points=stream.cost, of_child=declared is not None, right=stream.right
                )
            except TooLargeError as problem:
                request = _smaller(stream, request, problem)
            except SkippedError:
                return None

    def _pages(
        self,
        stream: RestStream,
        call: Call,
        window: Window,
        request: Request | None,
        place: dict[str, Any],
        places: Places,
    ) -> Items:
        """The pages from a request on."""
        asked: set[str] = set()
        came: set[int] = set()
        of_child = stream.parent is not None
        with Ahead(self.client, of_child=of_child, points=call.cost, right=stream.right) as ahead:
            while request is not None:
                key = json.dumps(request.sent(), sort_keys=True)
                if key in asked:
                    raise SourceError(f"{request}: the service's paging goes round in a circle")
                asked.add(key)
                page, origin = request, request.endpoint
                try:
                    answer = ahead.send(request)
                except TooLargeError as problem:
                    request = _smaller(call, request, problem)
                    log.info("smaller pages", stream=stream.name, request=str(request))
                    continue
                except SkippedError as problem:
                    log.warning("a parent is gone", stream=stream.name, request=str(request), why=problem.why)
                    yield Count(0, origin, remark_none=True)
                    return
                records = answer.records(call.records, optional=call.optional_records)
                with _as_declared(request):
                    after = call.pages.after(paging.Page(request, answer, records, window))
                if records:
                    # Enough to tell the pages of one reading apart, and quicker than to hash all of it.
                    content = hash((records[0], records[-1], len(records), sum(map(len, records))))
                    is_end = after is None and call.pages.last_may_repeat
                    if content in came and not request.starts_again and not is_end:
                        raise SourceError(f"{request}: the service repeats a page")
                    came.add(content)
                request = after
                if request is not None and self.in_order:
                    ahead.request(request)
                said = page_records.said(stream, call, answer, origin, len(records))
                others = [record for record in records if record[:1] != b"{"]
                objects = [record for record in records if record[:1] == b"{"] if others else records
                kept = page_records.of_window(objects, call, window, stream.overlap)
                yield Count(said - len(objects) + len(kept), origin)
                following = None if request is None else request.as_json()
                if kept:
                    with _as_declared(page):
                        kept = self.completed(self.client, stream, page_records.with_parent(kept, places))
                yield Page(
                    origin,
                    answer.received_at,
                    kept,
                    [Reject("not an object", record) for record in others],
                    checkpoint={**place, "request": following},
                )

    def _parents(
        self, stream: RestStream, window: Window, last: str | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parents to read for, by key, those before `last` left out; each with what it fills in."""
        declared = stream.parent
        if declared is None:
            yield "", {}
            return
        found: dict[str, bytes] = {}
        for page in self._pages_of_parents(declared, window):
            new: dict[str, bytes] = {}
            for record in page.records:
                if carried := page_records.carried(record, declared):
                    if carried[0] not in found:
                        new[carried[0]] = carried[1]
                    found[carried[0]] = carried[1]
            if not self.in_order:
                yield from _together(declared, list(new), found)
        if self.in_order:
            # An interrupted pull knows by their order which of them are done.
            keys = [key for key in sorted(found) if last is None or key >= last]
            yield from _together(declared, keys, found)

    def _pages_of_parents(self, declared: Parent, window: Window) -> Iterator[Page]:
        """The pages of the stream that a child is read for."""
        of = self.known[declared.stream]
        for _, above in self._parents(of, window, None):
            for call, piece in ((call, piece) for call in of.calls for piece in of.pieces(window)):
                request: Request | None = self._first(of, call, piece, above)
                for page in self._pages(of, call, piece, request, {}, above):
                    if isinstance(page, Page):
                        yield page

    def _first(self, stream: RestStream, call: Call, window: Window, places: Places) -> Request:
        """The first request of a kind."""
        start: datetime | None = None if window.start is None else window.start - stream.overlap
        filling = {**self.places, "start": start, "end": window.end, **places}
        return Request(
            template.filled_path(call.path, filling),
            {name: str(value) for name, value in template.filled(call.params, filling).items()},
            template.filled(call.body, filling),
        )


@contextmanager
def _as_declared(request: Request) -> Iterator[None]:
    """A connector's own code met an answer that has another form than it expects: that is the service's fault. Raises
    SourceError with the place in the code; what the exception says may quote a record."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        last = traceback.extract_tb(problem.__traceback__)[-1]
        raise SourceError(
            f"{request}: the answer is not as declared ({type(problem).__name__} at "
            f"{PurePath(last.filename).name}:{last.lineno})",
            value=request.endpoint,
        ) from problem


def _together(
    declared: Parent, keys: Sequence[str], carried: Mapping[str, bytes]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Parents in groups, one for each request: the first one's key, and what they fill in."""
    rest = iter(keys)
    while some := list(islice(rest, declared.together)):
        yield some[0], {"parent": some[0], "parents": some, "_carried": carried[some[0]]}


def _smaller(call: Call, request: Request, problem: TooLargeError) -> Request:
    """The request for a smaller page. Raises SourceError if there is none."""
    smaller = call.pages.smaller(request)
    if smaller is None:
        raise SourceError(f"{request}: {problem.why}, and no smaller page can be asked for") from None
    return smaller


def _slice(stream: RestStream, piece: Window) -> dict[str, float]:
    """The place of a slice in a checkpoint: its start."""
    return {"slice": piece.start.timestamp()} if stream.slices is not None and piece.start is not None else {}
