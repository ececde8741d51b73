"""What holds of every data set, and of its slice: nothing is lost, nothing counts twice, in whatever order it comes."""

from __future__ import annotations

import os
from typing import Any

import pytest
from editions import Home, Load
from real_project import Published, RealProject
from real_sets import EDITIONS, SETS, SLICE, WAZO, Loaded, RealSet, cut, records_of

OUTCOMES = ("inserted", "updated", "unchanged", "deleted", "deduplicated", "quarantined")


def counts(outcome: dict[str, Any]) -> dict[str, dict[str, int]]:
    """CONNECTION.STREAM to its books."""
    return {f"{each['connection']}.{each['stream']}": each["counts"] for each in outcome["streams"]}


def in_quarantine(project: RealProject) -> list[tuple[Any, ...]]:
    """CONNECTION.STREAM, rule and number of records that are refused and open."""
    found = project.rows(
        "SELECT source_system || '.' || source_object AS stream, rule, "
        "count(DISTINCT source_record_id) FROM quarantine WHERE status = 'open' GROUP BY 1, 2"
    )
    return sorted(found)


def test_every_record_of_the_source_is_read(loaded: Loaded) -> None:
    read = {name: each["extracted"] for name, each in counts(loaded.outcome).items()}
    assert read == {
        stream: records_of(loaded.project.data / file, loaded.of.grouped.get(stream, ()))
        for stream, file in loaded.of.files.items()
    }


def test_every_record_is_loaded_or_refused_for_a_reason_and_the_books_balance(loaded: Loaded) -> None:
    for stream, books in counts(loaded.outcome).items():
        assert books["extracted"] == sum(books[outcome] for outcome in OUTCOMES)
        assert books["quarantined"] == sum(loaded.refused.get(stream, {}).values())
    assert in_quarantine(loaded.project) == sorted(
        (stream, rule, n) for stream, rules in loaded.refused.items() for rule, n in rules.items()
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
    # A query asks for its groups again, whether or not the file was touched.
    of_files = [stream for stream in loaded.of.halved if stream not in loaded.of.grouped]
    if of_files:
        touched = project.cxflow("run", *of_files, "--no-kpis")
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


def test_both_databases_hold_the_same_and_publish_the_same(
    load: Load, real_set: RealSet, edition: str
) -> None:
    duckdb, postgresql = (load(real_set, database, edition).project for database in ("duckdb", "postgresql"))
    assert postgresql.digest() == duckdb.digest()
    assert in_quarantine(postgresql) == in_quarantine(duckdb)
    kpis = {row[0] for row in duckdb.rows("SELECT DISTINCT kpi FROM kpi_value")}
    published = duckdb.all_published()
    # Retention takes a second month, uplift a second channel, and a band enough customers, which the beginning of a
    # set may not have.
    of_two_months = {"retention_rate", "churn_rate", "net_revenue_retention", "gross_revenue_retention"}
    unpublished = {*of_two_months, "omnichannel_uplift", "memory_index_4_or_more"}
    assert kpis - {period.partition(" ")[0] for period in published} <= unpublished
    assert postgresql.all_published() == close_to(published)


def is_often(of: RealSet, edition: str, database: str, order: str) -> bool:
    """Whether every run of the tests loads these halves: of each slice the later one first, on DuckDB, and of one in
    either order; of the real sets only that one, in either order on DuckDB."""
    return database == "duckdb" and (of is WAZO or (edition == SLICE and order == "reversed"))


HALVES = [
    pytest.param(
        each,
        edition,
        database,
        late,
        id=f"{each.name}-{edition}-{database}-{order}",
        marks=[] if is_often(each, edition, database, order) else pytest.mark.long,
    )
    for each in SETS.values()
    for edition in EDITIONS
    for database in ("duckdb", "postgresql")
    for late, order in ((1, "in order"), (0, "reversed"))
]


@pytest.mark.parametrize(("real_set", "edition", "database", "late"), HALVES, scope="session")
def test_two_halves_in_either_order_make_the_whole(
    load: Load, home: Home, real_set: RealSet, edition: str, database: str, late: int
) -> None:
    # Not the fixture `loaded`: pytest keeps that of the test before, of another set of these parameters.
    loaded, of = load(real_set, database, edition), real_set
    project = home(of, database, edition)
    toml = project.folder / "cxflow.toml"
    arrivals = []
    for file in dict.fromkeys(of.files[stream] for stream in of.halved):
        whole = project.data / file
        half = cut(whole)[late]
        arrivals.append((half.rename(half.with_suffix(".part")), half))
        toml.write_text(toml.read_text().replace(f'"{whole.name}"', f'"{whole.stem}.half-*"'))

    first = counts(project.cxflow("run", *of.halved, *of.beside))
    for unfinished, half in arrivals:
        unfinished.rename(half)
    second = counts(project.cxflow("run", *of.halved))

    whole_books = counts(loaded.outcome)
    for stream in of.halved:
        read = second[stream]["extracted"] + (first[stream]["extracted"] if stream not in of.grouped else 0)
        assert read == whole_books[stream]["extracted"]
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
