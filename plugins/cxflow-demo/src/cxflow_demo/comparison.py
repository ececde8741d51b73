"""The result of `cxflow demo`: counts, refusals, records, customers and KPIs, each with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cxflow import Settings, table
from cxflow.cli.outcome import counts_table
from cxflow.warehouse import ledger

from cxflow_demo.check import Fact


def parts(settings: Settings, early: Sequence[Fact], late: Sequence[Fact]) -> list[Any]:
    """The tables and lines to show, from the facts after the history and at the end."""
    totals = ledger.totals(settings)
    shown: list[Any] = [
        counts_table(
            "Source records, all loads together",
            [(".".join(place), counts) for place, counts in totals.items()],
        )
    ]
    for what, title in (
        ("quarantine", "Refused records"),
        ("records", "Live records"),
        ("customers", "Customers"),
    ):
        rows: list[tuple[Any, ...]] = [
            (fact.place, fact.found, fact.expected, _mark(fact)) for fact in late if fact.what == what
        ]
        shown.append(table(title, ("", "found", "truth", ""), rows))
    rows = [
        (place, fact.found, fact.expected, fact.found_n, fact.expected_n, _mark(fact))
        for place, fact in widest(late)
    ]
    title = "KPIs over all time, or by their longest period"
    shown.append(table(title, ("KPI", "found", "truth", "n", "n in truth", ""), rows))
    wrong = [
        (when, fact.what, fact.place, fact.found, fact.expected, fact.found_n, fact.expected_n)
        for when, facts in (("after the history", early), ("at the end", late))
        for fact in facts
        if not fact.agrees
    ]
    if wrong:
        columns = ("when", "what", "place", "found", "truth", "n", "n in truth")
        shown.append(table("What differs", columns, wrong))
    every = len(early) + len(late)
    shown.append(f"{every - len(wrong):,} of {every:,} numbers agree with the truth.")
    return shown


def widest(found: Sequence[Fact]) -> list[tuple[str, Fact]]:
    """The KPIs over all time or, without such a value, by their periods; unsliced."""
    kpis = [(fact.place.split(), fact) for fact in found if fact.what == "kpi"]
    whole = {name for (name, *rest), _ in kpis if rest == ["all"]}
    return [
        (name if rest == ["all"] else " ".join((name, *rest)), fact)
        for (name, *rest), fact in kpis
        if rest == ["all"] or (name not in whole and len(rest) == 1)
    ]


def _mark(fact: Fact) -> str:
    return "✓" if fact.agrees else "✗"
