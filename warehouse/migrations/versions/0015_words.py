"""The texts that wait to be scored, and what the customer wrote to open a case."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. What is there already is scored in the next run."""
    op.create_table("pending_text", sa.Column("touchpoint_id", sa.String(), nullable=False))
    op.add_column("support_case", sa.Column("opening_text", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("support_case", "opening_text")
    op.drop_table("pending_text")
