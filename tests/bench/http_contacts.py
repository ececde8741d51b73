"""The connector of the HTTP benchmark: one stream, one paging."""

from __future__ import annotations

from typing import ClassVar

from cxflow import hookimpl, http


class Contacts(http.RestConnector[http.HttpConnection]):
    """The contacts of the benchmark's service."""

    name: ClassVar[str] = "contacts"
    title: ClassVar[str] = "The contacts of the benchmark's service"
    base_url: ClassVar[str] = "https://contacts.example"
    declared = (
        http.RestStream(
            name="contacts",
            primary_key=("id",),
            version="updated_at",
            path="/contacts",
            params={"token": "0"},
            records="contacts",
            pages=http.Token(token="next", param="token"),
            pii=("email", "phone"),
            identifiers={"email": "email", "phone": "phone"},
            to={"touchpoint": {"activity": "activity", "channel": "channel", "occurred_at": "occurred_at"}},
        ),
    )

    def auth(self, client: http.Client) -> http.Auth:
        """Nobody asks who."""
        return http.Anonymous()


@hookimpl
def cxflow_connectors() -> list[type[Contacts]]:
    """The one connector."""
    return [Contacts]
