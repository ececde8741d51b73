"""The third central moment of measures, for the intervals of skewed means, and why a value has no interval.

Intervals of shares, net scores and means are computed in another way: the method in the definition of each KPI differs,
so that the next computation takes it anew for all periods.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("kpi_value", sa.Column("cubed_deviation", sa.Double(), nullable=True))
    op.add_column("kpi_value", sa.Column("interval_note", sa.String(), nullable=True))
    op.add_column("kpi_day", sa.Column("cubed_deviation", sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("kpi_day", "cubed_deviation")
    op.drop_column("kpi_value", "interval_note")
    op.drop_column("kpi_value", "cubed_deviation")
