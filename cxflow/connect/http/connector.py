"""What every connector for an HTTP service is: a base URL, credentials, rates, streams. It declares, this acts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Generic

import structlog
from typing_extensions import TypeVar

from cxflow.connect.connector import Connector
from cxflow.connect.http import hosts, jobs, template, whole
from cxflow.connect.http.answer import Answer
from cxflow.connect.http.auth import Auth, RefreshToken
from cxflow.connect.http.budget import Budget, RateLimit
from cxflow.connect.http.client import Client, Limits
from cxflow.connect.http.connection import HttpConnection, OAuthConnection
from cxflow.connect.http.jobs import Job, JobStore
from cxflow.connect.http.outcomes import Errors
from cxflow.connect.http.stream import RestStream
from cxflow.connect.http.tokens import TokenStore
from cxflow.connect.http.walk import Walk
from cxflow.errors import ConfigError, StaleCheckpointError
from cxflow.model.dataset import Dataset, of_service
from cxflow.model.reading import Checkpoint, Count, Cursor, Page, Reading
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
        if stream.parent is not None and stream.parent.stream not in self.all_streams:
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
                self._walk(client).first_page(stream, Window(start, end))
        return None

    def plan(self, stream: RestStream, window: Window, cursor: Cursor | None) -> list[str]:  # noqa: ARG002
        """The first request of each kind."""
        of = f" for each of {stream.parent.stream}" if stream.parent else ""
        return [
            f"{'GET' if call.body is None else 'POST'} {call.path}{of}, {window}" for call in stream.calls
        ]

    def datasets(self, stream: RestStream) -> list[Dataset]:
        """The paths that it asks, with their places as declared. Where several streams ask one, as those of a GraphQL
        service do, each has its name after it."""
        others = {
            call.path for each in self.all_streams.values() if each is not stream for call in each.calls
        }
        paths = dict.fromkeys(call.path for call in stream.calls)
        return [
            of_service(self.address, f"{path}#{stream.name}" if path in others else path) for path in paths
        ]

    def is_windowed(self, stream: RestStream) -> bool:
        """Whether each of its requests, or its parent's, says when the window starts."""
        if stream.parent is not None:
            return self.is_windowed(self.all_streams[stream.parent.stream])
        return all("start" in template.names([call.path, call.params, call.body]) for call in stream.calls)

    def read(self, stream: RestStream, window: Window, cursor: Cursor | None) -> Reading:
        """From the first page; the whole stream, where that is due."""
        if whole.is_due(stream, window, cursor, self.connection.start):
            return (yield from self._read_whole(stream, window, {}))
        return {**(yield from self._read(stream, window, {})), **whole.kept(cursor)}

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
        if whole.is_one(checkpoint):
            return (yield from self._read_whole(stream, window, checkpoint))
        return {**(yield from self._read(stream, window, checkpoint)), **whole.kept(cursor)}

    def _read_whole(self, stream: RestStream, window: Window, done: Checkpoint) -> Reading:
        at, done = whole.begun(done)
        reading = self._read(stream, Window(None, window.end), done)
        return (yield from whole.as_snapshot(reading, stream, window, at))

    def _read(
        self, stream: RestStream, window: Window, done: Checkpoint, *, in_order: bool = True
    ) -> Generator[Count | Page, None, dict[str, Any]]:
        """Each kind of request after the other, or an export instead of the first one."""
        with self._client() as client:
            calls = [
                (number, call) for number, call in enumerate(stream.calls) if number >= done.get("call", 0)
            ]
            if "request" not in done and calls[0][0] == 0:
                job = None if stream.parent is not None else self.export(stream, window)
                if job is not None:
                    yield from self._exported(client, stream, job, done)
                    calls = calls[1:]
                elif "job" in done:
                    raise StaleCheckpointError("the pull was begun as an export")
            yield from self._walk(client, in_order=in_order).records(stream, window, done, calls)
        return {"until": window.end.isoformat()}

    def _exported(
        self, client: Client, stream: RestStream, job: Job, done: Checkpoint
    ) -> Iterator[Count | Page]:
        """The records of an export. A checkpoint is the job and how many of its records were read."""
        store = JobStore(self.settings.path(STATE_FOLDER) / "jobs", f"{self.name} {self.account}", job.query)
        completed = partial(self.completed, client, stream)
        yield from jobs.read(job, client, store, self.download_hosts, {"call": 0}, done, completed)

    def _walk(self, client: Client, *, in_order: bool = True) -> Walk:
        places = {**self._settings(), **self.look_up(client)}
        return Walk(client, places, self.all_streams, self.completed, in_order)

    def _settings(self) -> dict[str, Any]:
        """The connection's settings that a declaration may name: no secret."""
        return {name: value for name, value in self.connection if isinstance(value, str | int | tuple)}

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
