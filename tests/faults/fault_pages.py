"""The shop's survey as a service gives it: page by page, with checkpoints. A plugin of the fault tests' projects."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

import fault_shop

from cxflow import Checkpoint, Connector, Count, Cursor, Page, Reading, Stream, Window, hookimpl

PAGE_RECORDS = 3


class Pages(Connector):
    """Each day's answers are known from noon."""

    name: ClassVar[str] = "fault_pages"
    title: ClassVar[str] = "The shop's survey, page by page"

    def read(self, stream: Stream, window: Window, cursor: Cursor | None) -> Reading:
        """From the first page."""
        return (yield from self._pages(window, 0))

    def resume(
        self, stream: Stream, window: Window, cursor: Cursor | None, checkpoint: Checkpoint
    ) -> Reading:
        """After any page."""
        return (yield from self._pages(window, checkpoint["next"]))

    def _pages(self, window: Window, first: int) -> Reading:
        known = [
            (noon, record)
            for day, records in zip(fault_shop.DAYS, fault_shop.said(), strict=True)
            for record in records
            if (noon := day + timedelta(hours=12)) in window
        ]
        for start in range(first, len(known), PAGE_RECORDS):
            page = known[start : start + PAGE_RECORDS]
            yield Count(len(page), "/answers")
            records = [record for _, record in page]
            yield Page("/answers", page[0][0], records, checkpoint={"next": start + len(page)})
        return {"until": window.end.isoformat()}


@hookimpl
def cxflow_connectors() -> list[type[Connector]]:
    return [Pages]
