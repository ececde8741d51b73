"""The snapshots of streams, when their records were last seen, and how many records each load found gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them."""
    time = sa.DateTime(timezone=True)
    op.add_column("load_run", sa.Column("vanished", sa.BigInteger(), nullable=True))
    op.create_table(
        "stream_snapshot",
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_object", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("received_at", time, nullable=False),
        sa.Column("content", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=False),
    )
    op.create_table(
        "record_sighting",
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_object", sa.String(), nullable=False),
        sa.Column("source_record_id", sa.String(), nullable=False),
        sa.Column("seen_at", time, nullable=False),
        sa.Column("is_vanished", sa.Boolean(), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        stream = ["source_system", "source_object"]
        op.create_index(
            "stream_snapshot_key", "stream_snapshot", [*stream, "origin", "received_at"], unique=True
        )
        op.create_index("record_sighting_key", "record_sighting", [*stream, "source_record_id"], unique=True)


def downgrade() -> None:
    """Drop them."""
    op.drop_table("record_sighting")
    op.drop_table("stream_snapshot")
    op.drop_column("load_run", "vanished")
