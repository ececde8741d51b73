"""A service that gives a list page by page, and a connector that can resume. For the tests of interrupted pulls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.errors import StaleCheckpointError
from cxflow.extract import extract
from cxflow.model.batch import BatchRef, Mode
from cxflow.model.reading import Checkpoint, Count, Cursor, Page, Reading, Reject
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Connection, Secret, Settings

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=1), NOW)
PAGES, OF_A_PAGE = 5, 3
PERSONAL = "ada@example.org"


@dataclass
class Service:
    """Pages 0 to 4, each of three records and, if odd, one that is none. It remembers what it was asked for."""

    asked: list[int] = field(default_factory=list)
    began: list[str] = field(default_factory=list)
    """`read` or `resume`, with the window."""
    cursors: list[Cursor | None] = field(default_factory=list)
    at: dict[int, Callable[[], Any]] = field(default_factory=dict)
    """What happens once before a page is given."""
    forgets: bool = False
    """Whether checkpoints are stale."""
    counted: bool = True
    too_many: int = 0
    """By which the counts are wrong."""

    def page(self, number: int) -> tuple[list[dict[str, Any]], list[Reject]]:
        if happens := self.at.pop(number, None):
            happens()
        self.asked.append(number)
        records = [{"id": number * OF_A_PAGE + i, "mail": PERSONAL} for i in range(OF_A_PAGE)]
        return records, [Reject("why", f"raw {number}")] if number % 2 else []


def fails(problem: BaseException) -> Callable[[], None]:
    """Something that happens at a page."""

    def happens() -> None:
        raise problem

    return happens


class PagedConnection(Connection):
    """Where the service is."""

    url: str = "https://service.invalid"
    token: Secret | None = None


class PagedStream(Stream):
    """A list of the service."""

    path: str = "/items"


class Paged(Connector[PagedConnection, PagedStream]):
    """Can resume after any page."""

    name: ClassVar[str] = "invented_pages"
    title: ClassVar[str] = "Invented pages"
    declared: ClassVar[tuple[Stream, ...]] = (
        PagedStream.model_validate(
            {
                "name": "items",
                "primary_key": ["id"],
                "to": {
                    "touchpoint": {
                        "activity": "'called_support'",
                        "channel": "'web'",
                        "occurred_at": "TIMESTAMPTZ '2026-03-01 10:00:00Z'",
                    }
                },
            }
        ),
    )
    service: Service

    def read(self, stream: PagedStream, window: Window, cursor: Cursor | None) -> Reading:
        self.service.began.append(f"read {window}")
        self.service.cursors.append(cursor)
        return (yield from self._pages(0))

    def resume(
        self, stream: PagedStream, window: Window, cursor: Cursor | None, checkpoint: Checkpoint
    ) -> Reading:
        self.service.began.append(f"resume {window}")
        self.service.cursors.append(cursor)
        if self.service.forgets:
            raise StaleCheckpointError("the service has forgotten the token")
        return (yield from self._pages(checkpoint["next"]))

    def _pages(self, first: int) -> Reading:
        for number in range(first, PAGES):
            records, rejects = self.service.page(number)
            if self.service.counted:
                yield Count(len(records) + len(rejects) + self.service.too_many, "/items")
            yield Page("/items", NOW, records, rejects, {"next": number + 1})
        return {"after": "token"}


class Forgetful(Paged):
    """The same without `resume`."""

    resume = Connector.resume


def connector(settings: Settings, service: Service, kind: type[Paged] = Paged, **declared: Any) -> Paged:
    """A connector at the service; `declared` are settings of its connection."""
    made = kind(settings, PagedConnection(name="desk", connector=kind.name, **declared))
    made.service = service
    return made


def pull(
    settings: Settings,
    service: Service,
    *,
    window: Window = WINDOW,
    cursor: Cursor | None = None,
    mode: Mode = "scheduled",
    limit: int | None = None,
    kind: type[Paged] = Paged,
    **declared: Any,
) -> BatchRef:
    """Extract the service's only stream."""
    made = connector(settings, service, kind, **declared)
    if mode == "scheduled" and cursor is None:
        cursor = {}
    return extract(settings, Extraction(made, made.stream("items"), window, cursor, mode), limit)


def numbers(records: Iterator[Any]) -> list[int]:
    """The ids of records."""
    return [record["id"] for record in records]
