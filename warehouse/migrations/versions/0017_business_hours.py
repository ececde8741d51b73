"""When teams work, for times in business minutes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. The next computation of KPIs fills it."""
    op.create_table(
        "business_hours",
        sa.Column("calendar", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("seconds_before", sa.Double(), nullable=False),
        sa.Column("opens", sa.ARRAY(sa.Double()), nullable=False),
        sa.Column("closes", sa.ARRAY(sa.Double()), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        op.create_index("business_hours_key", "business_hours", ["calendar", "day"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("business_hours")
