"""What holds of every real data set: nothing is lost, nothing counts twice, in whatever order it comes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from real_project import Published, RealProject
from real_sets import Loaded, RealSet, cut, rows_of

OUTCOMES = ("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")


def counts(outcome: dict[str, Any]) -> dict[str, dict[str, int]]:
    """CONNECTION.STREAM to its books."""
    return {f"{each['connection']}.{each['stream']}": each["counts"] for each in outcome["streams"]}


def in_quarantine(project: RealProject) -> list[tuple[Any, ...]]:
    """CONNECTION.STREAM, rule and number of records that are refused and open."""
    return project.rows(
        "SELECT source_system || '.' || source_object AS stream, rule, "
        "count(DISTINCT source_record_id) FROM quarantine WHERE status = 'open' GROUP BY ALL ORDER BY ALL"
    )


def test_every_record_of_the_source_is_read(loaded: Loaded) -> None:
    read = {name: each["extracted"] for name, each in counts(loaded.outcome).items()}
    assert read == {
        stream: len(rows_of(loaded.project.data / file)) - 1 for stream, file in loaded.of.files.items()
    }


def test_every_record_is_loaded_or_refused_for_a_reason_and_the_books_balance(loaded: Loaded) -> None:
    for stream, books in counts(loaded.outcome).items():
        assert books["extracted"] == sum(books[outcome] for outcome in OUTCOMES)
        assert books["quarantined"] == sum(loaded.of.refused.get(stream, {}).values())
    assert in_quarantine(loaded.project) == sorted(
        (stream, rule, n) for stream, rules in loaded.of.refused.items() for rule, n in rules.items()
    )
    ledger = loaded.project.rows(
        f"SELECT batch_id, extracted, {', '.join(OUTCOMES)} FROM load_run "
        "WHERE mode = 'scheduled' AND extracted > 0"
    )
    assert sorted(ledger) == sorted(
        (each["batch_id"], each["counts"]["extracted"], *(each["counts"][outcome] for outcome in OUTCOMES))
        for each in loaded.outcome["streams"]
    )
    (registered,) = loaded.project.row("SELECT count(*) FROM source_record")
    total = loaded.outcome["total"]
    assert registered == total["inserted"]
    assert registered == total["extracted"] - total["deduplicated"] - total["quarantined"]


def test_what_is_loaded_already_changes_nothing(loaded: Loaded) -> None:
    project = loaded.project
    before, refused = project.digest(), in_quarantine(project)

    for file in loaded.of.files.values():
        os.utime(project.data / file)
    touched = project.cxflow("run", *loaded.of.halved, "--no-kpis")
    assert touched["total"]["extracted"] == 0

    again = project.cxflow("backfill", "--from", "1970-01-01", "--to", "2100-01-01")
    total = again["total"]
    assert (
        total["extracted"]
        == total["unchanged"] + total["deduplicated"] + total["quarantined"]
        == loaded.outcome["total"]["extracted"]
    )
    assert total["deduplicated"] == loaded.outcome["total"]["deduplicated"]
    assert again["kpis"]["published"] == 0
    assert project.digest() == before
    assert in_quarantine(project) == refused


@pytest.mark.parametrize("late", [1, 0], ids=["in order", "reversed"])
def test_two_halves_in_either_order_make_the_whole(
    loaded: Loaded, home: Callable[[RealSet], RealProject], late: int
) -> None:
    project, of = home(loaded.of), loaded.of
    toml = project.folder / "cxflow.toml"
    arrivals = []
    for stream in of.halved:
        whole = project.data / of.files[stream]
        half = cut(whole)[late]
        arrivals.append((half.rename(half.with_suffix(".part")), half))
        toml.write_text(toml.read_text().replace(f'"{whole.name}"', f'"{whole.stem}.half-*"'))

    first = counts(project.cxflow("run", *of.halved, *of.beside))
    for unfinished, half in arrivals:
        unfinished.rename(half)
    second = counts(project.cxflow("run", *of.halved))

    whole_books = counts(loaded.outcome)
    for stream in of.halved:
        assert first[stream]["extracted"] + second[stream]["extracted"] == whole_books[stream]["extracted"]
    streams = (*of.halved, *of.beside)
    assert project.digest(streams) == loaded.project.digest(streams)
    refused = [each for each in in_quarantine(loaded.project) if each[0] in streams]
    assert in_quarantine(project) == refused
    for asked in of.shown:
        assert project.published(*asked) == close_to(loaded.project.published(*asked))


def close_to(published: Published) -> dict[str, tuple[Any, int]]:
    """The same values, whatever order they were summed in; a suppressed one is none."""
    return {
        period: (None if value is None else pytest.approx(value, rel=1e-9), n)
        for period, (value, n) in published.items()
    }
