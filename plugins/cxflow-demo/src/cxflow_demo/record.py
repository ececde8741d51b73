"""What a source system delivers: a version of a record, and how its values are written.

The system modules define their records by this role; disorder, files and truth know nothing else of them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self

from cxflow_demo.clock import ZONE, local

Row = dict[str, Any]
"""One record as its system writes it: flat strings for CSV, a nested object for JSON."""

Identifier = tuple[str, str]
"""Namespace (email, phone, contact, customer) and value: lower-case address, E.164 number or external id."""


class Record(Protocol):
    """One version of one record. Its identifiers are the same in all its versions."""

    stream: ClassVar[str]
    """``system.object``, as in ``shop.orders``."""

    @property
    def key(self) -> str:
        """The primary key; its columns joined by a slash."""

    @property
    def changed_at(self) -> datetime:
        """When the source made this version: it is delivered on that local day, and the latest one holds."""

    @property
    def is_deleted(self) -> bool:
        """The source has withdrawn the record: it no longer counts."""

    def row(self) -> Row:
        """The version as the source writes it. Two deliveries of one version are byte-identical."""

    def identifiers(self) -> Iterator[Identifier]:
        """Whom the record names."""

    def touched(self, moment: datetime, /) -> Self:
        """The same facts as a later version; the record itself where the source keeps no update time."""


def utc_iso(moment: datetime | None) -> str | None:
    """``2026-03-01T09:30:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def offset_iso(moment: datetime | None) -> str | None:
    """``2026-03-01T10:30:00+01:00``."""
    return moment.astimezone(ZONE).isoformat() if moment else None


def local_minute(moment: datetime | None) -> str:
    """``01/03/2026 10:30``, without a zone; empty for none."""
    return local(moment).strftime("%d/%m/%Y %H:%M") if moment else ""


def local_second(moment: datetime | None) -> str:
    """``2026-03-01 10:30:00``, without a zone; empty for none."""
    return local(moment).strftime("%Y-%m-%d %H:%M:%S") if moment else ""
