"""A table of locks that readers cannot take, and lists of pending work that concurrent loads can fill.

Without a unique key two loads can add the same entry to a list, and neither waits or fails.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PENDING = {"pending_identity": ["namespace", "identity_hash"], "pending_kpi": ["table_name", "day"]}


def upgrade() -> None:
    """Add the table of locks, and make the indexes of the lists non-unique."""
    op.create_table(
        "stream_lock",
        sa.Column("source_system", sa.String(), nullable=False),
        sa.Column("source_object", sa.String(), nullable=False),
    )
    if not engines.of(op.get_bind()).has_indexes:
        return
    op.create_index("stream_lock_key", "stream_lock", ["source_system", "source_object"], unique=True)
    for table, columns in PENDING.items():
        op.drop_index(f"{table}_key", table)
        op.create_index(f"{table}_noted", table, columns)


def downgrade() -> None:
    """Make the lists unique again, and drop the table of locks."""
    if engines.of(op.get_bind()).has_indexes:
        for table, columns in PENDING.items():
            listed = ", ".join(columns)
            op.execute(f"CREATE TEMP TABLE noted ON COMMIT DROP AS SELECT DISTINCT {listed} FROM {table}")
            op.execute(f"DELETE FROM {table}")
            op.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM noted")
            op.execute("DROP TABLE noted")
            op.drop_index(f"{table}_noted", table)
            op.create_index(f"{table}_key", table, columns, unique=True)
    op.drop_table("stream_lock")
