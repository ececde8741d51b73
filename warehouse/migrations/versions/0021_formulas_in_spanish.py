"""The formulas of KPIs in Spanish."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the next computation fills it."""
    op.add_column("kpi_definition", sa.Column("formula_es", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("kpi_definition", "formula_es")
