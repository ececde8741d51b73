"""Writes a day's delivery of each system to disk. Called by ``simulation``."""

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from cxflow_demo.clock import DAYS, at
from cxflow_demo.disorder import Delivery
from cxflow_demo.served import ENDED


class Dialect(Protocol):
    """A file format."""

    @property
    def suffix(self) -> str:
        """The file extension, without the dot."""

    def encode(self, deliveries: Iterable[Delivery]) -> bytes:
        """The content of one file; a day without records has a file, too."""


@dataclass(frozen=True)
class Csv:
    """Delimited text with a header line."""

    columns: tuple[str, ...]
    delimiter: str = ","
    newline: str = "\n"
    encoding: str = "utf-8"
    suffix: str = "csv"

    def encode(self, deliveries: Iterable[Delivery]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=self.delimiter, lineterminator=self.newline)
        writer.writerow(self.columns)
        for delivery in deliveries:
            row = delivery.row()
            # As if a delimiter was not quoted: the line has two columns more than the header.
            surplus = ["surplus", ""] if delivery.defect and delivery.defect.malformed else []
            writer.writerow([*(row[column] for column in self.columns), *surplus])
        return text.getvalue().encode(self.encoding)


@dataclass(frozen=True)
class JsonLines:
    """One JSON object per line."""

    suffix: str = "jsonl"

    def encode(self, deliveries: Iterable[Delivery]) -> bytes:
        return "".join(self._line(delivery) + "\n" for delivery in deliveries).encode()

    @staticmethod
    def _line(delivery: Delivery) -> str:
        line = json.dumps(delivery.row(), ensure_ascii=False)
        # As if the writer was killed: the line stops in the middle of an object.
        return line[: len(line) * 3 // 5] if delivery.defect and delivery.defect.malformed else line


DIALECTS: dict[str, Dialect] = {
    "crm.leads": Csv(
        (
            "Lead Id", "Contact Id", "Origin", "Stage", "Amount",
            "Created At", "Won At", "Lost At", "Updated At",
        ),
        delimiter=";", newline="\r\n", encoding="utf-8-sig",
    ),
    "callcentre.calls": Csv(
        (
            "call_id", "queue", "caller", "agent", "reason", "started_at", "answered_at", "ended_at",
            "wait_seconds", "talk_seconds", "hold_seconds", "acw_seconds", "transfers", "outcome", "note",
        ),
        newline="\r\n",
    ),
    "reviews.reviews": JsonLines(),
}  # fmt: skip


def write(exports: Path, stream: str, deliveries: Iterable[Delivery], last: date) -> None:
    """Write a stream's file of each day up to a last one, with the end of that day as its modification time."""
    dialect = DIALECTS[stream]
    system, _, name = stream.partition(".")
    folder = exports / system
    folder.mkdir(parents=True, exist_ok=True)
    by_day: dict[date, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        by_day[delivery.day].append(delivery)
    for day in (day for day in DAYS if day <= min(last, ENDED.get(stream, last))):
        path = folder / f"{name}-{day}.{dialect.suffix}"
        path.write_bytes(dialect.encode(by_day[day]))
        closed = at(day + timedelta(days=1), 0).timestamp()
        os.utime(path, (closed, closed))
