"""Writes what was measured into `docs/benchmarks.md`, between the marks that it has for each part."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
MILLION = 1_000_000
PEAK_MEGABYTES = 1_500
"""The limit of a complete run's peak memory."""
_LONGEST = 6
"""Statements that a profile names."""
Found = dict[str, Any]


def write(found: Found) -> None:
    """Replace the tables of the parts that were measured."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        if name in found:
            mark = f"<!-- {name} -->"
            text = re.sub(
                f"{mark}.*?<!-- /{name} -->",
                lambda _, mark=mark, table=table, name=name: (
                    f"{mark}\n\n{table(found[name])}\n\n<!-- /{name} -->"
                ),
                text,
                flags=re.DOTALL,
            )
    PAGE.write_text(text, encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(found: Found) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"Measured on {found['date']}: {found['cores']} cores, {found['memory_gigabytes']} GB, {versions}."


def _cells(found: Found) -> list[str]:
    return [
        f"{found['wall_seconds']:.1f} s",
        f"{found['cpu_seconds']:.1f} s",
        f"{found['peak_megabytes']:,.0f} MB",
    ]


def _ratio(ours: Found, theirs: Found) -> float:
    return float(ours["wall_seconds"] / theirs["wall_seconds"])


def _trip(found: Found) -> str:
    rows = []
    for count, limit in ((MILLION, 2.5), (10 * MILLION, 2)):
        if one := found.get(str(count)):
            ratios = " ".join(f"{ratio:.2f}" for ratio in sorted(one["ratios"]))
            rows += [
                [f"{count:,}", "by hand", *_cells(one["by_hand"]), "", ""],
                [f"{count:,}", "cxflow", *_cells(one["cxflow"]), f"{ratios}", f"{limit}"],
            ]
    rows.append(["", "limit", "", "", f"{PEAK_MEGABYTES:,} MB", "", ""])
    return _table(["records", "", "wall", "processor", "peak memory", "ratios", "limit"], rows)


def _days(found: Found) -> str:
    by_hand, first = found["by_hand"], found[str(MILLION)]
    rows = [[f"{MILLION:,}", "by hand", *_cells(by_hand), "", "", ""]]
    rows += [
        [
            f"{int(count):,}",
            "cxflow",
            *_cells(one),
            f"{one['warehouse_bytes'] / 1e9:.1f} GB",
            f"{_ratio(one, first):.2f}",
            f"{_ratio(one, by_hand):.2f}" if one is first else "",
        ]
        for count, one in found.items()
        if one is not by_hand
    ]
    rows.append(["", "limit", "", "", f"{PEAK_MEGABYTES:,} MB", "", "1.3", "4"])
    head = [
        "history",
        "",
        "wall",
        "processor",
        "peak memory",
        "warehouse",
        "ratio to 1 million",
        "ratio to by hand",
    ]
    steps = {count: one["steps"] for count, one in found.items() if "steps" in one}
    names = list(next(iter(steps.values())))
    of_steps = [[name, *(f"{one[name]:.1f} s" for one in steps.values())] for name in names]
    return f"{_table(head, rows)}\n\n{_table(['step', *(f'{int(count):,}' for count in steps)], of_steps)}"


def _http(found: Found) -> str:
    limits = {"cxflow": "at least 0.8", "dlt": "at most 0.25", "singer": ""}
    names = {"bare": "a bare loop", "cxflow": "cxflow", "dlt": "dlt's RESTClient", "singer": "Singer SDK"}
    rows = []
    for count, kinds in found.items():
        for kind, one in kinds.items():
            beside = kinds["bare"] if kind in ("bare", "cxflow") else kinds["cxflow"]
            ratio = beside["wall_seconds"] / one["wall_seconds"]
            against = "the bare loop" if kind == "cxflow" else "cxflow"
            rows.append(
                [
                    names[kind],
                    f"{int(count):,}",
                    *_cells(one),
                    f"{int(count) / one['wall_seconds']:,.0f}",
                    "" if kind == "bare" else f"{ratio:.2f} of {against}",
                    limits.get(kind, ""),
                ]
            )
    head = ["", "records", "wall", "processor", "peak memory", "records a second", "speed", "limit"]
    return _table(head, rows)


def _dlt(found: Found) -> str:
    ours = found["cxflow"]
    rows = []
    for how, limit in (("records", "at least 50"), ("arrow", "at least 1")):
        for count, one in found[how].items():
            beside = max(MILLION, int(count))
            faster = (one["wall_seconds"] / int(count)) / (ours[str(beside)]["wall_seconds"] / beside)
            rows.append([f"dlt, {how}", f"{int(count):,}", *_cells(one), f"{faster:.1f}", limit])
    rows += [
        ["cxflow, the whole trip", f"{int(count):,}", *_cells(one), "1", ""] for count, one in ours.items()
    ]
    head = ["", "records", "wall", "processor", "peak memory", "times cxflow's time a record", "limit"]
    return _table(head, rows)


def _postgresql(found: Found) -> str:
    ratio = f"{_ratio(found['cxflow'], found['by_hand']):.2f}"
    compared = _table(
        ["", "wall", "processor", "peak memory", "ratio", "limit"],
        [
            ["ADBC into staging, a MERGE for each table", *_cells(found["by_hand"]), "", ""],
            ["cxflow's load", *_cells(found["cxflow"]), ratio, "1.5"],
        ],
    )
    statements = dict(found["statements"])
    profile = _by_statement(
        statements, statements.pop("load"), "`COPY` into the temporary tables, commit, the rest"
    )
    return f"{compared}\n\nAnother such load, by statement:\n\n{profile}"


def _by_statement(statements: Mapping[str, float], whole: float, others: str) -> str:
    """The longest of some statements, and their share of a step's seconds."""
    longest = sorted(statements.items(), key=lambda item: -item[1])[:_LONGEST]
    rest = whole - sum(seconds for _, seconds in longest)
    rows = [[f"`{name}`", f"{seconds:.1f} s", f"{seconds / whole:.0%}"] for name, seconds in longest]
    rows.append([others, f"{rest:.1f} s", f"{rest / whole:.0%}"])
    return _table(["", "wall", "share"], rows)


_ENGINES = {"duckdb": "DuckDB", "postgresql": "PostgreSQL"}


def _identity(found: Found) -> str:
    rows = [
        [_ENGINES[engine], f"{one['load']:.1f} s", f"{one['identity']:.1f} s"]
        for engine, one in found.items()
    ]
    ratio = found["postgresql"]["identity"] / found["duckdb"]["identity"]
    rows.append(["ratio (limit 3)", "", f"{ratio:.1f}"])
    compared = _table(["", "load of 1,000,000 records", "identity, 1,400,000 identifiers"], rows)
    steps = ("extract", "prepare", "load", "identity")
    server = found["postgresql"]
    statements = {name: taken for name, taken in server.items() if name not in steps}
    profile = _by_statement(statements, server["identity"], "the rest")
    return f"{compared}\n\nPostgreSQL's, by statement:\n\n{profile}"


def _kpis(found: Found) -> str:
    rows = [[_ENGINES[engine], f"{one['all_kpis']:.1f} s"] for engine, one in found.items()]
    return _table(["", "all KPIs, 10,000,000 touchpoints"], rows)


def _profile(found: Found) -> str:
    says = {
        "extract": "read the lines, land them as Parquet, look at the shape of every record, checksums",
        "expectations": "import Great Expectations; `cxflow run` does it while the source is read",
        "prepare": "cast and hash in one pass, normalise identifiers, expectations, one version of each record",
        "load": "registry, rows, quarantine, days to recompute, ledger, commit",
        "identity": "customers of the new identifiers, and on their rows",
        "kpis": "all KPIs, by day, week, month, quarter, year and whole period",
    }
    total = sum(found.values())
    rows = [
        [step, f"{seconds:.1f} s", f"{seconds / total:.0%}", says[step]] for step, seconds in found.items()
    ]
    return _table(["step", "wall", "share", ""], rows)


def _witness(found: Found) -> str:
    rows = [
        [
            kind,
            f"{one['extract_processor_seconds']:.2f} s",
            f"{one['count_processor_seconds']:.2f} s",
            f"{one['count_processor_seconds'] / one['extract_processor_seconds']:.0%}",
            "10%",
        ]
        for kind, one in found.items()
    ]
    return _table(["format", "processor time of the extraction", "of the count", "share", "limit"], rows)


TABLES: dict[str, Callable[[Found], str]] = {
    "machine": _machine,
    "trip": _trip,
    "profile": _profile,
    "days": _days,
    "http": _http,
    "dlt": _dlt,
    "postgresql": _postgresql,
    "identity": _identity,
    "kpis": _kpis,
    "witness": _witness,
}
