"""Assigns every identifier to a customer and sets `customer_id` on every row. Called by `flow` after loads.

Only what changed is resolved again, and the result does not depend on the order of loads.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cxflow.identity import apart, components, customers, described, graph, rows, temporary
from cxflow.identity.temporary import count
from cxflow.settings import Settings
from cxflow.warehouse import applied, engines, revisions


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """What a resolution did."""

    identifiers: int
    """Identifiers resolved: the pending ones, those seen with them, and the others of their customers."""
    customers: int
    """Customers that they belong to now."""
    merged: int
    """Customers merged into another one."""
    shared: int
    """Identifiers seen beside so many others that they link nobody."""
    common: int = 0
    """Identifiers in so many records of a stream that they link nobody."""
    oversized: int = 0
    """Groups of linked identifiers that are too large to be one customer, and name nobody."""


def resolve(connection: sa.Connection, settings: Settings) -> IdentityReport:
    """Resolve the pending identifiers, or all of them after a change of `[identity]`, within the caller's
    transaction."""
    revisions.require_revision(connection)
    engine = engines.of(connection)
    engine.lock_streams(connection)  # or what a concurrent load notes would be deleted unresolved
    revisions.require(connection)
    rules = settings.identity.model_dump_json(
        include={"max_identifiers", "max_share", "max_customer", "weak"}
    )
    is_changed = applied.change(connection, "identity", rules)
    apart.recheck(connection, settings.identity)
    if not is_changed and not count(connection, "SELECT count(*) FROM pending_identity"):
        return IdentityReport(0, 0, 0, 0)
    engine.analyze(connection, "pending_identity", "record_identity", "customer_identity")
    seen = graph.collect(connection, everything=is_changed)
    apart.set_apart(connection, settings.identity)
    graph.connect(connection, seen)
    components.label(connection, "node", "link", "component")
    customers.name(connection, settings.identity.max_customer)
    customers.keep_identities(connection)
    merged = customers.merge(connection)
    rows.assign(connection)
    described.keep(connection)
    rows.note_moved(connection)
    report = IdentityReport(
        identifiers=count(connection, "SELECT count(*) FROM node"),
        customers=count(
            connection, "SELECT count(DISTINCT customer_id) FROM assigned WHERE match_rule = 'exact'"
        ),
        merged=merged,
        shared=count(connection, "SELECT count(*) FROM apart WHERE rule = 'shared'"),
        common=count(connection, "SELECT count(*) FROM apart WHERE rule = 'common'"),
        oversized=count(connection, "SELECT count(*) FROM oversized"),
    )
    temporary.run(connection, "DELETE FROM pending_identity")
    temporary.drop(connection)
    return report
