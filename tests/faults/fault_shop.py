"""The source of the fault tests: a shop's survey of two days, and what it says, as a list of its own.

Small, but with everything that moves a row: new records, changed ones, one deleted, an older version that comes
late, a line written twice, a value that cannot be, two customers who turn out to be one. The truth is worked out
here from the records themselves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from cxflow.testing.project import as_toml

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = (FIRST, FIRST + timedelta(days=1))
CONNECTION, STREAM = "shop", "answers"

Record = dict[str, Any]


class Bucket(DirFileSystem):
    """An object store as far as the landing zone can tell: no renaming, and it outlives the worker."""

    protocol = "bucket"

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(path=folder, fs=LocalFileSystem(auto_mkdir=True), **options)

    def get(self, rpath: str, lpath: str, *arguments: Any, **options: Any) -> Any:
        """What is below a path that ends in a slash, as other file systems have it: joining loses the slash."""
        return self.fs.get(f"{self._join(rpath)}/", lpath, *arguments, **options)


fsspec.register_implementation("bucket", Bucket, clobber=True)


def answer(number: int, changed: datetime, score: Any, **fields: Any) -> Record:
    return {
        "id": f"a{number}",
        "changed": (changed + timedelta(hours=12, minutes=number)).isoformat(),
        "answered": (FIRST + timedelta(hours=8, minutes=number)).isoformat(),
        "score": score,
        "mail": f"p{number % 7}@example.org",
        "account": None,
        "gone": False,
        **fields,
    }


def said() -> tuple[tuple[Record, ...], ...]:
    """What the file of each day holds, line by line."""
    first, second = DAYS
    twice = answer(14, second, 4)
    return (
        tuple(answer(number, first, number % 11) for number in range(1, 13)),
        (
            *(answer(number, second, 10) for number in (1, 2)),
            answer(5, second, 9, account="5"),
            answer(6, second, 8, account="5"),
            answer(4, second, 4, gone=True),
            answer(3, first - timedelta(days=1), 1),
            answer(13, second, "eleven"),
            twice,
            twice,
            answer(15, second, 5, mail="new@example.org"),
            answer(7, first, 7),
        ),
    )


@dataclass(frozen=True, slots=True)
class Truth:
    """What the source says up to a day."""

    lines: int
    kept: dict[str, int]
    """Record to the score that counts."""
    deleted: frozenset[str]
    refused: frozenset[str]


def truth(day: int) -> Truth:
    """The source's own list after a day (0, 1)."""
    lines = [record for records in said()[: day + 1] for record in records]
    newest: dict[str, Record] = {}
    for record in lines:
        usable = isinstance(record["score"], int)
        if usable and record["changed"] >= newest.get(record["id"], record)["changed"]:
            newest[record["id"]] = record
    deleted = frozenset(name for name, record in newest.items() if record["gone"])
    return Truth(
        lines=len(lines),
        kept={name: record["score"] for name, record in newest.items() if name not in deleted},
        deleted=deleted,
        refused=frozenset(record["id"] for record in lines if not isinstance(record["score"], int)),
    )


def end(day: int) -> datetime:
    """Up to when the run after a day reads."""
    return DAYS[day] + timedelta(days=1)


def file(folder: Path, day: int) -> Path:
    """Where the source's file of a day is."""
    return folder / f"{DAYS[day]:%Y-%m-%d}" / f"{STREAM}.jsonl"


def write(folder: Path) -> Path:
    """The source's files, one a day."""
    for day, records in enumerate(said()):
        path = file(folder, day)
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def configuration(
    source: Path,
    warehouse: str | None = None,
    bucket: Path | None = None,
    landing: Path | None = None,
    *,
    paged: bool = False,
) -> str:
    """A project over the source; a warehouse elsewhere by its URL, a landing zone in a bucket or a folder.

    With `paged` the source is the service of `fault_pages`, and each of its pages is made durable.
    """
    tree: dict[str, Any] = {
        "kpis": {"min_n": 1},
        "connections": {
            CONNECTION: {
                "connector": "files",
                "streams": {
                    STREAM: {
                        "path": str(source / "{date}" / f"{STREAM}.jsonl"),
                        "primary_key": ["id"],
                        "version": "changed",
                        "deleted": "gone",
                        "identifiers": {"email": "mail", "account": "account"},
                        "to": {
                            "touchpoint": {
                                "activity": "'answered_survey'",
                                "channel": "'web'",
                                "occurred_at": "answered",
                            },
                            "survey_response": {
                                "response_id": "id",
                                "question_id": "'recommend'",
                                "metric_type": "'nps'",
                                "rating_value": "score",
                                "responded_at": "answered",
                            },
                        },
                    }
                },
            }
        },
    }
    if warehouse:
        tree["warehouse"] = {"url": warehouse}
    if bucket:
        tree["landing"] = {"url": "bucket://zone", "storage_options": {"folder": str(bucket)}}
    if landing:
        tree["landing"] = {"url": str(landing)}
    if paged:
        tree["plugins"] = ["fault_pages"]
        tree["connections"][CONNECTION]["connector"] = "fault_pages"
        del tree["connections"][CONNECTION]["streams"][STREAM]["path"]
        tree.setdefault("landing", {})["checkpoint_seconds"] = 0
    return as_toml(tree)
