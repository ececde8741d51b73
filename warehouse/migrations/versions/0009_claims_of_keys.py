"""Which records claim a key of a canonical table that several of them claim.

Records that were refused for their keys before claim nothing: a replay of their entries looks at them anew.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "key_claim",
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_object", sa.String(), nullable=False),
        sa.Column("source_record_id", sa.String(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        key = ["source_record_id", "source_object", "source_system", "table_name", "key_hash"]
        op.create_index("key_claim_key", "key_claim", key, unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("key_claim")
