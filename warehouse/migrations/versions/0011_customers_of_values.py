"""The customers behind each value, for intervals that know which events are of one customer.

The method in the definition of each KPI differs, so that the next computation takes it anew for all periods.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.add_column("kpi_value", sa.Column("customers", sa.BigInteger(), nullable=True))
    op.add_column("kpi_value", sa.Column("effective_n", sa.Double(), nullable=True))
    op.create_table(
        "kpi_day_customer",
        sa.Column("kpi", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("dimension_value", sa.String(), nullable=False),
        sa.Column("is_grouped", sa.Boolean(), nullable=False),
        sa.Column("customers", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("n", sa.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("numerators", sa.ARRAY(sa.Double()), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        key = ["kpi", "version", "day", "dimension", "dimension_value"]
        op.create_index("kpi_day_customer_key", "kpi_day_customer", key, unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("kpi_day_customer")
    op.drop_column("kpi_value", "effective_n")
    op.drop_column("kpi_value", "customers")
