"""Alerts: since when each is there, and whether somebody was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "alert",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
    )
    if engines.of(op.get_bind()).has_indexes:
        op.create_index("alert_key", "alert", ["kind", "place", "subject"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("alert")
