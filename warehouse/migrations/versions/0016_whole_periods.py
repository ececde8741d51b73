"""Which periods have all that they need: how far each stream is delivered, and how far each KPI is complete."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. A stream is known as far as it was read; the next computation says which values are complete."""
    op.add_column("stream_state", sa.Column("known_until", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE stream_state SET known_until = position")
    op.add_column("kpi_value", sa.Column("is_complete", sa.Boolean(), nullable=True))
    op.create_table(
        "kpi_complete",
        sa.Column("kpi", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("complete_until", sa.DateTime(timezone=True), nullable=True),
    )
    if engines.of(op.get_bind()).has_indexes:
        op.create_index("kpi_complete_key", "kpi_complete", ["kpi", "version", "source"], unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("kpi_complete")
    op.drop_column("kpi_value", "is_complete")
    op.drop_column("stream_state", "known_until")
