"""Where the raw record of each loaded and refused record lies, its hash, and the mapping that made its rows.

With them the order of versions is total, and loaded records can be mapped anew. Of records loaded before only the batch
is known; they are taken for the same as what is read again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS: dict[str, list[sa.Column[object]]] = {
    "source_record": [
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("batch_id", sa.String(), nullable=True),
        sa.Column("row_number", sa.BigInteger(), nullable=True),
        sa.Column("raw_hash", sa.BigInteger(), nullable=True),
    ],
    "quarantine": [
        sa.Column("origin", sa.String(), nullable=True),
        sa.Column("raw_hash", sa.BigInteger(), nullable=True),
    ],
    "load_run": [
        sa.Column("withdrawn", sa.BigInteger(), nullable=True),
        sa.Column("mapping", sa.String(), nullable=True),
    ],
    "stream_state": [sa.Column("mapping", sa.String(), nullable=True)],
}


def upgrade() -> None:
    """Add them."""
    for table, columns in COLUMNS.items():
        for column in columns:
            op.add_column(table, column)
    op.execute("UPDATE source_record SET batch_id = run_id")


def downgrade() -> None:
    """Drop them."""
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
