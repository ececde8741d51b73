"""How many events each KPI leaves out, and whether it could be computed; refunds that name no order.

Existing definitions lose their settings: the next computation takes every KPI anew, and counts.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.add_column("kpi_value", sa.Column("left_out", sa.BigInteger(), nullable=True))
    op.create_table(
        "kpi_left_out",
        sa.Column("kpi", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("dimension_value", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "kpi_status",
        sa.Column("kpi", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        days = ["kpi", "version", "day", "dimension", "dimension_value", "reason"]
        op.create_index("kpi_left_out_key", "kpi_left_out", days, unique=True)
        op.create_index("kpi_status_key", "kpi_status", ["kpi", "version"], unique=True)
    op.execute("UPDATE kpi_definition SET settings = NULL")
    op.execute("ALTER TABLE refund ALTER COLUMN order_id DROP NOT NULL")


def downgrade() -> None:
    """Drop them."""
    op.execute("DELETE FROM refund WHERE order_id IS NULL")
    op.execute("ALTER TABLE refund ALTER COLUMN order_id SET NOT NULL")
    op.drop_table("kpi_status")
    op.drop_table("kpi_left_out")
    op.drop_column("kpi_value", "left_out")
