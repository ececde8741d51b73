"""The protocol of delivered records, and the formats of their values.

The system modules implement it; disorder, files and truth use nothing else of their records.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self

from cxflow_demo.clock import local

Row = dict[str, Any]
"""One record as its system has it: flat strings for CSV, a nested object for JSON, a vendor's shape for a service."""

Identifier = tuple[str, str]
"""Namespace (email, phone, contact, customer) and value: lower-case address, E.164 number or external id."""


class Record(Protocol):
    """One version of a record. Its identifiers are the same in all versions."""

    stream: ClassVar[str]
    """``system.object``, as in ``shop.orders``."""

    @property
    def key(self) -> str:
        """The primary key; its columns joined by a slash."""

    @property
    def changed_at(self) -> datetime:
        """When the source made this version, which is delivered on that local day. The latest version is
        valid."""

    @property
    def is_deleted(self) -> bool:
        """Whether the source has deleted the record: it no longer counts."""

    def row(self) -> Row:
        """The version as the source writes it. Two deliveries of one version are byte-identical."""

    def identifiers(self) -> Iterator[Identifier]:
        """The identifiers of the record's person."""

    def touched(self, moment: datetime, /) -> Self:
        """The same facts as a later version; the record itself if the source has no update time."""


def utc_iso(moment: datetime | None) -> str | None:
    """``2026-03-01T09:30:00Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def local_minute(moment: datetime | None) -> str:
    """``01/03/2026 10:30``, without a zone; empty for none."""
    return local(moment).strftime("%d/%m/%Y %H:%M") if moment else ""


def local_second(moment: datetime | None) -> str:
    """``2026-03-01 10:30:00``, without a zone; empty for none."""
    return local(moment).strftime("%Y-%m-%d %H:%M:%S") if moment else ""
