"""Bulk operations: Shopify puts all that a search finds into one file, at no cost in points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cxflow import SourceError, TransientError, http

from cxflow_shopify import queries

_LISTS = {"gid://shopify/LineItem/": "lineItems"}
"""What an item's id begins with to the list that it is of."""
_LOST = {"FAILED", "CANCELED", "CANCELING", "EXPIRED"}


class Bulk(http.Job):
    """One bulk operation."""

    def __init__(self, path: str, stream: str, document: str) -> None:
        self._path = path
        self._stream = stream
        self._document = document

    @property
    def query(self) -> str:
        """Its document, with the window."""
        return self._document

    @property
    def origin(self) -> str:
        """Not that of pages: their count is another."""
        return f"{self._path} (bulk operation)"

    def start(self, client: http.Client) -> str:
        """Raises TransientError if as many run as the app may, SourceError if the document is refused."""
        answer = client.send(self._request(queries.RUN_BULK, query=self._document))
        errors = answer.value("data.bulkOperationRunQuery.userErrors") or []
        identifier = answer.value("data.bulkOperationRunQuery.bulkOperation.id")
        if not errors and identifier:
            return str(identifier)
        code = str(errors[0].get("code") or "") if errors else ""
        if code == "OPERATION_IN_PROGRESS":
            raise TransientError("the shop runs as many bulk operations of the app as it may", value=code)
        raise SourceError(
            f"the bulk operation is refused{f' ({code})' if code.replace('_', '').isalpha() else ''}",
            stream=self._stream,
            fix="check order_fields and customer_fields: a bulk operation knows no connection within a list; "
            "or set bulk_days = 0",
        )

    def state(self, client: http.Client, identifier: str) -> http.JobState:
        """What became of it."""
        answer = client.send(self._request(queries.BULK_STATE, id=identifier))
        found: dict[str, Any] | None = answer.value("data.bulkOperation")
        if found is None:
            return http.JobState(lost="Shopify does not know it any more")
        status, code = str(found["status"]), found.get("errorCode")
        if status in _LOST:
            return http.JobState(lost=f"its status is {status}{f' ({code})' if code else ''}")
        lines = found.get("objectCount")
        return http.JobState(
            ended=status == "COMPLETED",
            url=found.get("url"),
            lines=int(lines) if lines is not None else None,
        )

    def records(self, file: Path) -> Iterator[list[bytes]]:
        """Orders and customers, lines in their orders again."""
        return http.joined(file, _LISTS if self._stream == "orders" else {})

    def _request(self, document: str, **variables: str) -> http.Request:
        return http.Request(self._path, body={"query": document, "variables": variables})
