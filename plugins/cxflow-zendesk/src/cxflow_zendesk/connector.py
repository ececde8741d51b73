"""The connector: settings, credentials, rates, errors, and what it adds to the pages of exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, ClassVar, Literal

from cxflow import Checkpoint, Count, Cursor, Item, Page, Reading, Secret, Stream, Window, http
from pydantic import Field, model_validator

from cxflow_zendesk.exports import Export, Walk
from cxflow_zendesk.satisfaction import SATISFACTION_RATINGS, SURVEY_RESPONSES
from cxflow_zendesk.support import COMMENTS, METRIC_EVENTS, STAFF, TICKETS, USERS
from cxflow_zendesk.talk import CALLS


class ZendeskConnection(http.HttpConnection):
    """One Zendesk account."""

    subdomain: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """The part of its address before .zendesk.com."""
    email: str | None = None
    """The address of the administrator whose API token it is."""
    token: Secret | None = None
    """An API token."""
    client_id: str | None = None
    """The OAuth client's identifier, instead of an API token."""
    client_secret: Secret | None = None
    """The OAuth client's secret."""
    refresh_token: Secret | None = None
    """The refresh token that the authorisation gave. Zendesk replaces it with every use: cxflow keeps the
    new one."""
    requests_per_minute: int = Field(default=200, ge=1)
    """What the account's plan allows: 200 (Team), 400 (Growth, Professional), 700 (Enterprise), 2500
    (Enterprise Plus, or High Volume)."""
    exports_per_minute: int = Field(default=10, ge=1)
    """What incremental exports allow: 10, or 30 with High Volume."""
    support_type_scope: Literal["all", "agent", "ai_agent"] = "all"
    """Whose tickets to read: those of agents, of AI agents, or all."""

    @model_validator(mode="after")
    def _one_way_in(self) -> ZendeskConnection:
        by_token = (self.email, self.token)
        by_oauth = (self.client_id, self.client_secret, self.refresh_token)
        if all(by_token) == all(by_oauth) or any(by_oauth if all(by_token) else by_token):
            raise ValueError(
                "needs email and token (of an administrator), or client_id, client_secret and refresh_token"
            )
        return self


class Zendesk(http.RestConnector[ZendeskConnection]):
    """Reads a Zendesk account: Support, satisfaction surveys, Talk."""

    name: ClassVar[str] = "zendesk"
    title: ClassVar[str] = "Zendesk: tickets, customers, comments, satisfaction, Talk calls"
    distribution: ClassVar[str] = "cxflow-zendesk"
    declared: ClassVar[tuple[Stream, ...]] = (
        TICKETS,
        USERS,
        COMMENTS,
        METRIC_EVENTS,
        SATISFACTION_RATINGS,
        SURVEY_RESPONSES,
        CALLS,
    )
    base_url: ClassVar[str] = "https://{subdomain}.zendesk.com"
    errors: ClassVar[http.Errors] = http.Errors(
        code=("error", "error.title", "errors.0.code"),
        rules=(
            http.Rule(
                400,
                http.Then.CONFIG,
                "StartTimeTooRecent",
                "that the window starts less than a minute ago",
                "leave lag as declared, and check this machine's clock",
            ),
            http.Rule(
                401,
                http.Then.RENEW,
                fix="check email and token, and that the account allows API tokens; that of a user who is "
                "suspended or downgraded is refused, too",
            ),
            http.Rule(
                403,
                http.Then.CONFIG,
                why="status 403: the credentials lack a right",
                fix="exports need an administrator (OAuth: the scope read); without Talk, or surveys of that "
                'generation, leave the stream out: only = ["tickets", "users", …]',
            ),
            http.Rule(
                404,
                http.Then.CONFIG,
                why="status 404: the account has no such endpoint",
                fix="check subdomain; without Talk, or without surveys of that generation, leave the stream "
                'out: only = ["tickets", "users", …]',
            ),
        ),
    )

    @property
    def allowed(self) -> tuple[http.RateLimit, ...]:
        """The plan's limit, and that of exports."""
        plan = self.connection.requests_per_minute
        return (
            http.RateLimit(plan, 60, burst=max(plan // 20, 1)),
            http.RateLimit(self.connection.exports_per_minute, 60, of="/incremental/"),
        )

    def auth(self, client: http.Client) -> http.Auth:
        """An API token, or OAuth's refresh token."""
        found = self.connection
        if found.token is not None:
            return http.Basic(f"{found.email}/token", found.token.reveal("token"))
        assert found.client_id
        assert found.client_secret
        assert found.refresh_token
        form = {
            "client_id": found.client_id,
            "client_secret": found.client_secret.reveal("client_secret").get_secret_value(),
            "scope": "read",
        }
        ask = client.ask_for_tokens("/oauth/tokens", as_json=True)
        return http.RefreshToken(ask, form, found.refresh_token.reveal("refresh_token"), self.token_store())

    def read(self, stream: http.RestStream, window: Window, cursor: Cursor | None) -> Reading:
        """From the first page."""
        return (yield from self._completed(stream, window, super().read(stream, window, cursor)))

    def resume(
        self, stream: http.RestStream, window: Window, cursor: Cursor | None, checkpoint: Checkpoint
    ) -> Reading:
        """From the request after the last page that was kept."""
        return (
            yield from self._completed(stream, window, super().resume(stream, window, cursor, checkpoint))
        )

    def _completed(self, stream: http.RestStream, window: Window, reading: Reading) -> Reading:
        """The pages without the records of later windows; comments with the agents among their authors."""
        staff = self._staff(window) if stream.name == COMMENTS.name else frozenset()
        with closing(reading):
            count: Count | None = None
            while True:
                try:
                    item: Item = next(reading)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                if isinstance(item, Count):
                    count = item
                    continue
                if not isinstance(item, Page):
                    yield item
                    continue
                records = [record for record in item.records if isinstance(record, bytes)]
                if isinstance(stream.pages, Export | Walk):
                    pages = stream.pages
                    records = [record for record in records if not pages.is_later(record, window)]
                if count is not None:
                    yield replace(count, records=count.records - len(item.records) + len(records))
                if stream.name == COMMENTS.name:
                    records = [_with_staff(record, staff) for record in records]
                yield replace(item, records=records)

    def _staff(self, window: Window) -> frozenset[Any]:
        """The ids of agents and administrators."""
        found: Iterator[Item] = super().read(STAFF, Window(None, window.end), None)
        return frozenset(
            http.Answer(record, window.end).value("id")
            for page in found
            if isinstance(page, Page)
            for record in page.records
            if isinstance(record, bytes)
        )


def _with_staff(record: bytes, staff: frozenset[Any]) -> bytes:
    """A ticket event with the ids of the agents who wrote its comments, as `_staff`."""
    events = json.loads(record).get("child_events") or ()
    authors = {event.get("author_id") for event in events if isinstance(event, dict)}
    return b'{"_staff":' + json.dumps(sorted(authors & staff)).encode() + b"," + record[1:]
