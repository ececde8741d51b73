"""The order of loads never shows: ties, conflicts, refusals of what was loaded, replays and remaps."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from history_rounds import Histories
from trip_bench import Bench, NewWarehouse

from cxflow import flow, sources
from cxflow.errors import GateClosedError, SourceError
from cxflow.landing import derived
from cxflow.load.batch import LoadReport
from cxflow.model.batch import BatchRef
from cxflow.validate import quarantine, runner

AT = datetime(2026, 3, 10, tzinfo=UTC)
EARLIER, LATER = datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)
Load = Callable[..., LoadReport]


def declared(total: str = "total", key: str = "part", **others: Any) -> dict[str, Any]:
    return {
        "primary_key": ["id", key],
        "max_rejected_share": 1,
        "may_lack": ["part", "changed", "mail"],
        "identifiers": {"email": "mail"},
        "to": {"order_header": {"order_id": "id", "created_at": "day", "price_total": total}},
        **others,
    }


POLICIES: dict[str, dict[str, Any]] = {
    "things": {},
    "lasts": {"policies": {"duplicate_key": "latest"}},
    "stricts": {"version": "changed", "policies": {"duplicate_key": "quarantine"}},
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse) -> Bench:
    streams = {name: declared(**policy) for name, policy in POLICIES.items()}
    return Bench(tmp_path_factory.mktemp("order"), streams, warehouse=new_warehouse())


@pytest.fixture
def bench(warehouse: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(runner, "run", lambda *_: [])
    yield warehouse
    mapped(warehouse)
    warehouse.clear()
    shutil.rmtree(warehouse.folder / "landing", ignore_errors=True)


def mapped(bench: Bench, **changed: Any) -> None:
    """Change the mapping of every stream."""
    bench.reconfigure(
        bench.tree({name: declared(**{**policy, **changed}) for name, policy in POLICIES.items()})
    )


def order(total: int | str = 1, id: str = "1", **fields: Any) -> dict[str, Any]:
    return {
        "id": id,
        "part": "a",
        "changed": "2026-03-01T00:00:00Z",
        "day": "2026-03-01T10:00:00Z",
        "total": total,
        **fields,
    }


def load(
    bench: Bench, *files: tuple[str, dict[str, Any]], stream: str = "things", at: datetime = AT
) -> LoadReport:
    """Load files of one record each, by name, as one batch."""
    batch = bench.land([], stream, deliveries=[(name, at, [record]) for name, record in files])
    flow.prepare(bench.settings, batch)
    return flow.load(bench.settings, batch)


def totals(bench: Bench) -> dict[str, int]:
    return {key: int(total) for key, total in bench.query("SELECT order_id, price_total FROM order_header")}


def open_ones(bench: Bench) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in bench.query(
            "SELECT origin, rule, column_name FROM quarantine WHERE status = 'open' ORDER BY origin, rule"
        )
    ]


RIVAL = ("duplicate_key", "primary_key")


@pytest.mark.parametrize("stream", POLICIES)
def test_versions_of_one_time_end_alike_whole_and_in_every_order(bench: Bench, stream: str) -> None:
    files = [("a", order(9)), ("b", order(3)), ("c", order(5))]
    outcomes = []
    for batches in ([files], *([[file] for file in some] for some in permutations(files))):
        for batch in batches:
            load(bench, *batch, stream=stream)
        outcomes.append((totals(bench), open_ones(bench)))
        assert bench.books_balance()
        bench.clear()
    if stream == "lasts":
        assert outcomes == [({"shop:1": 5}, [])] * 7, "the origin decides: the last name"
    else:
        assert outcomes == [({}, [("a", *RIVAL), ("b", *RIVAL), ("c", *RIVAL)])] * 7


def test_what_is_taken_back_is_in_the_ledger_and_whole_in_quarantine(bench: Bench) -> None:
    load(bench, ("a", order(9, mail="ada@example.org")))
    report = load(bench, ("b", order(3)))
    assert (report.counts.quarantined, report.withdrawn) == (1, 1)
    assert bench.query("SELECT withdrawn FROM load_run ORDER BY run_id") == [(0,), (1,)]
    assert bench.query("SELECT count(*) FROM record_identity") == [(0,)]
    payloads = bench.query("SELECT payload FROM quarantine ORDER BY origin")
    assert ["ada@example.org" in payload for (payload,) in payloads] == [True, False]


def test_an_older_version_is_no_way_out_of_a_conflict(bench: Bench) -> None:
    for batches in ([["old"], ["a", "b"]], [["a", "b"], ["old"]], [["a"], ["old"], ["b"]]):
        for names in batches:
            batch = bench.land(
                [],
                deliveries=[
                    (
                        name,
                        AT if name != "old" else datetime(2026, 3, 1, tzinfo=UTC),
                        [order(len(name) * 10 + ord(name[0]))],
                    )
                    for name in names
                ],
            )
            flow.prepare(bench.settings, batch)
            flow.load(bench.settings, batch)
        assert (totals(bench), open_ones(bench)) == ({}, [("a", *RIVAL), ("b", *RIVAL)])
        bench.clear()


def test_a_newer_version_ends_a_conflict(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    load(bench, ("b", order(3)))
    report = load(bench, ("c", order(5)), at=LATER)
    assert report.counts.inserted == 1
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 5}, [])
    load(bench, ("a", order(9)))
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 5}, [])


def test_a_discarded_rival_stays_out_and_the_other_one_can_be_replayed(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    load(bench, ("b", order(3)))
    ((wrong,),) = bench.query("SELECT quarantine_id FROM quarantine WHERE origin = 'b'")
    flow.replay(bench.settings, quarantine.Filter())
    assert totals(bench) == {}, "nothing has been decided yet"
    quarantine.discard(bench.settings, quarantine.Filter(ids=(wrong,)), "a test")
    flow.replay(bench.settings, quarantine.Filter())
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 9}, [])
    load(bench, ("b", order(3)))
    load(bench, ("a", order(9)), ("b", order(3)))
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 9}, [])


def test_a_file_read_again_is_no_rival_of_itself(bench: Bench) -> None:
    """A file of one name and day that was corrected, or read with other settings."""
    load(bench, ("orders-2026-03-10.csv", order(9)))
    assert load(bench, ("orders-2026-03-10.csv", order(3))).counts.updated == 1
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 3}, [])


def test_a_refusal_is_open_in_whichever_order_the_readings_of_its_file_are_loaded(bench: Bench) -> None:
    """Two runs read the file side by side. It holds a version that cannot be loaded, and one that can."""
    outcomes = []
    for readings in permutations(range(3)):
        batches = {
            number: bench.land([], "lasts", deliveries=[(name, AT, [order("none"), order(5)])])
            for number, name in enumerate(("a", "a", "b"))
        }
        for batch in batches.values():
            flow.prepare(bench.settings, batch)
        for number in readings:
            flow.load(bench.settings, batches[number])
        (found,) = bench.query("SELECT origin, batch_id FROM quarantine WHERE status = 'open'")
        outcomes.append((totals(bench), found[0], found[1] == batches[2].batch_id))
        assert bench.books_balance()
        bench.clear()
    assert outcomes == [({"shop:1": 5}, "b", True)] * 6


def test_a_rival_whose_raw_record_is_gone_is_still_taken_back(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    shutil.rmtree(bench.folder / "landing")
    load(bench, ("b", order(3)))
    assert bench.query("SELECT origin, payload IS NULL FROM quarantine ORDER BY origin") == [
        ("a", True),
        ("b", False),
    ]


def test_a_backfill_that_refuses_what_was_loaded_withdraws_it(bench: Bench) -> None:
    load(bench, ("a", order(9)), ("b", order(1, id="2")))
    mapped(bench, total="CASE WHEN total::INTEGER > 8 THEN 'odd' ELSE total END")
    report = load(bench, ("a", order(9)), ("b", order(1, id="2")))
    assert (report.counts.quarantined, report.withdrawn) == (1, 1)
    assert (totals(bench), open_ones(bench)) == ({"shop:2": 1}, [("a", "cast", "order_header.price_total")])
    mapped(bench)
    load(bench, ("a", order(9)))
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 9, "shop:2": 1}, [])


def test_a_refusal_of_another_record_with_that_key_leaves_the_last_good_one(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    load(bench, ("b", order("odd")), at=LATER)
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 9}, [("b", "cast", "order_header.price_total")])


def test_a_replay_closes_its_entry_whatever_key_the_record_has_now(bench: Bench) -> None:
    load(bench, ("a", order(9)), ("b", order(8, id="2", part=None)))
    assert open_ones(bench) == [("b", "required", "primary_key")]
    mapped(bench, key="coalesce(part, '-')")
    (report,) = flow.replay(bench.settings, quarantine.Filter())
    assert report.counts.inserted == 1
    assert (totals(bench), open_ones(bench)) == ({"shop:1": 9, "shop:2": 8}, [])
    assert bench.quarantine("status", "source_record_id") == [("replayed", None)]


def test_a_replayed_record_lists_why_it_is_refused_now(bench: Bench) -> None:
    load(bench, ("a", order("odd", part=None)))
    mapped(bench, key="coalesce(part, '-')")
    flow.replay(bench.settings, quarantine.Filter())
    assert open_ones(bench) == [("a", "cast", "order_header.price_total")]
    again = bench.query("SELECT batch_id, row_number FROM quarantine WHERE status = 'open'")
    landed = bench.query("SELECT batch_id FROM load_run WHERE mode = 'scheduled'")
    assert again == [(landed[0][0], 1)], "where it was landed first"


def test_a_remap_holds_what_a_fresh_load_would(bench: Bench) -> None:
    load(bench, ("a", order(9)), ("b", order(8, id="2", part=None)))
    load(bench, ("c", order(7)), at=LATER)
    load(bench, ("d", order("odd", id="3")))
    changed = {
        "key": "coalesce(part, '-')",
        "total": "CASE WHEN total = '7' THEN 'seven' WHEN total = 'odd' THEN '0' ELSE total END",
    }
    mapped(bench, **changed)
    assert sources.outdated(bench.settings, [("shop", "things")]) == {("shop", "things"): 1}
    (report,) = flow.remap(bench.settings, "shop", "things")
    counts = report.counts
    assert (counts.extracted, counts.inserted, counts.quarantined, report.withdrawn) == (4, 3, 1, 1)
    assert totals(bench) == {"shop:1": 9, "shop:2": 8, "shop:3": 0}, (
        "9 was replaced by 7, which does not fit any more"
    )
    assert open_ones(bench) == [("c", "cast", "order_header.price_total")]
    assert sources.outdated(bench.settings, [("shop", "things")]) == {}
    assert bench.books_balance()
    (again,) = flow.remap(bench.settings, "shop", "things")
    assert (again.counts.unchanged, again.withdrawn) == (3, 0)


def test_a_remap_to_other_keys_leaves_none_of_the_old(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    mapped(bench, key="'all'")
    flow.remap(bench.settings, "shop", "things")
    assert bench.query("SELECT source_record_id FROM source_record") == [("1|all",)]
    assert bench.query("SELECT source_record_id FROM order_header") == [("1|all",)]


def test_a_remap_that_the_gate_stops_changes_nothing(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    before = bench.digest()
    mapped(bench, total="'odd'", max_rejected_share=0)
    with pytest.raises(GateClosedError):
        flow.remap(bench.settings, "shop", "things")
    assert bench.digest() == before
    assert sources.outdated(bench.settings, [("shop", "things")]) == {("shop", "things"): 1}
    assert len(list((bench.folder / "landing" / "shop" / "things").iterdir())) == 1, "and leaves no copy"


def test_a_remap_whose_raw_records_are_gone_says_which(bench: Bench) -> None:
    load(bench, ("a", order(9)))
    shutil.rmtree(bench.folder / "landing")
    with pytest.raises(SourceError, match="there is no landed batch") as refused:
        flow.remap(bench.settings, "shop", "things")
    assert (refused.value.connection, refused.value.stream) == ("shop", "things")
    assert totals(bench) == {"shop:1": 9}


def test_what_is_loaded_while_a_remap_works_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    load(bench, ("a", order(9)), ("b", order(8, id="2")))
    mapped(bench, total="total::INTEGER + 1")
    compose = derived.compose

    def meanwhile(*arguments: Any, **options: Any) -> list[BatchRef]:
        composed = compose(*arguments, **options)
        load(bench, ("c", order(5)), at=LATER)
        load(bench, ("d", order(4, id="3")))
        return composed

    monkeypatch.setattr(derived, "compose", meanwhile)
    flow.remap(bench.settings, "shop", "things")
    assert totals(bench) == {"shop:1": 6, "shop:2": 9, "shop:3": 5}


def test_a_key_that_its_record_gives_up_is_free_in_the_same_load(bench: Bench) -> None:
    first = {"order_header": {"order_id": "number", "created_at": "day", "price_total": "total"}}
    mapped(bench, to=first)
    load(bench, ("a", order(1, number="n1")))
    report = load(bench, ("b", order(2, number="n2")), ("c", order(3, id="2", number="n1")), at=LATER)
    assert (report.counts.updated, report.counts.inserted, report.counts.quarantined) == (1, 1, 0)
    assert totals(bench) == {"shop:n2": 2, "shop:n1": 3}


def test_random_histories_end_as_a_load_from_nothing(
    tmp_path: Path, new_warehouse: NewWarehouse, database: str
) -> None:
    histories = Histories(tmp_path / "project", new_warehouse())
    first = {"duckdb": 20_001, "postgresql": 30_001}[database]
    assert histories.differences(first) == {}
