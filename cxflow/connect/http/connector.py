"""What every connector for an HTTP service is: a base URL, credentials, rates, streams. It declares, this acts."""

from __future__ import annotations

import json
import traceback
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import PurePath
from typing import Any, ClassVar, Generic

import structlog
from typing_extensions import TypeVar

from cxflow.connect.connector import Connector
from cxflow.connect.http import hosts, jobs, page_records, paging, template
from cxflow.connect.http.ahead import Ahead
from cxflow.connect.http.answer import Answer
from cxflow.connect.http.auth import Auth, RefreshToken
from cxflow.connect.http.budget import Budget, RateLimit
from cxflow.connect.http.client import Client, Limits, SkippedError, TooLargeError
from cxflow.connect.http.connection import HttpConnection, OAuthConnection
from cxflow.connect.http.jobs import Job, JobStore
from cxflow.connect.http.outcomes import Errors
from cxflow.connect.http.request import Request
from cxflow.connect.http.stream import Call, Parent, RestStream
from cxflow.connect.http.tokens import TokenStore
from cxflow.errors import ConfigError, SourceError, StaleCheckpointError
from cxflow.model.reading import Checkpoint, Count, Cursor, Page, Reading, Reject, Snapshot
from cxflow.model.window import Window

log = structlog.get_logger("cxflow")

STATE_FOLDER = ".cxflow"
"""Below the project's folder: budgets, and tokens that services replace."""


ConnectionT = TypeVar("ConnectionT", bound=HttpConnection, default=Any)


class RestConnector(Connector[ConnectionT, RestStream], Generic[ConnectionT]):
    """Reads the streams of an HTTP service. Subclasses declare the class attributes and `auth`."""

    stream_model: ClassVar[type[RestStream]] = RestStream
    base_url: ClassVar[str]
    """The service's address, with places for settings: `https://{subdomain}.zendesk.com`."""
    other_hosts: ClassVar[tuple[str, ...]] = ()
    """Further addresses of the service."""
    download_hosts: ClassVar[tuple[str, ...]] = ()
    """Addresses where results of exports may be. They get no credentials."""
    rates: ClassVar[tuple[RateLimit, ...]] = ()
    """How many requests the service allows."""
    errors: ClassVar[Errors] = Errors()
    """How it says that something is wrong."""

    @abstractmethod
    def auth(self, client: Client) -> Auth:
        """How requests show who asks. The client can ask the token endpoint."""

    def points(self, answer: Answer) -> tuple[float, float, float] | None:  # noqa: ARG002
        """What an answer says of the account's points, where the service counts so: available, restored per second, at
        most."""
        return None

    def completed(self, client: Client, stream: RestStream, records: list[bytes]) -> list[bytes]:  # noqa: ARG002
        """The records of a page, with what further requests say of them put into each: all of them, in their order.

        Each is the JSON text of an object. The default sends no request and changes nothing.
        """
        return records

    def export(self, stream: RestStream, window: Window) -> Job | None:  # noqa: ARG002
        """The service's job that exports the stream's own records of a window, where that is better than pages; its
        sweeps are paged all the same. The default: none."""
        return None

    @property
    def allowed(self) -> tuple[RateLimit, ...]:
        """How many requests this account may make, where plans differ; the default: `rates`."""
        return self.rates

    def wait(self, answer: Answer) -> float | None:  # noqa: ARG002
        """Seconds that an answer asks to wait, where the service does not say it in its headers."""
        return None

    def look_up(self, client: Client) -> Mapping[str, Any]:  # noqa: ARG002
        """Further places for declarations that only the service can fill, such as the id behind a name. Called once per
        reading."""
        return {}

    @property
    def account(self) -> str:
        """What the service counts requests for. The default: the address and a hash of the credentials, for many
        accounts may share an address."""
        return f"{self.address} {self.connection.credentials()}"

    @property
    def address(self) -> str:
        """The base URL."""
        return self.connection.base_url or template.filled_path(self.base_url, self._settings())

    def token_store(self) -> TokenStore:
        """Where the tokens are kept that these credentials gave."""
        of = f"{self.name} {self.address} {self.connection.credentials()}"
        return TokenStore(self.settings.path(STATE_FOLDER) / "tokens", of)

    def refreshed(self, client: Client, url: str, *, as_json: bool = False, **form: str) -> RefreshToken:
        """Tokens by OAuth's refresh token, for an OAuthConnection with all of its settings. `url` is the endpoint,
        `form` what it wants besides the application and the token."""
        own = self.connection
        assert isinstance(own, OAuthConnection)
        assert own.client_id is not None
        assert own.client_secret is not None
        assert own.refresh_token is not None
        secret = own.client_secret.reveal("client_secret").get_secret_value()
        return RefreshToken(
            client.ask_for_tokens(url, as_json=as_json),
            {"client_id": own.client_id, "client_secret": secret, **form},
            self.token_store(),
            first=own.refresh_token.reveal("refresh_token"),
        )

    def check(self, stream: RestStream) -> None:
        """Check the address and the settings. Nothing is asked."""
        hosts.check_base(self.address, private_network=self.connection.private_network)
        self.connection.credentials()
        if stream.parent is not None and stream.parent.stream not in self._known():
            raise ConfigError(f"its parent stream {stream.parent.stream!r} is not there", stream=stream.name)

    def columns(self, stream: RestStream, *, offline: bool = False) -> Sequence[str] | None:
        """Ask for one page, to see whether the credentials have the rights: a service does not tell its columns. Of a
        child stream, for that of a parent, if the service names one."""
        if not offline:
            end = datetime.now().astimezone() - stream.lag
            start: datetime | None = end - stream.look_back - timedelta(seconds=1)
            if stream.parent is not None:  # any parent will do, and few change in a second
                start = self.connection.start and self.connection.start.astimezone()
            with self._client() as client:
                self._try(client, stream, Window(start, end), self.look_up(client))
        return None

    def _try(
        self, client: Client, stream: RestStream, window: Window, places: Mapping[str, Any]
    ) -> Answer | None:
        """The first page of a stream; of a child, for its first parent. None if there is none, or it is gone."""
        if (declared := stream.parent) is not None:
            of = self._known()[declared.stream]
            answer = self._try(client, of, window, places)
            records = [] if answer is None else answer.records(of.records)
            found = (page_records.carried(each, declared) for each in records if each[:1] == b"{")
            if (parent := next((each for each in found if each), None)) is None:
                return None
            places = {**places, "parent": parent[0], "parents": [parent[0]], "_carried": parent[1]}
        request = self._first(stream, stream, next(stream.pieces(window)), places)
        while True:
            try:
                return client.send(
                    request, points=stream.cost, of_child=declared is not None, right=stream.right
                )
            except TooLargeError as problem:
                request = _smaller(stream, request, problem)
            except SkippedError:
                return None

    def plan(self, stream: RestStream, window: Window, cursor: Cursor | None) -> list[str]:  # noqa: ARG002
        """The first request of each kind."""
        of = f" for each of {stream.parent.stream}" if stream.parent else ""
        return [
            f"{'GET' if call.body is None else 'POST'} {call.path}{of}, {window}" for call in stream.calls
        ]

    def is_windowed(self, stream: RestStream) -> bool:
        """Whether each of its requests, or its parent's, says when the window starts."""
        if stream.parent is not None:
            return self.is_windowed(self._known()[stream.parent.stream])
        return all("start" in template.names([call.path, call.params, call.body]) for call in stream.calls)

    def read(self, stream: RestStream, window: Window, cursor: Cursor | None) -> Reading:
        """From the first page; the whole stream, where that is due."""
        if self._is_whole_due(stream, window, cursor):
            return (yield from self._read_whole(stream, window, {}))
        return {**(yield from self._read(stream, window, {})), **_whole_at(cursor)}

    def sample(self, stream: RestStream, window: Window, cursor: Cursor | None) -> Reading:
        """From the first page, one request at a time: none is sent ahead, and a child's records are asked for as soon
        as a parent is known. A connector that reads in a way of its own is read in that way."""
        if type(self).read is not RestConnector.read:
            return (yield from self.read(stream, window, cursor))
        return (yield from self._read(stream, window, {}, in_order=False))

    def resume(
        self,
        stream: RestStream,
        window: Window,
        cursor: Cursor | None,
        checkpoint: Checkpoint,
    ) -> Reading:
        """From the request that follows the last page that was kept."""
        if "whole" in checkpoint:
            return (yield from self._read_whole(stream, window, checkpoint))
        return {**(yield from self._read(stream, window, checkpoint)), **_whole_at(cursor)}

    def _is_whole_due(self, stream: RestStream, window: Window, cursor: Cursor | None) -> bool:
        """Whether a run reads all that the service has. Not a backfill; and not where `start` leaves older records out,
        for nothing would tell those that a backfill has loaded from deleted ones."""
        if not stream.snapshot or cursor is None or self.connection.start is not None:
            return False
        last = cursor.get("whole")
        return (
            last is None
            or stream.whole_every is None
            or datetime.fromisoformat(last) + stream.whole_every <= window.end
        )

    def _read_whole(self, stream: RestStream, window: Window, done: Checkpoint) -> Reading:
        """All that the service has up to the window's end, as one delivery: a snapshot."""
        at = done.get("whole") or datetime.now().astimezone().isoformat()
        received_at, origin = datetime.fromisoformat(at), f"{stream.name} (whole)"
        inner = {name: value for name, value in done.items() if name != "whole"}
        reading = self._read(stream, Window(None, window.end), inner)
        try:
            while True:
                item = next(reading)
                if isinstance(item, Page):
                    checkpoint = {**(item.checkpoint or {}), "whole": at}
                    yield replace(item, origin=origin, received_at=received_at, checkpoint=checkpoint)
                elif isinstance(item, Count):
                    yield replace(item, origin=origin)
        except StopIteration as end:
            yield Snapshot(origin, received_at)
            return {**end.value, "whole": window.end.isoformat()}

    def _read(
        self, stream: RestStream, window: Window, done: Checkpoint, *, in_order: bool = True
    ) -> Generator[Count | Page, None, dict[str, Any]]:
        """Each kind of request, for each parent and slice, page after page. A checkpoint is the place in these.

        `in_order`: parents in the order of their keys, and one request ahead; for a reading that is to be resumed.
        """
        with self._client() as client:
            found = self.look_up(client)
            for number, call in enumerate(stream.calls):
                if number < done.get("call", 0):
                    continue
                if number == 0 and "request" not in done:
                    job = None if stream.parent is not None else self.export(stream, window)
                    if job is not None:
                        yield from self._exported(client, stream, job, done)
                        continue
                    if "job" in done:
                        raise StaleCheckpointError("the pull was begun as an export")
                resumed = done if number == done.get("call") else {}
                last = resumed.get("parent")
                for parents, places in self._parents(client, stream, window, last, found, in_order=in_order):
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
                        yield from self._pages(
                            client, stream, call, piece, first, place, places, ahead_of_time=in_order
                        )
        return {"until": window.end.isoformat()}

    def _exported(
        self, client: Client, stream: RestStream, job: Job, done: Checkpoint
    ) -> Iterator[Count | Page]:
        """The records of an export. A checkpoint is the job and how many of its records were read."""
        store = JobStore(self.settings.path(STATE_FOLDER) / "jobs", f"{self.name} {self.account}", job.query)
        completed = partial(self.completed, client, stream)
        yield from jobs.read(job, client, store, self.download_hosts, {"call": 0}, done, completed)

    def _pages(
        self,
        client: Client,
        stream: RestStream,
        call: Call,
        window: Window,
        request: Request | None,
        place: dict[str, Any],
        places: Mapping[str, Any],
        *,
        ahead_of_time: bool = True,
    ) -> Iterator[Count | Page]:
        """The pages from a request on; `ahead_of_time`: the next one is requested while one lands."""
        asked: set[str] = set()
        came: set[bytes] = set()
        of_child = stream.parent is not None
        with Ahead(client, of_child=of_child, points=call.cost, right=stream.right) as ahead:
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
                    content = blake2b(b"\n".join(records), digest_size=16).digest()
                    is_end = after is None and call.pages.last_may_repeat
                    if content in came and not request.starts_again and not is_end:
                        raise SourceError(f"{request}: the service repeats a page")
                    came.add(content)
                request = after
                if request is not None and ahead_of_time:
                    ahead.request(request)
                said = page_records.said(stream, call, answer, origin, len(records))
                others = [record for record in records if record[:1] != b"{"]
                objects = [record for record in records if record[:1] == b"{"] if others else records
                kept = page_records.of_window(objects, call, window, stream.overlap)
                yield Count(said - len(objects) + len(kept), origin)
                following = None if request is None else request.as_json()
                if kept:
                    with _as_declared(page):
                        kept = self.completed(client, stream, page_records.with_parent(kept, places))
                yield Page(
                    origin,
                    answer.received_at,
                    kept,
                    [Reject("not an object", record) for record in others],
                    checkpoint={**place, "request": following},
                )

    def _parents(
        self,
        client: Client,
        stream: RestStream,
        window: Window,
        last: str | None,
        known: Mapping[str, Any],
        *,
        in_order: bool = True,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The parents to read for, by key, those before `last` left out; each with what fills the declaration, `known`
        included.

        `in_order`: of their keys, so that an interrupted pull knows which are done; else as soon as each is known.
        """
        declared = stream.parent
        if declared is None:
            yield "", {**known}
            return
        found: dict[str, bytes] = {}
        for page in self._pages_of_parents(client, declared, window, known, in_order=in_order):
            new: dict[str, bytes] = {}
            for record in page.records:
                if carried := page_records.carried(record, declared):
                    if carried[0] not in found:
                        new[carried[0]] = carried[1]
                    found[carried[0]] = carried[1]
            if not in_order:
                yield from _together(declared, list(new), found, known)
        if in_order:
            keys = [key for key in sorted(found) if last is None or key >= last]
            yield from _together(declared, keys, found, known)

    def _pages_of_parents(
        self,
        client: Client,
        declared: Parent,
        window: Window,
        known: Mapping[str, Any],
        *,
        in_order: bool,
    ) -> Iterator[Page]:
        """The pages of the stream that a child is read for."""
        of = self._known()[declared.stream]
        for _, above in self._parents(client, of, window, None, known, in_order=in_order):
            for call, piece in ((call, piece) for call in of.calls for piece in of.pieces(window)):
                request: Request | None = self._first(of, call, piece, above)
                for page in self._pages(client, of, call, piece, request, {}, above, ahead_of_time=in_order):
                    if isinstance(page, Page):
                        yield page

    def _first(self, stream: RestStream, call: Call, window: Window, places: Mapping[str, Any]) -> Request:
        """The first request of a kind."""
        filling = {
            **self._settings(),
            "start": None if window.start is None else window.start - stream.overlap,
            "end": window.end,
            **places,
        }
        return Request(
            template.filled_path(call.path, filling),
            {name: str(value) for name, value in template.filled(call.params, filling).items()},
            template.filled(call.body, filling),
        )

    def _settings(self) -> dict[str, Any]:
        """The connection's settings that a declaration may name: no secret."""
        return {name: value for name, value in self.connection if isinstance(value, str | int | tuple)}

    def _known(self) -> dict[str, RestStream]:
        """All streams, also those that `only` leaves out: a child needs its parent."""
        return {
            **{each.name: each for each in self.known_streams() if isinstance(each, RestStream)},
            **self.streams,
        }

    @contextmanager
    def _client(self) -> Iterator[Client]:
        state = self.settings.path(STATE_FOLDER)
        client = Client(
            base_url=self.address,
            errors=self.errors,
            budget=Budget(state, f"{self.name} {self.account}", self.allowed),
            limits=Limits(self.connection.timeout_seconds, wait_seconds=self.connection.wait_seconds),
            other_hosts=() if self.connection.base_url else self.other_hosts,
            points=self.points,
            wait=self.wait,
        )
        with client:
            client.auth = self.auth(client)
            yield client


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
    declared: Parent, keys: Sequence[str], carried: Mapping[str, bytes], known: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Parents in groups, one for each request: the first one's key, and what fills the declaration."""
    rest = iter(keys)
    while some := list(islice(rest, declared.together)):
        yield some[0], {**known, "parent": some[0], "parents": some, "_carried": carried[some[0]]}


def _smaller(call: Call, request: Request, problem: TooLargeError) -> Request:
    """The request for a smaller page. Raises SourceError if there is none."""
    smaller = call.pages.smaller(request)
    if smaller is None:
        raise SourceError(f"{request}: {problem.why}, and no smaller page can be asked for") from None
    return smaller


def _whole_at(cursor: Cursor | None) -> dict[str, Any]:
    """The part of a cursor that says when the stream was read whole, for the next one."""
    return {"whole": cursor["whole"]} if cursor and "whole" in cursor else {}


def _slice(stream: RestStream, piece: Window) -> dict[str, float]:
    """The place of a slice in a checkpoint: its start."""
    return {"slice": piece.start.timestamp()} if stream.slices is not None and piece.start is not None else {}
