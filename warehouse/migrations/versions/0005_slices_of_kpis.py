"""What KPIs are sliced by: the days that they are summed from have a table of their own, definitions remember the names
of their slices, and customers their country.

Existing definitions have none, and other settings than the next computation: it takes every KPI anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    op.create_table(
        "kpi_day",
        sa.Column("kpi", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("dimension", sa.String(), nullable=False),
        sa.Column("dimension_value", sa.String(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("numerator", sa.Double(), nullable=True),
        sa.Column("squared_deviation", sa.Double(), nullable=True),
    )
    if engines.of(op.get_bind()).has_indexes:
        key = ["kpi", "version", "day", "dimension", "dimension_value"]
        op.create_index("kpi_day_key", "kpi_day", key, unique=True)
    op.add_column("kpi_definition", sa.Column("slices", sa.String(), nullable=True))
    op.add_column("customer", sa.Column("country", sa.String(), nullable=True))
    # As identity would; without it, the next resolution would note every day of every customer as changed.
    op.execute(
        "UPDATE customer SET country = p.country FROM (SELECT p.customer_id, p.country, row_number() OVER ("
        "PARTITION BY p.customer_id ORDER BY coalesce(r.version_at, r.received_at) DESC, p.profile_id) AS place "
        "FROM customer_profile p JOIN source_record r ON r.source_system = p.source_system "
        "AND r.source_object = p.source_object AND r.source_record_id = p.source_record_id "
        "WHERE NOT p.is_deleted) p WHERE p.place = 1 AND p.customer_id = customer.customer_id"
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_column("customer", "country")
    op.drop_column("kpi_definition", "slices")
    op.drop_table("kpi_day")
