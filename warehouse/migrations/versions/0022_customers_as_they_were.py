"""What customers were before, and what their profiles said then."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def _described() -> list[sa.Column[Any]]:
    return [
        sa.Column("segment", sa.String(), nullable=True),
        sa.Column("consent", sa.Boolean(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
    ]


def upgrade() -> None:
    """Add the tables. Loads before this one kept only present versions: what a profile said then is unknown, until a
    remap reads again what was landed."""
    op.create_table(
        "profile_version",
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_object", sa.String(), nullable=False),
        sa.Column("source_record_id", sa.String(), nullable=False),
        sa.Column("profile_id", sa.String(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        *_described(),
    )
    op.create_table(
        "customer_history",
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=False),
        *_described(),
    )
    if engines.of(op.get_bind()).has_indexes:
        of_profile = ["source_system", "source_object", "source_record_id", "profile_id", "valid_from"]
        op.create_index("profile_version_key", "profile_version", of_profile, unique=True)
        op.create_index(
            "customer_history_key", "customer_history", ["customer_id", "valid_from"], unique=True
        )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("customer_history")
    op.drop_table("profile_version")
