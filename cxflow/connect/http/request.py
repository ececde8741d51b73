"""A request as a value. Paging makes the next request from an answer, and a checkpoint is a request as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask for, without credentials: the client adds them."""

    path: str
    """Below the service's base URL (`/v1/tickets`), or a complete URL on one of its hosts."""
    params: Mapping[str, str] = field(default_factory=dict)
    """The query string."""
    body: Any = None
    """JSON; a request with a body is a POST."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What its paging remembers; JSON, not sent."""
    starts_again: bool = False
    """Whether it asks for the last records again, as a search that starts anew at an anchor: what comes may be the page
    before."""

    def to(self, path: str) -> Request:
        """A request for another place, as a link of the service gives it: with its own query string."""
        return Request(path, {}, self.body, self.notes)

    def with_params(self, **changed: str | None) -> Request:
        """The same request with other parameters; None takes one away."""
        params = {**self.params, **changed}
        return replace(self, params={name: value for name, value in params.items() if value is not None})

    def with_body(self, **changed: Any) -> Request:
        """The same request with other keys in its body; None takes one away."""
        body = {**(self.body or {}), **changed}
        return replace(self, body={name: value for name, value in body.items() if value is not None})

    @property
    def endpoint(self) -> str:
        """Its path alone, also of a complete URL."""
        return urlsplit(self.path).path

    def as_json(self) -> dict[str, Any]:
        """For a checkpoint."""
        found = {**self.sent(), "notes": dict(self.notes), "starts_again": self.starts_again}
        return {name: value for name, value in found.items() if value}

    def sent(self) -> dict[str, Any]:
        """What the service sees of it, as JSON."""
        return {"path": self.path, "params": dict(self.params), "body": self.body}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Request:
        """The inverse of `as_json`."""
        return cls(
            found["path"],
            found.get("params", {}),
            found.get("body"),
            found.get("notes", {}),
            found.get("starts_again", False),
        )

    def __str__(self) -> str:
        """Method and path, without the query string, in which services accept secrets."""
        return f"{'GET' if self.body is None else 'POST'} {self.endpoint}"
