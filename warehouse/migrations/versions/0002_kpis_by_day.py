"""What makes weeks, months and the whole period of a KPI sums of its days.

Existing definitions have no settings beside them, so that the next computation takes every KPI anew, for all periods.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("kpi_value", sa.Column("squared_deviation", sa.Double(), nullable=True))
    op.add_column("kpi_definition", sa.Column("settings", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("kpi_definition", "settings")
    op.drop_column("kpi_value", "squared_deviation")
