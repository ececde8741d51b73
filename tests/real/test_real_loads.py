"""What holds of every real data set: nothing is lost, nothing counts twice, and the order of loads is no matter."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from conftest import Loaded
from real_project import RealProject
from real_sets import RealSet, cut, rows_of

OUTCOMES = ("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")


def counts(outcome: dict) -> dict[str, dict[str, int]]:
    """CONNECTION.STREAM to its books."""
    return {f"{each['connection']}.{each['stream']}": each["counts"] for each in outcome["streams"]}


def test_every_record_of_the_source_is_read(loaded: Loaded) -> None:
    read = {name: each["extracted"] for name, each in counts(loaded.outcome).items()}
    assert read == {
        stream: len(rows_of(loaded.project.data / file)) - 1 for stream, file in loaded.of.files.items()
    }


def test_every_record_is_loaded_and_the_books_balance(loaded: Loaded) -> None:
    for books in counts(loaded.outcome).values():
        assert books["extracted"] == sum(books[outcome] for outcome in OUTCOMES)
        assert books["quarantined"] == 0
    ledger = loaded.project.rows(
        f"SELECT batch_id, extracted, {', '.join(OUTCOMES)} FROM load_run WHERE mode = 'scheduled' AND extracted > 0"
    )
    assert sorted(ledger) == sorted(
        (each["batch_id"], each["counts"]["extracted"], *(each["counts"][outcome] for outcome in OUTCOMES))
        for each in loaded.outcome["streams"]
    )
    (registered,) = loaded.project.row("SELECT count(*) FROM source_record")
    total = loaded.outcome["total"]
    assert registered == total["inserted"] == total["extracted"] - total["deduplicated"]


def test_what_is_loaded_already_changes_nothing(loaded: Loaded) -> None:
    project = loaded.project
    before = project.digest()

    for file in loaded.of.files.values():
        os.utime(project.data / file)
    touched = project.cxflow("run", "--no-kpis")
    assert touched["total"]["extracted"] == 0

    again = project.cxflow("backfill", "--from", "1970-01-01", "--to", "2100-01-01")
    total = again["total"]
    assert total["extracted"] == total["unchanged"] + total["deduplicated"] == loaded.outcome["total"]["extracted"]
    assert total["deduplicated"] == loaded.outcome["total"]["deduplicated"]
    assert again["kpis"]["published"] == 0
    assert project.digest() == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in_order", "reversed"])
def test_two_halves_in_any_order_are_the_whole(
    loaded: Loaded, home: Callable[[RealSet], RealProject], order: tuple[int, int]
) -> None:
    project, of = home(loaded.of), loaded.of
    toml = project.folder / "cxflow.toml"
    waiting = []
    for stream in of.halved:
        whole = project.data / of.files[stream]
        halves = cut(whole)
        whole.unlink()
        halves[order[1]].rename(waited := halves[order[1]].with_suffix(".tmp"))
        waiting.append((waited, halves[order[1]]))
        glob = f"{whole.stem}.half-*{whole.suffix}"
        toml.write_text(toml.read_text().replace(f'"{whole.name}"', f'"{glob}"'))

    first = project.cxflow("run", *of.in_halves)
    for waited, half in waiting:
        waited.rename(half)
    second = project.cxflow("run", *of.halved)

    for books in zip(*(counts(outcome)[of.halved[0]].values() for outcome in (first, second)), strict=True):
        assert books
    assert project.digest(of.in_halves) == loaded.project.digest(of.in_halves)
    for asked in of.shown:
        expected = {period: (pytest.approx(value, rel=1e-12), n) for period, (value, n) in
                    loaded.project.published(*asked).items()}
        assert project.published(*asked) == expected
