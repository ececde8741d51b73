"""The connector: settings, credentials, rates, errors, and what it adds to the pages of exports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Literal

from cxflow import Item, Page, Secret, Stream, Window, http
from pydantic import Field, model_validator

from cxflow_zendesk.satisfaction import SATISFACTION_RATINGS, SURVEY_RESPONSES
from cxflow_zendesk.support import COMMENTS, METRIC_EVENTS, STAFF, TICKETS, USERS
from cxflow_zendesk.talk import CALLS, LEGS


class ZendeskConnection(http.OAuthConnection):
    """One Zendesk account."""

    account_settings: ClassVar[tuple[str, ...]] = ("subdomain", "email", "base_url", "client_id")
    subdomain: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """The part of its address before .zendesk.com."""
    email: str | None = None
    """The address of the administrator whose API token it is."""
    token: Secret | None = None
    """An API token."""
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
        LEGS,
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

    @property
    def account(self) -> str:
        """The address: limits are the account's, whoever asks."""
        return self.address

    def auth(self, client: http.Client) -> http.Auth:
        """An API token, or OAuth's refresh token."""
        found = self.connection
        if found.token is not None:
            return http.Basic(f"{found.email}/token", found.token.reveal("token"))
        return self.refreshed(client, "/oauth/tokens", as_json=True, scope="read")

    def completed(
        self,
        client: http.Client,  # noqa: ARG002
        stream: http.RestStream,
        records: list[bytes],
    ) -> list[bytes]:
        """Comments with the agents among their authors."""
        if stream.name != COMMENTS.name:
            return records
        return [_with_staff(record, self._staff) for record in records]

    @cached_property
    def _staff(self) -> frozenset[Any]:
        """The ids of agents and administrators. A connector lives as long as a run of its stream."""
        now = datetime.now(UTC)
        found: Iterator[Item] = super().read(STAFF, Window(None, now), None)
        return frozenset(
            http.Answer(record, now).value("id")
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
