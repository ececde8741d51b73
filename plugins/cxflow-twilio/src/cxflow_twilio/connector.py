"""The connector: whose account, with which key, and what Twilio's refusals mean."""

from __future__ import annotations

from typing import ClassVar

from cxflow import ConfigError, Secret, Stream, http
from pydantic import Field

from cxflow_twilio import task
from cxflow_twilio.streams import STREAMS, TASKROUTER


class TwilioConnection(http.HttpConnection):
    """One Twilio account: with an API key, or with the account's own token."""

    account_settings: ClassVar[tuple[str, ...]] = ("account_sid", "key_sid", "workspace", "base_url")
    account_sid: str
    """The account, `AC…`."""
    key_sid: str | None = None
    """The SID of an API key, `SK…`; unset: the account itself, whose token is then the secret."""
    secret: Secret
    """The API key's secret, or the account's auth token."""
    workspace: str = ""
    """The TaskRouter workspace, `WS…`, of the streams `events` and `tasks`."""
    requests_per_second: int = Field(default=10, gt=0)
    """Twilio publishes no rate; it limits how many requests run at once, and these follow each other."""


class Twilio(http.RestConnector[TwilioConnection]):
    """Reads an account's calls, and the events of a TaskRouter workspace."""

    name: ClassVar[str] = "twilio"
    title: ClassVar[str] = "Twilio: voice calls, and the tasks of TaskRouter (Flex) with their waits"
    distribution: ClassVar[str] = "cxflow-twilio"
    declared: ClassVar[tuple[Stream, ...]] = STREAMS
    base_url: ClassVar[str] = "https://api.twilio.com"
    other_hosts: ClassVar[tuple[str, ...]] = (TASKROUTER,)
    errors: ClassVar[http.Errors] = http.Errors(
        code=("code",),
        rules=(
            http.Rule(429, http.Then.WAIT),
            http.Rule(
                401,
                http.Then.CONFIG,
                None,
                "status 401: the key or its secret is wrong",
                "check account_sid, key_sid and secret; a test credential cannot read calls",
            ),
            http.Rule(
                403,
                http.Then.CONFIG,
                None,
                "status 403: the key lacks a right",
                "a standard or main key may read calls and TaskRouter; a restricted one needs both rights",
            ),
            http.Rule(
                404,
                http.Then.CONFIG,
                "20404",
                "status 404 (20404): there is no such account or workspace",
                "check account_sid and workspace, and that the key belongs to that account",
            ),
        ),
    )

    @property
    def allowed(self) -> tuple[http.RateLimit, ...]:
        """As set."""
        return (http.RateLimit(self.connection.requests_per_second, 1),)

    def check(self, stream: http.RestStream) -> None:
        """Check the address and the settings. Nothing is asked."""
        super().check(stream)
        if stream.name in ("events", "tasks") and not self.connection.workspace:
            raise ConfigError(
                "TaskRouter's events belong to a workspace, and none is set",
                value="workspace",
                fix='set workspace = "WS…", or leave the streams out: only = ["calls"]',
            )

    def auth(self, client: http.Client) -> http.Auth:  # noqa: ARG002
        """HTTP Basic: the account stays in the path."""
        own = self.connection
        return http.Basic(own.key_sid or own.account_sid, own.secret.reveal("secret"))

    def completed(  # no request: a task is made of its events alone
        self,
        client: http.Client,  # noqa: ARG002
        stream: http.RestStream,
        records: list[bytes],
    ) -> list[bytes]:
        """The tasks, summed up from their events."""
        return [task.summed(record) for record in records] if stream.name == "tasks" else records
