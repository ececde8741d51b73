"""Reads the paths to the purchases and complaints of the edition's period, and to the leaving before it. Called by
`contents`."""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.kpis.experience import paths
from cxflow.kpis.experience.paths import SILENT, Goal, Paths
from cxflow.report.edition import Edition

GOALS: tuple[Goal, ...] = ("purchase", "complaint", "leaving")
MOST = 6


def read_all(connection: sa.Connection, edition: Edition, min_customers: int) -> list[Paths]:
    """The most frequent paths to each goal that has some of enough customers.

    Who leaves is known when they were silent for long enough: their period ends so much earlier.
    """
    if edition.period is None:
        return []
    begin, end = edition.period.instants(edition.zone)
    found = []
    for goal in GOALS:
        earlier = SILENT if goal == "leaving" else SILENT * 0
        known = paths.read(
            connection,
            goal,
            min_customers=min_customers,
            most=MOST,
            since=begin - earlier,
            until=end - earlier,
        )
        if known.paths:
            found.append(known)
    return found
