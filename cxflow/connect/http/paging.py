"""How services page. A paging makes the next request from a request and its answer, and keeps no state of its own: so a
checkpoint is a request, and a pull goes on from any page. What it must remember beside, such as how many records came
since an anchor, it writes on the request (`Request.notes`), which is not sent.

Each knows where its service stops answering (`cap`), and goes on from an anchor there, or raises: none ends early
without a word. `stream` compares requests, and refuses one that was made before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import Field

from cxflow.connect.http.answer import Answer, value_of
from cxflow.connect.http.request import Request
from cxflow.errors import SourceError
from cxflow.model.frozen import Frozen
from cxflow.model.window import Window


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what was asked, what came."""

    request: Request
    answer: Answer
    records: list[bytes]
    window: Window

    def field(self, place: int, path: str) -> Any:
        """A value of one of its records."""
        return value_of(self.records[place], path)


class Paging(Frozen, ABC):
    """How a stream's pages follow each other."""

    last_may_repeat: ClassVar[bool] = False
    """Whether the last page may be the one before once more, as where pages go by a time of whole seconds."""
    size: str | None = None
    """The parameter (or dotted path in the body) with the number of records of a page: it is halved where the service
    cannot make so large a page."""

    @abstractmethod
    def after(self, page: Page) -> Request | None:
        """The request for the page after this one; None after the last.

        Raises SourceError where the service would leave something out.
        """

    def smaller(self, request: Request) -> Request | None:
        """The same request for half as many records; None if it cannot ask for fewer."""
        if self.size is None:
            return None
        path = self.size.split(".")
        in_body = _found(request.body, path)
        asked = int(request.params.get(self.size, 0) if in_body is None else in_body)
        if asked < 2:
            return None
        if in_body is None:
            return request.with_params(**{self.size: str(asked // 2)})
        return replace(request, body=_replaced(request.body, path, asked // 2))


class OnePage(Paging):
    """Everything in one answer. The default."""

    def after(self, page: Page) -> Request | None:  # noqa: ARG002
        """There is none."""
        return None


class Token(Paging):
    """The answer has a token for the next page: HubSpot's lists, Zendesk's cursors."""

    token: str
    """Where it stands in the answer."""
    param: str
    """The parameter that sends it (`in_body`: the key of the body)."""
    in_body: bool = False
    more: str | None = None
    """Where the answer says whether there is more; unset: as long as there is a token."""
    drops: tuple[str, ...] = ()
    """Parameters of the first request that the service refuses beside the token."""

    def after(self, page: Page) -> Request | None:
        """By its token, also after a page without records."""
        token = page.answer.value(self.token)
        if token in (None, "") or (self.more is not None and not page.answer.value(self.more)):
            return None
        if self.in_body:
            return page.request.with_body(**{self.param: token}, **dict.fromkeys(self.drops))
        return page.request.with_params(**{self.param: str(token)}, **dict.fromkeys(self.drops))


class Link(Paging):
    """The answer has the address of the next page: Twilio. The client follows it on the service's own hosts only."""

    link: str
    """Where it stands in the answer; None or "" on the last page."""

    def after(self, page: Page) -> Request | None:
        """By its link, nothing added."""
        link = page.answer.value(self.link)
        return page.request.to(str(link)) if link else None


class Export(Paging):
    """An export by time that goes on by token until it says that it is over: Zendesk's tickets and users."""

    token: str
    param: str = "cursor"
    end: str = "end_of_stream"
    start: str = "start_time"
    """The parameter of the first request, which the token replaces."""

    def after(self, page: Page) -> Request | None:
        """Until the end is said: an empty page is none."""
        if page.answer.value(self.end):
            return None
        token = page.answer.value(self.token)
        if not token:
            raise SourceError("the export has no token for its next page, and does not say that it is over")
        return page.request.with_params(**{self.param: str(token), self.start: None})


class TimeWalk(Paging):
    """Each answer ends with a time from which the next one starts, the records of that second included: Zendesk's
    events."""

    last_may_repeat: ClassVar[bool] = True
    start: str = "start_time"
    end: str = "end_time"
    over: str | None = "end_of_stream"
    """Where the answer says that it is over; unset: only by its end, which does not move any more."""
    full: int | None = None
    """A page with fewer records is the last."""

    def after(self, page: Page) -> Request | None:
        """From the answer's end, if that moved and the window is not over."""
        end = page.answer.value(self.end)
        if end is None or (self.over and page.answer.value(self.over)):
            return None
        if self.full is not None and len(page.records) < self.full:
            return None
        if str(end) == page.request.params.get(self.start):
            if self.full is not None or (self.over and page.answer.value(self.over) is False):
                raise SourceError(
                    f"more than {len(page.records):,} records share one second, and the service pages by seconds",
                    value=self.start,
                )
            return None
        if datetime.fromtimestamp(int(end), UTC) >= page.window.end:
            return None
        return page.request.with_params(**{self.start: str(end)})


class PageNumber(Paging):
    """Pages are counted: Trustpilot, Typeform's forms."""

    param: str = "page"
    first: int = 1
    pages: str | None = None
    """Where the answer says how many pages there are; unset: until a page is empty."""
    cap: int | None = None
    """Records after which the service answers no more."""

    def after(self, page: Page) -> Request | None:
        """By its number. Raises SourceError at the cap."""
        number = int(page.request.params.get(self.param, self.first))
        if not page.records:
            return None
        if self.pages is not None and number - self.first + 1 >= int(page.answer.value(self.pages) or 0):
            return None
        asked = int(page.request.params.get(self.size or "", len(page.records)))
        if self.cap is not None and (number - self.first + 1) * asked >= self.cap:
            raise SourceError(
                f"the service answers no more than {self.cap:,} records at a time",
                fix="read shorter windows: cxflow backfill --from … --to …",
            )
        return page.request.with_params(**{self.param: str(number + 1)})


class NewestFirst(Paging):
    """Newest first, each page before the last record of the one before: Typeform's responses. Its tokens are refused
    beside a window, so later pages have none, and reading ends at the first page that is older than the window."""

    token: str
    """Where a record's token stands."""
    param: str = "before"
    time: str
    """Where a record's time stands, in ISO 8601."""
    drops: tuple[str, ...] = ("since", "until")

    def after(self, page: Page) -> Request | None:
        """Before its last record, unless that is older than the window."""
        if not page.records:
            return None
        last = page.field(-1, self.time)
        start = page.window.start
        if last and start and datetime.fromisoformat(str(last)).astimezone(UTC) < start:
            return None
        token = page.field(-1, self.token)
        if not token:
            raise SourceError("the last record of a page has no token to go on from", value=self.token)
        return page.request.with_params(**{self.param: str(token)}, **dict.fromkeys(self.drops))


class Relay(Paging):
    """GraphQL's connections: Shopify."""

    connection: str
    """Where the connection stands in the answer, such as `data.orders`."""
    variable: str = "after"

    def after(self, page: Page) -> Request | None:
        """By its end cursor."""
        info = page.answer.value(f"{self.connection}.pageInfo")
        if not isinstance(info, Mapping):
            raise SourceError("the answer has no pageInfo", value=self.connection)
        if not info.get("hasNextPage"):
            return None
        variables = {**page.request.body.get("variables", {}), self.variable: info.get("endCursor")}
        return page.request.with_body(variables=variables)


class Keyset(Paging):
    """A search that answers a limited number of records, sorted by id: after so many it starts again behind the last
    id. HubSpot's search, 10,000."""

    token: str = "paging.next.after"
    param: str = "after"
    cap: int = Field(default=10_000, ge=1)
    id: str = "id"
    """Where a record's id stands."""
    anchor: str
    """The dotted path, in the body, of the value that a record's id must be greater than."""

    def after(self, page: Page) -> Request | None:
        """By its token, until that reaches the cap; then from the last id."""
        token = page.answer.value(self.token)
        if token in (None, ""):
            return None
        if int(token) < self.cap:
            return page.request.with_body(**{self.param: token})
        body = _replaced(page.request.body, self.anchor.split("."), page.field(-1, self.id))
        return Request(page.request.path, page.request.params, body).with_body(**{self.param: None})


def _found(body: Any, path: list[str]) -> Any:
    """The value at a path of a JSON body; None if there is none."""
    for step in path:
        body = body.get(step) if isinstance(body, Mapping) else None
    return body


def _replaced(body: Any, path: list[str], value: Any) -> Any:
    """A copy of a JSON body with one value replaced."""
    if not path:
        return value
    step, *rest = path
    if isinstance(body, list):
        return [
            _replaced(item, rest, value) if place == int(step) else item for place, item in enumerate(body)
        ]
    return {**body, step: _replaced(body[step], rest, value)}
