"""The desk as a service over HTTP, and what says that a delivery holds everything."""

from __future__ import annotations

from datetime import datetime

from cxflow import KnownUntil, Secret, Snapshot, http


class RemoteConnection(http.HttpConnection):
    """A company's desk."""

    company: str
    """The part of its address that is the company's."""
    token: Secret
    """An access token."""


class RemoteDesk(http.RestConnector[RemoteConnection]):
    """Tickets of the invented desk, page by page."""

    name = "remote_desk"
    title = "Tickets of an invented desk, over HTTP"
    base_url = "https://{company}.desk.example"
    rates = (http.RateLimit(600, 60.0),)
    errors = http.Errors(code=("error",), rules=(http.Rule(403, http.Then.CONFIG, "missing_right"),))
    declared = (
        http.RestStream(
            name="tickets",
            primary_key=("id",),
            path="/tickets",
            params={"since": "{start}"},
            records="tickets",
            pages=http.Token(token="next", param="token"),
            to={
                "touchpoint": {
                    "activity": "'contacted_support'",
                    "channel": "'web'",
                    "occurred_at": "created_at",
                }
            },
        ),
    )

    def auth(self, client: http.Client) -> http.Auth:
        """Its token."""
        return http.bearer(self.connection.token.reveal("token"))


def whole(origin: str, delivered_at: datetime) -> Snapshot:
    """That a delivery holds every ticket."""
    return Snapshot(origin, delivered_at)


def reached(delivered_at: datetime) -> KnownUntil:
    """How far the deliveries reach."""
    return KnownUntil(delivered_at)
