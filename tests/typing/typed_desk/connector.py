"""The connector: tickets as JSON, in pages with rejects and the desk's own count; calls as CSV, by a query."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import duckdb

from cxflow import (
    Checkpoint,
    ConfigError,
    Connection,
    Connector,
    Count,
    Cursor,
    Dataset,
    Expectation,
    Item,
    Page,
    Policies,
    Projection,
    Query,
    Reading,
    Reject,
    Secret,
    Settings,
    SourceError,
    StaleCheckpointError,
    Stream,
    TransientError,
    Window,
    pages,
)


class DeskConnection(Connection):
    """Where the desk puts its exports."""

    exports: str
    """Their folder, seen from the project's."""
    seal: Secret
    """Hashed into the names of the agents."""


class DeskStream(Stream):
    """A kind of export."""

    prefix: str
    """What the names of its files begin with."""
    kind: Literal["json", "csv"] = "json"
    page_records: int = 1000
    """Records in a page."""


class Desk(Connector[DeskConnection, DeskStream]):
    """The exports of an invented help desk, a file a day."""

    name = "desk"
    title = "Daily exports of the Desk service"
    distribution = "cxflow-desk"
    declared = (
        DeskStream(
            name="tickets",
            title="Requests for help",
            prefix="tickets",
            primary_key=("id",),
            version="updated_at",
            deleted="status = 'deleted'",
            look_back=timedelta(days=1),
            pii=("requester",),
            identifiers={"email": "requester"},
            to={
                "touchpoint": [
                    {"activity": "'contacted_support'", "channel": "channel", "occurred_at": "opened_at"},
                    Projection(
                        columns={
                            "activity": "'rated_support'",
                            "channel": "'email'",
                            "occurred_at": "updated_at",
                        },
                        where="score IS NOT NULL",
                    ),
                ],
                "support_case": {
                    "case_id": "id",
                    "opened_at": "opened_at",
                    "first_reply_at": "replied_at",
                    "status": "status",
                },
                "survey_response": {
                    "where": "score IS NOT NULL",
                    "response_id": "id",
                    "question_id": "'recommend'",
                    "metric_type": "'nps'",
                    "rating_value": "score",
                    "responded_at": "updated_at",
                },
            },
            expect=(
                Expectation(table="support_case", rule="known_status", sql="status IN ('open', 'solved')"),
                Expectation(
                    table="support_case",
                    rule="some_cases",
                    type="expect_table_row_count_to_be_between",
                    with_={"min_value": 0},
                    level="table",
                ),
            ),
            policies=Policies(new_column="accept", duplicate_key="latest"),
        ),
        DeskStream(
            name="calls",
            prefix="calls",
            kind="csv",
            primary_key=("call_id",),
            to={
                "touchpoint": {
                    "activity": "'called_support'",
                    "channel": "'phone'",
                    "occurred_at": "offered",
                },
                "interaction": {
                    "interaction_id": "call_id",
                    "agent_id": "agent",
                    "offered_at": "offered",
                    "wait_seconds": "waited",
                    "transfer_count": "passed_on",
                },
            },
        ),
    )

    def __init__(self, settings: Settings, connection: Connection) -> None:
        super().__init__(settings, connection)
        self._folder = settings.path(self.connection.exports)

    def check(self, stream: DeskStream) -> None:
        """Raises where the folder is missing, or the seal."""
        if not self._folder.is_dir():
            raise SourceError(
                f"there is no folder {self._folder}", connection=self.connection.name, stream=stream.name
            )
        if len(self._seal()) < 8:
            raise ConfigError(
                "the seal is shorter than 8 characters", value="seal", fix="choose a longer one"
            )

    def plan(self, stream: DeskStream, window: Window, cursor: Cursor | None) -> list[str]:
        """A line for each export of the window."""
        return [path.name for path, _ in self._exports(stream, window)]

    def datasets(self, stream: DeskStream) -> list[Dataset]:
        """The folder of the exports."""
        return [Dataset("file", str(self.settings.path(self.connection.exports) / stream.name))]

    def read(self, stream: DeskStream, window: Window, cursor: Cursor | None) -> Reading:
        """The exports that were written in the window."""
        return (yield from self._items(stream, window, cursor))

    def resume(
        self, stream: DeskStream, window: Window, cursor: Cursor | None, checkpoint: Checkpoint
    ) -> Reading:
        """The exports behind the one that was read last."""
        last = str(checkpoint["last"])
        if not (self._folder / last).is_file():
            raise StaleCheckpointError("the export read last is gone", value=last)
        return (yield from self._items(stream, window, cursor, last))

    def _items(self, stream: DeskStream, window: Window, cursor: Cursor | None, last: str = "") -> Reading:
        newest = max("" if cursor is None else str(cursor.get("newest", "")), last)
        for path, written in self._exports(stream, window):
            if path.name <= last:
                continue
            if stream.kind == "csv":
                yield self._query(path, written)
            else:
                yield from self._pages(stream, path, written)
            newest = max(newest, path.name)
        return {"newest": newest}

    def _exports(self, stream: DeskStream, window: Window) -> Iterator[tuple[Path, datetime]]:
        for path in sorted(self._folder.glob(f"{stream.prefix}-*.{stream.kind}")):
            written = datetime.fromisoformat(path.stem.removeprefix(f"{stream.prefix}-")).replace(tzinfo=UTC)
            if written in window:
                yield path, written

    def _pages(self, stream: DeskStream, path: Path, written: datetime) -> Iterator[Item]:
        try:
            export: dict[str, Any] = json.loads(path.read_bytes())
        except BlockingIOError:
            raise TransientError("the desk is still writing", value=path.name) from None
        found: list[Any] = export["tickets"]
        odd = [Reject("not an object", json.dumps(each)) for each in found if not isinstance(each, dict)]
        tickets = (each for each in found if isinstance(each, dict))
        yield Count(records=int(export["total"]), origin=path.name)
        yield from pages(tickets, origin=path.name, received_at=written, size=stream.page_records)
        yield Page(path.name, written, rejects=odd, checkpoint={"last": path.name})

    def _query(self, path: Path, written: datetime) -> Query:
        database = duckdb.connect()
        seal = hashlib.sha256(self._seal().encode()).hexdigest()
        return Query(
            database,
            f"SELECT * REPLACE (sha256(agent || '{seal}') AS agent), '{path.name}' AS _origin, "
            f"TIMESTAMPTZ '{written.isoformat()}' AS _received_at "
            f"FROM read_csv('{path}', header = true, all_varchar = true)",
        )

    def _seal(self) -> str:
        return self.connection.seal.reveal("seal").get_secret_value()
