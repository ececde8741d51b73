"""Indexes that cost a load less: a comparison ends with the record's id, most of the time, and need not pass a system
and an object that all have in common; and rows without a customer are in none by customer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RECORD = ["source_record_id", "source_object", "source_system"]
CANONICAL = (
    "case_status_history",
    "customer_profile",
    "delivery",
    "interaction",
    "lead",
    "opportunity",
    "order_header",
    "order_line",
    "organisation",
    "payment",
    "product",
    "refund",
    "review",
    "signal",
    "support_case",
    "survey_response",
    "touchpoint",
)


def upgrade() -> None:
    """Make them anew."""
    _make(RECORD, sa.text("customer_id IS NOT NULL"))


def downgrade() -> None:
    """Make them as they were."""
    _make(RECORD[::-1], None)


def _make(record: list[str], where: sa.TextClause | None) -> None:
    if not engines.of(op.get_bind()).has_indexes:
        return
    for table in CANONICAL:
        op.drop_index(f"{table}_record", table)
        op.create_index(f"{table}_record", table, record)
    op.drop_index("source_record_key", "source_record")
    op.create_index("source_record_key", "source_record", record, unique=True)
    op.drop_index("touchpoint_customer", "touchpoint")
    op.create_index("touchpoint_customer", "touchpoint", ["customer_id"], postgresql_where=where)
