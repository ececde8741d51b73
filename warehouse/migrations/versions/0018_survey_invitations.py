"""Invitations to surveys, answered or not: how many answer is told by those who do not, too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "survey_invitation",
        sa.Column("invitation_id", sa.String(), nullable=False),
        sa.Column("touchpoint_id", sa.String(), nullable=True),
        sa.Column("survey", sa.String(), nullable=True),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("responded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_object", sa.String(), nullable=False),
        sa.Column("source_record_id", sa.String(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        record = ["source_record_id", "source_object", "source_system"]
        op.create_index("survey_invitation_key", "survey_invitation", ["invitation_id"], unique=True)
        op.create_index("survey_invitation_record", "survey_invitation", record)


def downgrade() -> None:
    """Drop it, and all that it holds."""
    op.drop_table("survey_invitation")
