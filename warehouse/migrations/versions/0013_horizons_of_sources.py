"""How far each source is known, for KPIs that look ahead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "kpi_horizon",
        sa.Column("horizon", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        op.create_index("kpi_horizon_key", "kpi_horizon", ["horizon", "source"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("kpi_horizon")
