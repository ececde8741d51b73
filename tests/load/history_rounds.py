"""Random histories of streams, each compared with a load of the same raw records from nothing.

A history delivers records in files, with ties of every kind: equal versions, equal times of delivery, equal content,
deletions, values that do not fit, keys that cannot be read, and canonical keys that records share, of one stream or of
two. It loads the files in batches of random size and order, some twice, some by two workers at once; between them it
changes the mapping, replays what was refused, maps anew what was loaded, and settles customers and KPIs. A fresh
warehouse then loads all the files as one batch per stream with the last mapping. Both must hold the same rows, open
entries, remembered claims, customers and KPI values; and each value that replaced another one must say why.

    PYTHONPATH=tests python tests/load/history_rounds.py duckdb|postgresql COUNT [FIRST_SEED]
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import structlog
from trip_bench import Bench

from cxflow import flow
from cxflow.landing import files, inference, zone
from cxflow.model.batch import BatchRef
from cxflow.model.reading import Page
from cxflow.model.window import Window
from cxflow.validate import gate, quarantine, runner
from cxflow.warehouse import tables

FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 6, 1, tzinfo=UTC)
SIDE_BY_SIDE = 5
"""Histories that are played on one warehouse at once, each in a stream, because settling takes longer than a load."""
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"policies": {"duplicate_key": "latest"}},
    {"version": "changed"},
    {"version": "changed", "policies": {"duplicate_key": "quarantine"}},
)


@dataclass(frozen=True)
class Mapping:
    """One of the mappings that a history changes between."""

    shift: int = 0
    """Added to the score; what is above 10 then does not fit."""
    reads_any_key: bool = False
    """Whether a record without the second part of its key can be loaded."""
    channel: str = "web"

    def declaration(self, stream: str, policy: dict[str, Any]) -> dict[str, Any]:
        shifted = f"score::INTEGER + {self.shift}"
        score = f"CASE WHEN {shifted} > 10 THEN 'odd' ELSE ({shifted})::VARCHAR END"
        part = "coalesce(part, '-')" if self.reads_any_key else "part"
        pair = f"p{int(stream.removeprefix('s')) // 2}"
        own = f"'{stream}' || id || {part}"

        def key(shared: str) -> str:
            """The record's own, unless it shares one with others of its stream or of two streams."""
            return (
                f"CASE WHEN {shared} LIKE 'both%' THEN '{pair}' || {shared} "
                f"WHEN {shared} IS NOT NULL THEN '{stream}' || {shared} ELSE {own} END"
            )

        return {
            "primary_key": ["id", part],
            "deleted": "gone",
            "identifiers": {"email": "mail", "phone": "phone"},
            "may_lack": [
                *(
                    "id",
                    "part",
                    "changed",
                    "day",
                    "score",
                    "total",
                    "gone",
                    "mail",
                    "phone",
                    "number",
                    "answer",
                )
            ],
            "to": {
                "touchpoint": {
                    "activity": "'answered_survey'",
                    "channel": f"'{self.channel}'",
                    "occurred_at": "day",
                },
                "survey_response": {
                    "response_id": key("answer"),
                    "question_id": "'q'",
                    "metric_type": "'nps'",
                    "rating_value": score,
                    "worst_rating": "0",
                    "best_rating": "10",
                    "responded_at": "day",
                },
                "order_header": {
                    "order_id": key("number"),
                    "created_at": "day",
                    "price_total": "total",
                },
            },
            **policy,
        }


@dataclass(frozen=True)
class File:
    """One delivery: its name, when it came, its records."""

    origin: str
    received_at: datetime
    records: tuple[dict[str, Any], ...]


@dataclass
class History:
    """What happens, step by step."""

    policy: dict[str, Any]
    files: list[File]
    steps: list[tuple[str, Any]] = field(default_factory=list)
    mapping: Mapping = field(default_factory=Mapping)
    """The last one."""


def history(seed: int) -> History:
    """The history of a seed."""
    chance = random.Random(seed)
    delivered = [
        File(f"f{number}.json", FIRST_DAY + timedelta(days=40 + chance.randrange(2)), tuple(_records(chance)))
        for number in range(chance.randint(4, 8))
    ]
    made = History(chance.choice(POLICIES), delivered)
    waiting = chance.sample(delivered, len(delivered))
    while waiting:
        if chance.random() < 0.3:
            made.mapping = Mapping(
                chance.choice((0, 2, 2, -1)), chance.random() < 0.4, chance.choice(("web", "app"))
            )
            made.steps.append(("map", made.mapping))
        if chance.random() < 0.25:
            made.steps.append((chance.choice(("replay", "replay", "remap", "settle")), None))
        batches = []
        for _ in range(2 if chance.random() < 0.3 else 1):
            size = chance.randint(1, 2)
            batch, waiting = waiting[:size], waiting[size:]
            if chance.random() < 0.2:
                batch = batch + chance.sample(delivered, 1)
            batches.append(list({file.origin: file for file in batch}.values()))
        made.steps.append(("load", [batch for batch in batches if batch]))
    if chance.random() < 0.3:
        made.steps.append(("replay", None))
    if any(step == "map" for step, _ in made.steps):
        made.steps.append(("remap", None))
    return made


def _records(chance: random.Random) -> Iterator[dict[str, Any]]:
    for _ in range(chance.randint(1, 7)):
        record: dict[str, Any] = {
            "id": f"r{chance.randrange(4)}",
            "changed": (FIRST_DAY + timedelta(hours=chance.randrange(2))).isoformat(),
            "day": (FIRST_DAY + timedelta(days=chance.randrange(20))).isoformat(),
            "score": chance.choice((1, 6, 7, 8, 9, 9, 9, 10, "odd")),
            "total": chance.choice((10, 10, 20, 30, 30, 30, "none")),
            "gone": chance.random() < 0.12,
            "mail": f"p{chance.randrange(6)}@example.org",
            "phone": f"+3460000000{chance.randrange(6)}",
        }
        if chance.random() < 0.85:
            record["part"] = "a"
        if chance.random() < 0.2:
            del record[chance.choice(("mail", "phone", "changed"))]
        if chance.random() < 0.2:
            record["number"] = chance.choice(("own1", "own2", "both1", "both2"))
        if chance.random() < 0.07:
            record["answer"] = chance.choice(("own1", "both1"))
        yield record


class Histories:
    """Plays histories on one warehouse, emptied in between."""

    def __init__(
        self, folder: Path, warehouse: dict[str, Any] | None, side_by_side: int = SIDE_BY_SIDE
    ) -> None:
        names = [f"s{number}" for number in range(side_by_side)]
        self._declared = {name: Mapping().declaration(name, {}) for name in names}
        self._bench = Bench(folder, self._declared, warehouse=warehouse)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

    def differences(self, first_seed: int) -> dict[str, tuple[list[Any], list[Any]]]:
        """What some histories end with beside a load from nothing, where they differ: only here, only there."""
        told = {name: history(first_seed + number) for number, name in enumerate(self._declared)}
        chance = random.Random(first_seed)
        with _without_gate():
            for name, each in told.items():
                self._configure(name, Mapping(), each.policy)
            waiting = {name: list(each.steps) for name, each in told.items()}
            while waiting:
                name = chance.choice(list(waiting))
                self._take(name, *waiting[name].pop(0), told[name].policy)
                waiting = {name: steps for name, steps in waiting.items() if steps}
            played, balanced = self._state(), self._bench.books_balance()
            self._bench.clear()
            for name, each in told.items():
                self._configure(name, each.mapping, each.policy)
                self._load(name, each.files)
            fresh = self._state()
            self._bench.clear()
        found = {
            name: (_without(played[name], fresh[name]), _without(fresh[name], played[name]))
            for name in played
            if played[name] != fresh[name]
        }
        return found if balanced else {**found, "ledger": (["does not balance"], [])}

    def _configure(self, stream: str, mapping: Mapping, policy: dict[str, Any]) -> None:
        self._declared[stream] = mapping.declaration(stream, policy)
        self._bench.reconfigure(self._bench.tree(self._declared))

    def _take(self, stream: str, step: str, detail: Any, policy: dict[str, Any]) -> None:
        settings = self._bench.settings
        match step:
            case "map":
                self._configure(stream, detail, policy)
            case "replay":
                flow.replay(settings, quarantine.Filter(stream=stream))
            case "remap":
                flow.remap(settings, "shop", stream)
            case "settle":
                self._settle()
            case "load":
                with ThreadPoolExecutor() as workers:
                    list(workers.map(lambda some: self._load(stream, some), detail))

    def _load(self, stream: str, some: list[File]) -> None:
        batch = self._land(stream, some)
        flow.prepare(self._bench.settings, batch)
        flow.load(self._bench.settings, batch)

    def _land(self, stream: str, some: list[File]) -> BatchRef:
        with zone.writing() as writer:
            for file in some:
                writer.land(Page(file.origin, file.received_at, list(file.records)))
            writer.close()
            window, now = Window(None, END), datetime.now(UTC)
            manifest = zone.Manifest(
                connection="shop",
                stream=stream,
                batch_id=zone.new_batch_id(window, now),
                mode="scheduled",
                connector="files",
                plugin_version="1",
                window=window.as_json(),
                extracted_at=now.isoformat(),
                layout="json",
                records=writer.rows,
                malformed=0,
                parts=files.checksums(writer.folder),
                raw_columns=inference.infer(writer.folder, writer.layout).raw_columns,
            )
            return zone.commit(self._bench.settings, writer, manifest)

    def _settle(self) -> None:
        flow.resolve_identity(self._bench.settings)
        flow.compute_kpis(self._bench.settings)

    def _state(self) -> dict[str, list[Any]]:
        self._settle()
        bench = self._bench
        found = {
            name: bench.rows(name, *_lasting(name))
            for name in ("touchpoint", "survey_response", "order_header")
        }
        found["record_identity"] = bench.rows("record_identity", "*")
        found["customer"] = bench.rows("customer WHERE merged_into_id IS NULL", *_lasting("customer"))
        found["customer_identity"] = bench.rows("customer_identity WHERE valid_to IS NULL", "*")
        found["quarantine"] = bench.rows(
            "quarantine WHERE status = 'open'",
            *(
                "source_record_id",
                "rule",
                "column_name",
                "raw_value",
                "payload",
                "origin",
                "version_at",
                "received_at",
            ),
        )
        found["registry"] = bench.rows(
            "source_record",
            *("source_record_id", "version_at", "received_at", "content_hash", "raw_hash"),
        )
        found["claims"] = bench.rows("key_claim", "*")
        found["kpis"] = bench.query(
            "SELECT kpi, grain, CAST(period_start AS VARCHAR), dimension, dimension_value, n, "
            "round(CAST(numerator AS NUMERIC), 6), round(CAST(value AS NUMERIC), 6), round(CAST(ci_low AS NUMERIC), 6) "
            "FROM kpi_value v WHERE n > 0 AND as_of = (SELECT max(as_of) FROM kpi_value o WHERE o.kpi = v.kpi "
            "AND o.version = v.version AND o.grain = v.grain AND o.period_start = v.period_start "
            "AND o.dimension = v.dimension AND o.dimension_value = v.dimension_value) "
            "ORDER BY 1, 2, 3, 4, 5"
        )
        found["restated without a reason"] = bench.query(
            "SELECT kpi, grain, CAST(period_start AS VARCHAR), dimension, dimension_value FROM kpi_value v "
            "WHERE restated_because IS NULL AND EXISTS (SELECT 1 FROM kpi_value o WHERE o.kpi = v.kpi "
            "AND o.version = v.version AND o.grain = v.grain AND o.period_start = v.period_start "
            "AND o.dimension = v.dimension AND o.dimension_value = v.dimension_value AND o.as_of < v.as_of)"
        )
        return found


def _lasting(table: str) -> list[str]:
    names = [column.name for column in tables.metadata.tables[table].columns]
    return [name for name in names if name not in ("run_id", "loaded_at", "merged_into_id", "valid_to")]


def _without(some: list[Any], others: list[Any]) -> list[Any]:
    return [row for row in some if row not in others]


@contextmanager
def _without_gate() -> Iterator[None]:
    """Batches of a few records are refused as a whole too easily; and Great Expectations takes most of the time."""
    with mock.patch.object(gate, "_why", return_value=""), mock.patch.object(runner, "run", return_value=[]):
        yield


def main() -> int:
    """Play histories, and say which ended differently."""
    asked = argparse.ArgumentParser()
    asked.add_argument("database", choices=("duckdb", "postgresql"))
    asked.add_argument("count", type=int)
    asked.add_argument("first_seed", type=int, nargs="?", default=1)
    asked.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE)
    given = asked.parse_args()
    first, count, together = given.first_seed, given.count, given.side_by_side
    differing = []
    with tempfile.TemporaryDirectory() as folder, _warehouse(given.database, Path(folder)) as warehouse:
        histories = Histories(Path(folder) / "project", warehouse, together)
        for seed in range(first, first + count, together):
            if found := histories.differences(seed):
                differing.append(seed)
                print(seed, found, flush=True)
            print(f"{seed + together - first} histories, {len(differing)} rounds differ", flush=True)
    print(
        f"{count} histories on {given.database} from seed {first}, {together} side by side: "
        f"{len(differing)} rounds differ {differing}"
    )
    return int(bool(differing))


@contextmanager
def _warehouse(database: str, folder: Path) -> Iterator[dict[str, Any] | None]:
    if database == "duckdb":
        yield None
        return
    from postgresql_server import Postgresql, server

    with server(folder / "server") as started:
        made = Postgresql(started)
        yield {"url": made.copy(made.migrated)}


if __name__ == "__main__":
    sys.exit(main())
