"""Snapshots: what two of them lack counts as deleted, whatever the order of loads, and no more than the gate allows."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from trip_bench import Bench, NewWarehouse

from cxflow import flow
from cxflow.errors import GateClosedError
from cxflow.load import vanished
from cxflow.load.batch import LoadReport
from cxflow.model.batch import BatchRef
from cxflow.model.reading import Snapshot
from cxflow.validate import quarantine, runner
from cxflow.warehouse import tables

FIRST_DAY = datetime(2026, 3, 1, 23, tzinfo=UTC)
Record = dict[str, Any]
Delivery = tuple[float, Iterable[str | Record]]
"""A day from 0, and the records, or their keys."""


def declared(**others: Any) -> dict[str, Any]:
    return {
        "primary_key": ["id"],
        "snapshot": True,
        "max_rejected_share": 1,
        "max_vanished_share": 1,
        "deleted": "gone",
        "identifiers": {"email": "mail"},
        "may_lack": ["id", "changed", "gone"],
        "to": {
            "touchpoint": {
                "activity": "'placed_order'",
                "channel": "'web'",
                "occurred_at": "day",
                "order_id": "id",
            },
            "order_header": {"order_id": "id", "created_at": "day", "price_total": "total"},
        },
        **others,
    }


_NUMBERED: dict[str, Any] = declared()["to"]
STREAMS = {
    "numbered": declared(
        may_lack=["id", "changed", "gone", "number"],
        to={
            **_NUMBERED,
            "order_header": {**_NUMBERED["order_header"], "order_id": "coalesce(number, id)"},
        },
    ),
    "things": declared(),
    "others": declared(),
    "plain": {
        name: item for name, item in declared().items() if "vanished" not in name and name != "snapshot"
    },
    "changing": declared(version="changed"),
    "watched": {name: item for name, item in declared().items() if name != "max_vanished_share"},
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    return Bench(tmp_path_factory.mktemp("snapshots"), STREAMS, warehouse=new_warehouse())


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    warehouse.reconfigure(warehouse.tree(STREAMS))
    warehouse.clear()


def record(key: str, total: int | str = 10, **fields: Any) -> Record:
    return {
        "id": key,
        "day": "2026-02-01T10:00:00Z",
        "total": total,
        "mail": f"{key}@example.org",
        **fields,
    }


def day(number: float) -> datetime:
    return FIRST_DAY + timedelta(days=number)


def prepared(
    bench: Bench,
    *deliveries: Delivery,
    stream: str = "things",
    whole: bool = True,
    content: str | None = None,
) -> BatchRef:
    """A batch of deliveries, each a snapshot if they are `whole`."""
    filled = [
        (f"export-{at}", day(at), [record(each) if isinstance(each, str) else each for each in some])
        for at, some in deliveries
    ]
    snapshots = [Snapshot(origin, at, content) for origin, at, _ in filled] if whole else []
    return flow.prepare(bench.settings, bench.land([], stream, deliveries=filled, snapshots=snapshots))


def load(bench: Bench, *deliveries: Delivery, **options: Any) -> LoadReport:
    return flow.load(bench.settings, prepared(bench, *deliveries, **options))


def live(bench: Bench, stream: str = "things") -> str:
    """The keys of the live records, from the rows, the registry and the BI condition alike."""
    found = {
        table: "".join(
            sorted(
                key
                for (key,) in bench.query(
                    f"SELECT source_record_id FROM {table} WHERE NOT is_deleted AND source_object = '{stream}'"
                )
            )
        )
        for table in ("source_record", "touchpoint", "order_header")
    }
    assert len(set(found.values())) == 1, found
    return found["source_record"]


def everything(bench: Bench) -> tuple[Any, ...]:
    """What must not depend on the order of loads."""
    return (
        bench.digest(),
        bench.rows(
            "source_record", "source_object", "source_record_id", "content_hash", "is_deleted", "received_at"
        ),
        bench.rows("record_sighting", "*"),
        bench.rows("stream_snapshot", "source_object", "origin", "received_at", "content"),
        bench.rows("quarantine WHERE status = 'open'", "source_record_id", "rule", "received_at"),
    )


def test_missing_once_stays_and_missing_twice_goes(bench: Bench) -> None:
    assert load(bench, (0, "abcd")).vanished == 0
    assert (load(bench, (1, "abd")).vanished, live(bench)) == (0, "abcd")
    report = load(bench, (2, "ab"))
    assert (report.vanished, live(bench)) == (1, "abd")
    assert (report.counts.extracted, report.counts.unchanged, report.counts.deleted) == (2, 2, 0)
    assert (load(bench, (3, "ab")).vanished, live(bench)) == (1, "ab")
    assert load(bench, (4, "ab")).vanished == 0, "what is gone does not go again"
    assert bench.query("SELECT vanished FROM load_run ORDER BY run_id") == [(0,), (0,), (1,), (1,), (0,)]
    assert bench.query("SELECT count(*) FROM order_header") == [(4,)], (
        "rows stay, as those of deleted records do"
    )
    assert bench.books_balance()


def test_what_comes_back_lives_again_and_is_counted_anew(bench: Bench) -> None:
    for number, keys in enumerate(("ab", "a", "a")):
        load(bench, (number, keys))
    assert live(bench) == "a"
    assert (load(bench, (3, "ab")).counts.unchanged, live(bench)) == (2, "ab")
    assert (load(bench, (4, "a")).vanished, live(bench)) == (0, "ab")
    assert (load(bench, (5, "a")).vanished, live(bench)) == (1, "a")
    report = load(bench, (6, ["a", record("b", 20)]))
    assert (report.counts.updated, live(bench)) == (1, "ab")


def test_a_delivery_between_the_snapshots_gives_a_record_its_life_back(bench: Bench) -> None:
    for number, keys in enumerate(("ab", "a", "a")):
        load(bench, (number, keys))
    load(bench, (0.5, "b"), whole=False)
    assert live(bench) == "a", "two snapshots are still newer"
    load(bench, (1.5, "b"), whole=False)
    assert live(bench) == "ab"
    assert (load(bench, (3, "a")).vanished, live(bench)) == (1, "a")


def test_the_decisions_example_ends_alike_in_every_order(bench: Bench) -> None:
    monday, tuesday, wednesday, thursday = days = ((0, "abcd"), (1, "abd"), (2, "ab"), (3, "abc"))
    load(bench, *days)
    assert live(bench) == "abc"
    whole = everything(bench)
    for order, after in (
        (days, ["abcd", "abcd", "abd", "abc"]),
        ((thursday, monday, wednesday, tuesday), ["abc", "abcd", "abc", "abc"]),
        (days[::-1], ["abc", "abc", "abc", "abc"]),
    ):
        bench.clear()
        for each, keys in zip(order, after, strict=True):
            load(bench, each)
            assert live(bench) == keys
        assert everything(bench) == whole
    assert bench.books_balance()


def test_an_old_snapshot_loaded_late_deletes_nothing_that_came_later(bench: Bench) -> None:
    load(bench, (5, "abc"))
    load(bench, (6, "ab"))
    report = load(bench, (0, "ax"), (1, "a"), (2, "a"))
    assert (report.vanished, live(bench)) == (1, "abc"), "x was gone long ago; b and c came later"
    assert load(bench, (5.5, "ab")).vanished == 1
    assert live(bench) == "ab", "a snapshot between: c is missing from it and from the newest"


def test_a_record_that_is_refused_is_present(bench: Bench) -> None:
    load(bench, (0, "ab"))
    load(bench, (1, ["a", record("b", "odd")]))
    assert (load(bench, (2, "a")).vanished, live(bench)) == (0, "ab")
    assert (load(bench, (3, "a")).vanished, live(bench)) == (1, "a")


def test_a_record_of_an_older_version_is_present(bench: Bench) -> None:
    newest, older = (record("b", total, changed=f"2026-02-0{total}T00:00:00Z") for total in (3, 2))
    load(bench, (0, [record("a", changed="2026-02-01T00:00:00Z"), newest]), stream="changing")
    for number in (1, 2, 3):
        load(bench, (number, [record("a", changed="2026-02-01T00:00:00Z"), older]), stream="changing")
    assert live(bench, "changing") == "ab"
    assert bench.query("SELECT CAST(price_total AS INTEGER) FROM order_header WHERE order_id = 'shop:b'") == [
        (3,)
    ]


def test_a_snapshot_with_an_unreadable_key_tells_nobody_gone(bench: Bench) -> None:
    load(bench, (0, "ab"))
    load(bench, (1, "a"))
    nameless = {name: item for name, item in record("b").items() if name != "id"}
    report = load(bench, (2, ["a", nameless]))
    assert (report.vanished, report.notes["unreadable_snapshots"], live(bench)) == (0, ["export-2"], "ab")
    assert load(bench, (3, "a")).vanished == 1


def test_a_snapshot_read_twice_counts_once(bench: Bench) -> None:
    load(bench, (0, "ab"))
    for at in (1, 1, 2, 3):
        batch = bench.land(
            [],
            deliveries=[("export", day(at), [record("a")])],
            snapshots=[Snapshot("export", day(at), "same")],
        )
        flow.load(bench.settings, flow.prepare(bench.settings, batch))
    assert live(bench) == "ab"
    batch = bench.land(
        [], deliveries=[("export", day(4), [record("a")])], snapshots=[Snapshot("export", day(4), "new")]
    )
    assert flow.load(bench.settings, flow.prepare(bench.settings, batch)).vanished == 1


def test_deliveries_of_one_time_are_one_snapshot(bench: Bench) -> None:
    def deliver(number: int, **parts: str) -> LoadReport:
        batch = bench.land(
            [],
            deliveries=[(name, day(number), [record(key) for key in keys]) for name, keys in parts.items()],
            snapshots=[Snapshot(name, day(number)) for name in parts],
        )
        return flow.load(bench.settings, flow.prepare(bench.settings, batch))

    deliver(0, one="a", two="b", three="c")
    deliver(1, one="a", two="b", three="z")
    assert live(bench) == "abcz"
    assert (deliver(2, one="a", two="b", three="z").vanished, live(bench)) == (1, "abz")


def test_source_deletions_and_vanishing_do_not_undo_each_other(bench: Bench) -> None:
    for number, keys in enumerate(("ab", "a", "a")):
        load(bench, (number, keys))
    load(bench, (0.5, [record("b", gone=True)]), whole=False)
    load(bench, (3, ["a", record("b", gone=True)]))
    assert live(bench) == "a", "it came back as a deleted one"
    load(bench, (4, "ab"))
    assert live(bench) == "ab"


def test_a_truncated_delivery_closes_the_gate_and_the_next_good_one_goes_on(bench: Bench) -> None:
    many = [f"r{number:03}" for number in range(200)]
    load(bench, (0, many), stream="watched")
    before = bench.everything()
    cut = prepared(bench, (1, many[:150]), stream="watched")
    with pytest.raises(GateClosedError) as caught:
        flow.load(bench.settings, cut)
    assert "50 of 200 live records are missing from export-1, more than the 10.0% allowed" in str(
        caught.value
    )
    assert "raise max_vanished_share" in str(caught.value)
    after = bench.everything()
    assert {name for name in before if before[name] != after[name]} == {"load_run"}
    assert bench.query("SELECT status FROM load_run ORDER BY run_id") == [("loaded",), ("stopped",)]
    report = load(bench, (1, many[:150]), (2, many[:199]), stream="watched")
    assert (report.counts.unchanged, report.vanished) == (199, 1)
    assert len(bench.query("SELECT 1 FROM order_header WHERE NOT is_deleted")) == 199


def test_the_gate_allows_the_share_and_no_record_more(bench: Bench) -> None:
    many = [f"r{number:03}" for number in range(200)]
    load(bench, (0, many), stream="watched")
    assert load(bench, (1, many[20:]), stream="watched").vanished == 0
    assert load(bench, (2, many[20:]), stream="watched").vanished == 20
    with pytest.raises(GateClosedError, match="19 of 180 live records are missing"):
        load(bench, (3, many[39:]), stream="watched")
    load(bench, (3, many[38:]), stream="watched")


def test_a_small_stream_is_judged_as_a_hundred_and_never_emptied(bench: Bench) -> None:
    load(bench, (0, "abc"), stream="watched")
    load(bench, (1, "a"), stream="watched")
    assert (load(bench, (2, "a"), stream="watched").vanished, live(bench, "watched")) == (2, "a")
    with pytest.raises(GateClosedError, match="1 of 1 live records are missing from export-3"):
        load(bench, (3, "z"), stream="watched")
    with pytest.raises(GateClosedError, match="1 of 1 live records are missing from export-4"):
        load(bench, (4, ""), stream="watched")
    assert live(bench, "watched") == "a"


def test_an_empty_delivery_is_no_snapshot_whatever_the_share(bench: Bench) -> None:
    load(bench, (0, "ab"))
    for number in (1, 2, 3):
        assert load(bench, (number, "")).vanished == 0
    assert live(bench) == "ab"
    assert bench.query("SELECT origin FROM stream_snapshot") == [("export-0",)]


def test_an_old_snapshot_that_would_let_many_vanish_is_stopped(bench: Bench) -> None:
    many = [f"r{number:03}" for number in range(200)]
    load(bench, (2, many[:3]), stream="watched")
    load(bench, (0, many), stream="watched")
    with pytest.raises(GateClosedError, match="197 of 200 live records are missing from export-1"):
        load(bench, (1, many[:3]), stream="watched")


def test_a_second_stream_of_the_connection_is_not_touched(bench: Bench) -> None:
    load(bench, (0, "pq"), stream="others")
    load(bench, (0, ["x", "y"]), stream="plain", whole=False)
    for number, keys in enumerate(("ab", "a", "a")):
        load(bench, (number, keys))
    assert (live(bench), live(bench, "others"), live(bench, "plain")) == ("a", "pq", "xy")
    assert {name for (name,) in bench.query("SELECT source_object FROM record_sighting")} == {
        "things",
        "others",
    }


def test_without_snapshots_nothing_vanishes_and_nothing_is_kept(bench: Bench) -> None:
    for number, keys in enumerate(("ab", "a", "a", "a")):
        load(bench, (number, keys), stream="plain", whole=False)
    assert live(bench, "plain") == "ab"
    assert bench.query("SELECT count(*) FROM record_sighting") == [(0,)]


def test_records_from_before_the_first_snapshot_vanish_too(bench: Bench) -> None:
    load(bench, (0, "ab"), whole=False)
    load(bench, (1, "a"))
    assert (load(bench, (2, "a")).vanished, live(bench)) == (1, "a")
    load(bench, (3, "ab"), whole=False)
    assert live(bench) == "ab"


def test_two_workers_with_the_same_and_the_next_snapshot_end_as_one(bench: Bench) -> None:
    load(bench, (0, "abc"))
    batches = [prepared(bench, (1, "ab")), prepared(bench, (2, "ab")), prepared(bench, (2, "ab"))]
    with ThreadPoolExecutor() as workers:
        reports = list(workers.map(lambda batch: flow.load(bench.settings, batch), batches))
    assert sum(report.vanished for report in reports) == 1
    assert live(bench) == "ab"
    assert bench.books_balance()


def test_kpis_and_customers_end_as_after_one_load(bench: Bench) -> None:
    deliveries: list[Delivery] = [
        (0, ["a", record("b", 30)]),
        (1, "a"),
        (2, "a"),
        (3, ["a", record("c", 50)]),
    ]

    def settled() -> tuple[Any, ...]:
        flow.resolve_identity(bench.settings)
        flow.compute_kpis(bench.settings)
        values = bench.query(
            "SELECT kpi, grain, CAST(period_start AS VARCHAR), dimension, dimension_value, n, "
            "CAST(numerator AS NUMERIC(20, 6)) FROM kpi_value v WHERE n > 0 AND as_of = (SELECT max(as_of) FROM "
            "kpi_value o WHERE o.kpi = v.kpi AND o.grain = v.grain AND o.period_start = v.period_start "
            "AND o.dimension = v.dimension AND o.dimension_value = v.dimension_value) ORDER BY 1, 2, 3, 4, 5"
        )
        return values, bench.rows("customer", "customer_id", "first_seen_at", "last_seen_at", "segment")

    for each in deliveries:
        load(bench, each)
        if each is deliveries[1]:
            settled()
    values, customers = settled()
    [(orders, total)] = bench.query(
        "SELECT n, CAST(numerator AS INTEGER) FROM kpi_value WHERE kpi = 'average_order_value' AND grain = 'all' "
        "AND dimension = '' ORDER BY as_of DESC LIMIT 1"
    )
    assert (orders, total) == (2, 60), "a 10 and c 50; b is gone"
    bench.clear()
    load(bench, *deliveries)
    assert settled() == (values, customers)


def test_a_remap_and_a_replay_are_no_snapshots_and_leave_what_is_gone_gone(bench: Bench) -> None:
    load(bench, (0, ["a", "b", record("c", "odd")]))
    load(bench, (1, "a"))
    load(bench, (2, "a"))
    read_odd = declared()
    read_odd["to"]["order_header"]["price_total"] = "try_cast(total AS DECIMAL(18, 2))"
    bench.reconfigure(bench.tree({**STREAMS, "things": read_odd}))
    [report] = flow.replay(bench.settings, quarantine.Filter())
    assert (report.counts.inserted, report.vanished, live(bench)) == (1, 1, "a"), (
        "c was gone before it was read"
    )
    [report] = flow.remap(bench.settings, "shop", "things")
    assert (report.vanished, live(bench)) == (0, "a")
    assert len(bench.query("SELECT 1 FROM stream_snapshot")) == 3
    renamed = {**read_odd, "primary_key": ["'x' || id"]}
    bench.reconfigure(bench.tree({**STREAMS, "things": renamed}))
    flow.remap(bench.settings, "shop", "things")
    assert live(bench) == "xa", "under their new keys, too"


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_any_split_in_any_order_ends_as_one_load(bench: Bench, seed: int) -> None:
    chance = random.Random(seed)
    deliveries: list[Delivery] = []
    for number in range(7):
        some: list[str | Record] = [
            record(
                key,
                chance.choice((1, 2, "odd")),
                changed=f"2026-02-0{chance.randint(1, 3)}T00:00:00Z",
                gone=chance.random() < 0.1,
            )
            for key in "abcdefghij"
            if chance.random() < 0.6
        ]
        deliveries.append((number // 1.5, some))
    load(bench, *deliveries, stream="changing")
    whole = everything(bench)
    expected = gone_by_hand(deliveries)
    assert {
        key for (key,) in bench.query("SELECT source_record_id FROM record_sighting WHERE is_vanished")
    } <= expected
    assert not set(live(bench, "changing")) & expected
    for _ in range(2):
        bench.clear()
        waiting = chance.sample(deliveries, len(deliveries))
        while waiting:
            size = chance.randint(1, 3)
            batch, waiting = waiting[:size], waiting[size:]
            load(bench, *batch, *chance.sample(deliveries, chance.randrange(2)), stream="changing")
        assert everything(bench) == whole
        assert bench.books_balance()


def gone_by_hand(deliveries: list[Delivery]) -> set[str]:
    """The keys with two or more times of delivery after the last that holds them."""
    seen: dict[str, float] = {}
    for at, some in deliveries:
        for each in some:
            assert isinstance(each, dict)
            seen[each["id"]] = max(at, seen.get(each["id"], at))
    times = {at for at, some in deliveries if some}
    return {key for key, last in seen.items() if sum(at > last for at in times) >= 2}


def test_who_vanishes_leaves_its_canonical_key_to_the_record_that_took_its_place(bench: Bench) -> None:
    def delivered(at: float, *records: Record) -> LoadReport:
        return load(bench, (at, records), stream="numbered")

    old, new, other = record("a", number="K"), record("b", number="K"), record("c")
    delivered(0, old, other)
    assert live(bench, "numbered") == "ac"
    delivered(1, new, other)
    assert live_headers(bench) == ["c"], "both claim K, and nothing tells which is right"
    report = delivered(2, new, record("c", 11))
    assert report.released == 1
    assert live_headers(bench) == ["b", "c"]
    # It comes back: again both claim the key.
    delivered(3, old, new, record("c", 12))
    assert live_headers(bench) == ["c"]
    open_entries = bench.query("SELECT source_record_id FROM quarantine WHERE status = 'open' ORDER BY 1")
    assert open_entries == [("a",), ("b",)]


def live_headers(bench: Bench) -> list[str]:
    rows = bench.query(
        "SELECT source_record_id FROM order_header WHERE NOT is_deleted AND source_object = 'numbered' ORDER BY 1"
    )
    return [row[0] for row in rows]


def test_no_table_of_the_load_is_named_like_a_canonical_one() -> None:
    staged = {table.name for table in vars(vanished).values() if isinstance(table, sa.TableClause)}
    assert not staged & {f"stage_{name}" for name in tables.CANONICAL}
