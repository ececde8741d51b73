"""Sends requests: with credentials, within the budget, again where that may help. The only module that knows the HTTP
client library."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec
import stamina
import structlog

from cxflow.connect.http import hosts, stand_in, waiting
from cxflow.connect.http.answer import Answer, NotJsonError, legible
from cxflow.connect.http.auth import Anonymous, Auth, Credentials
from cxflow.connect.http.budget import Budget
from cxflow.connect.http.outcomes import Errors, Outcome, Then
from cxflow.connect.http.request import Request
from cxflow.errors import ConfigError, CxflowError, SourceError, StaleCheckpointError, TransientError
from cxflow.model import progress

log = structlog.get_logger("cxflow")

_MOST_BYTES = 256 << 20
_LONGEST_WAIT_SECONDS = 900.0
"""A service that asks for a longer pause gets it from the next run."""
_ATTEMPTS = 8
_TOLD_SECONDS = 5.0
"""A longer pause is logged and shown."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much."""

    timeout_seconds: float = 60.0
    """To connect, and for the next bytes of an answer."""
    answer_seconds: float = 600.0
    """For a whole answer."""
    answer_bytes: int = _MOST_BYTES
    """Of a whole answer, unpacked."""
    wait_seconds: float = _LONGEST_WAIT_SECONDS
    """The longest pause that a service may ask for."""


class SkippedError(Exception):
    """A parent's records are not there any more."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class TooLargeError(Exception):
    """The service cannot make so large a page."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _AgainError(Exception):
    """The same request may succeed later."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.seconds = seconds
        """How long the service asks to wait; None: it does not say."""


ToldT = TypeVar("ToldT")
Points = Callable[[Answer], tuple[float, float, float] | None]
"""What an answer says of the account's points: available, restored per second, at most."""


@dataclass
class Client:
    """A client of one account. Use it as a context, or close it."""

    base_url: str
    auth: Auth = field(default_factory=Anonymous)
    errors: Errors = field(default_factory=Errors)
    budget: Budget | None = None
    limits: Limits = Limits()
    other_hosts: Sequence[str] = ()
    """Base URLs of further hosts of the service, which get the same credentials."""
    headers: dict[str, str] = field(default_factory=dict)
    points: Points | None = None
    wait: Callable[[Answer], float | None] | None = None
    """Seconds that an answer asks to wait, where its headers do not say it."""
    transport: httpx2.BaseTransport | None = None
    """For tests."""

    def __post_init__(self) -> None:
        self._origins = {hosts.origin(url) for url in (self.base_url, *self.other_hosts)}
        self._http = httpx2.Client(
            headers={"Accept": "application/json", "User-Agent": "cxflow", **self.headers},
            timeout=self.limits.timeout_seconds,
            follow_redirects=False,
            transport=stand_in.transport() or self.transport,
        )
        self._lock, self._sending, self._closed = threading.Lock(), 0, False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections: those of a request that another thread sends, as soon as it has ended."""
        with self._lock:
            self._closed, idle = True, not self._sending
        if idle:
            self._http.close()

    @contextmanager
    def _open(self) -> Iterator[None]:
        """The connections stay open for the block: one that is made after they were closed would never be closed."""
        with self._lock:
            self._sending += 1
        try:
            yield
        finally:
            with self._lock:
                self._sending -= 1
                last = self._closed and not self._sending
            if last:
                self._http.close()

    def send(self, request: Request, *, points: float = 0, of_child: bool = False, right: str = "") -> Answer:
        """Send a request until it succeeds. `points`: its cost, where the service counts so; `right`: what the
        credentials need for it, for the error that they lack it.

        Raises ConfigError, SourceError or TransientError (each says what the service answered, without quoting it),
        StaleCheckpointError if it no longer knows the place in the paging, TooLargeError, and with `of_child`
        SkippedError.
        """
        renewed = False
        try:
            for attempt in self._tries():
                with self._open(), attempt:
                    answer, outcome = self._once(request, points, of_child=of_child)
                    if outcome.then is Then.RENEW and not renewed and self.auth.renew():
                        renewed = True
                        answer, outcome = self._once(request, points, of_child=of_child)
                    return self._used(request, answer, outcome, right)
        except _AgainError as problem:
            raise TransientError(f"{request}: {problem.why}", value=request.endpoint) from None
        raise AssertionError("unreachable")

    def download(self, url: str, file: Path, allowed: Sequence[str], lines: int | None = None) -> None:
        """Write what is at a complete URL, the result of an export, into a file. With `lines`, it must have so many.

        No credentials are sent. Raises SourceError if the URL is neither on one of the client's own hosts nor on one of
        the `allowed` (base URLs), TransientError if it cannot be read whole.
        """
        hosts.check_link(url, self._origins | {hosts.origin(each) for each in allowed})
        place = Request(urlsplit(url).path)
        try:
            for attempt in self._tries():
                with self._open(), attempt:
                    came = self._downloaded(url, file)
                    if lines is not None and came != lines:
                        raise _AgainError(f"the export has {came:,} lines, and the service says {lines:,}")
        except _AgainError as problem:
            raise TransientError(f"{place}: {problem.why}", value=place.endpoint) from None

    def _tries(self) -> Iterable[stamina.Attempt]:
        """The tries of one request, with pauses between them that grow, or that the service asks for."""
        return stamina.retry_context(
            on=self._pause, attempts=_ATTEMPTS, timeout=None, wait_initial=0.5, wait_max=60.0
        )

    def _pause(self, problem: Exception) -> bool | float:
        """Whether to try again: after the pause that the service asks for, or one that grows."""
        if self._closed or not isinstance(problem, _AgainError):
            return False
        if problem.seconds is None:
            return True
        if problem.seconds > _TOLD_SECONDS:
            progress.held_up(f"waits {problem.seconds:,.0f} s, as the service asks")
        return problem.seconds

    def _downloaded(self, url: str, file: Path) -> int:
        lines, last = 0, b"\n"
        try:
            with self._http.stream("GET", url) as response, file.open("wb") as into:
                if response.status_code != 200:
                    raise _AgainError(
                        f"the result of the export cannot be read: status {response.status_code}"
                    )
                for part in response.iter_bytes():
                    into.write(part)
                    lines, last = lines + part.count(b"\n"), part[-1:] or last
        except (httpx2.TransportError, httpx2.DecodingError) as problem:
            raise _AgainError(f"the download broke off ({type(problem).__name__})") from None
        return lines + (last != b"\n")

    def ask_for_tokens(self, url: str, **extra: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
        """A function that sends a form to the token endpoint (`url`, on one of the hosts): within `send`, which tries
        again. `extra`: Basic credentials as `headers`; `as_json=True` for services that take JSON."""
        headers, as_json = dict(extra.get("headers", {})), bool(extra.get("as_json"))

        def ask(form: dict[str, str]) -> dict[str, Any]:
            content: dict[str, Any] = {"json": form} if as_json else {"data": form}
            try:
                answer = self._http.post(self._url(Request(url)), headers=headers, **content)
            except (httpx2.TransportError, httpx2.DecodingError) as problem:
                raise _AgainError(
                    f"the token endpoint cannot be reached ({type(problem).__name__})"
                ) from None
            if answer.status_code == 429 or answer.status_code >= 500:
                raise _AgainError(f"the token endpoint answered status {answer.status_code}")
            try:
                found = msgspec.json.decode(answer.content, type=dict[str, Any])
            except (msgspec.DecodeError, msgspec.ValidationError):
                if answer.status_code == 200:
                    raise _AgainError("the token endpoint answered something that is no JSON") from None
                found = {}
            if answer.status_code != 200:
                said = found.get("error")
                code = f" ({said[:40]})" if isinstance(said, str) and said.replace("_", "").isalpha() else ""
                raise ConfigError(
                    f"the token endpoint refuses the credentials: status {answer.status_code}{code}",
                    fix="authorise cxflow anew, and set the new refresh token or secret",
                )
            return found

        return ask

    def _once(self, request: Request, points: float, *, of_child: bool) -> tuple[Answer, Outcome]:
        """One try within the budget."""
        url = self._url(request)
        if self.budget is not None:
            self._sleep(self.budget.reserve(urlsplit(url).path, points), "budget", request)
        given = self.auth.credentials()
        try:
            answer = self._answer(request, url, given)
        except httpx2.TransportError as problem:
            # Its text names the host at most; but the kind is enough.
            kind = type(problem).__name__
            if isinstance(problem, httpx2.ReadTimeout):
                raise _AgainError(f"no answer in {self.limits.timeout_seconds:g} s") from None
            if _is_unknown_host(problem):
                raise _AgainError(
                    f"there is no host {urlsplit(url).hostname}, or this machine cannot look names up"
                ) from None
            raise _AgainError(f"the connection failed ({kind})") from None
        except httpx2.DecodingError:
            raise _AgainError("the answer cannot be unpacked") from None
        outcome = self.errors.outcome(answer, of_child=of_child)
        if self.budget is not None and (said := _told(self.points, answer)):
            available, per_second, most = said
            if all(isinstance(each, int | float) for each in said):
                self.budget.note_points(float(available), float(per_second), float(most))
        return answer, outcome

    def _answer(self, request: Request, url: str, given: Credentials) -> Answer:
        """The whole answer, within the limits."""
        began = time.monotonic()
        content = None if request.body is None else msgspec.json.encode(request.body)
        headers = dict(given.headers)
        if content is not None:
            headers["Content-Type"] = "application/json"
        made = self._http.build_request(
            "GET" if content is None else "POST",
            url,
            params={**request.params, **given.params} or None,
            headers=headers,
            content=content,
        )
        response = self._http.send(made, stream=True)
        with closing(response):
            parts, length = [], 0
            for part in response.iter_bytes():
                length += len(part)
                if length > self.limits.answer_bytes:
                    raise SourceError(
                        f"{request}: the answer is longer than {self.limits.answer_bytes:,} bytes",
                        fix="ask for smaller pages",
                    )
                if time.monotonic() - began > self.limits.answer_seconds:
                    raise _AgainError(f"the answer took more than {self.limits.answer_seconds:g} s")
                parts.append(part)
        body = b"".join(parts)
        return Answer(
            legible(body, response.charset_encoding),
            datetime.now(UTC),
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
        )

    def _used(self, request: Request, answer: Answer, outcome: Outcome, right: str) -> Answer:
        """The answer, or what it means instead."""
        why = f"the service answered {outcome.why}"
        match outcome.then:
            case Then.USE:
                try:
                    answer.check()
                except NotJsonError:
                    came = answer.headers.get("content-type", "something").split(";")[0][:40]
                    raise _AgainError(
                        f"the service answered {came}, which is no JSON or half of it"
                    ) from None
                if self.budget is not None and waiting.is_used_up(answer.headers):
                    self.budget.pause(waiting.reset(answer.headers, answer.received_at) or 0)
                return answer
            case Then.RETRY:
                raise _AgainError(why)
            case Then.WAIT:
                asked = waiting.retry_after(answer.headers, answer.received_at)
                asked = _told(self.wait, answer) if asked is None else asked
                asked = outcome.seconds if asked is None else asked
                if asked is not None and asked > self.limits.wait_seconds:
                    raise TransientError(f"{request}: {why}, and asks to wait {asked:,.0f} s")
                if asked and self.budget is not None:
                    self.budget.pause(asked)
                raise _AgainError(why, asked)
            case Then.QUOTA:
                raise TransientError(
                    f"{request}: {why}: the quota is used up",
                    fix=outcome.fix or "what was read is kept; the next run goes on there",
                )
            case Then.SHRINK:
                raise TooLargeError(why)
            case Then.SKIP:
                raise SkippedError(why)
            case Then.STALE:
                raise StaleCheckpointError(f"{request}: {why}")
        kind: type[CxflowError] = ConfigError if outcome.then in (Then.CONFIG, Then.RENEW) else SourceError
        fix = outcome.fix
        if right and outcome.then is Then.CONFIG and answer.status == 403:
            fix = f"give the credentials the right {right}, or leave the stream out with only = […]"
        raise kind(f"{request}: {why}", value=request.endpoint, fix=fix or None)

    def _url(self, request: Request) -> str:
        """The complete URL, on one of the hosts."""
        base = self.base_url.rstrip("/")
        path = request.path
        if path.startswith("/") and not path.startswith("//"):
            url = urljoin(base, path) if path.startswith(urlsplit(base).path or "/") else base + path
        else:
            url = urljoin(base + "/", path)
        hosts.check_link(url, self._origins)
        return url

    @staticmethod
    def _sleep(seconds: float, why: str, request: Request) -> None:
        if seconds > _TOLD_SECONDS:
            log.info("waiting", seconds=round(seconds), why=why, request=str(request))
            progress.held_up(f"waits {seconds:,.0f} s for the {why} of requests")
        if seconds > 0:
            time.sleep(seconds)


def _is_unknown_host(problem: BaseException | None) -> bool:
    """Whether a connection failed because the host's name is not known."""
    while problem is not None and not isinstance(problem, socket.gaierror):
        problem = problem.__cause__ or problem.__context__
    return problem is not None


def _told(reader: Callable[[Answer], ToldT | None] | None, answer: Answer) -> ToldT | None:
    """What an answer says by a connector's reader; None if it has none, or the answer has another form: it may be the
    page of a proxy."""
    try:
        return None if reader is None else reader(answer)
    except (NotJsonError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None


@contextmanager
def without_pauses() -> Iterator[None]:
    """Tries follow each other at once; how many there are stays as it is. For tests."""
    with stamina.set_testing(True, attempts=_ATTEMPTS, cap=True):
        yield
