"""What each touchpoint was to the customer. The next computation of the KPIs fills the table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "touchpoint_judgement",
        sa.Column("judgement_id", sa.String(), nullable=False),
        sa.Column("touchpoint_id", sa.String(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("case_id", sa.String(), nullable=True),
        sa.Column("activity", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("journey_stage", sa.String(), nullable=False),
        sa.Column("control", sa.String(), nullable=False),
        sa.Column("polarity", sa.Integer(), nullable=True),
        sa.Column("intensity", sa.Double(), nullable=True),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        op.create_index("touchpoint_judgement_key", "touchpoint_judgement", ["judgement_id"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("touchpoint_judgement")
