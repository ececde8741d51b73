"""The tables of customers: who they are, what their profiles say of them, and what these said before. Declared here,
read through `tables`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Column, Double, String

from cxflow.warehouse.columns import TIME, UUID, column, derived_table, system_table

BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)
"""When the first periods of customers began: before everything. Not the first day there is, which some time zones do
not have."""

DESCRIBED = ("segment", "consent", "country")
"""What profiles say of their customer: columns of `customer_profile`, `customer` and the tables of what was before."""


def _described(when: str) -> list[Column[Any]]:
    """What profiles say of their customer, and when they said it."""
    return [
        column("segment", String, f"{when}, in the source's words"),
        column("consent", Boolean, f"{when}, may be contacted"),
        column("country", String, f"{when}, ISO 3166-1 alpha-2"),
    ]


customer = derived_table(
    "customer",
    "one person, as far as identifiers show",
    ("customer_id",),
    column("customer_id", String, "hash of the identifier seen first", nullable=False),
    column("merged_into_id", String, "the customer that this one was merged into"),
    column("first_seen_at", TIME, "earliest event with one of their identifiers", nullable=False),
    column("last_seen_at", TIME, "latest event with one of them", nullable=False),
    column("segment", String, "from the profile changed last that has one"),
    column("consent", Boolean, "from the profile changed last that has one"),
    column("country", String, "ISO 3166-1 alpha-2, from the profile changed last that has one"),
)

customer_identity = derived_table(
    "customer_identity",
    "which identifier belongs to which customer, and since when",
    ("namespace", "identity_hash", "valid_from"),
    column("namespace", String, "email, phone, or connection.key", nullable=False),
    column("identity_hash", UUID, "keyed hash of the normalised value, 128 bits", nullable=False),
    column(
        "identity_value", String, "the value itself, if the settings keep it in clear", info={"pii": True}
    ),
    column("customer_id", String, "the customer it belongs to; empty: it links nobody", nullable=False),
    column(
        "match_rule",
        String,
        "how it was linked: exact; or shared, common, weak, oversized: it names nobody",
        nullable=False,
    ),
    column("confidence", Double, "0 to 1", nullable=False),
    column("valid_from", TIME, "first event with it", nullable=False),
    column("valid_to", TIME, "when the link ended; null while it is valid"),
)

customer_history = derived_table(
    "customer_history",
    "what customers were before: the periods in which a segment, consent or country was another than it is now",
    ("customer_id", "valid_from"),
    column("customer_id", String, "the customer", nullable=False),
    column("valid_from", TIME, "when the period began; the first begins before everything", nullable=False),
    column("valid_to", TIME, "when it ended", nullable=False),
    *_described("in that period"),
)

profile_version = system_table(
    "profile_version",
    "what each profile said of its person before its present version",
    ("source_system", "source_object", "source_record_id", "profile_id", "valid_from"),
    column("source_system", String, "connection", nullable=False),
    column("source_object", String, "stream", nullable=False),
    column("source_record_id", String, "the record's key", nullable=False),
    column("profile_id", String, "the profile made of it", nullable=False, info={"pii": True}),
    column("valid_from", TIME, "its version; without one, when it was delivered", nullable=False),
    column("received_at", TIME, "when it was delivered", nullable=False),
    *_described("then"),
)
