"""Where the raw record of each loaded and refused record lies, its hash, and the mapping that made its rows; hashes of
identifiers in 16 bytes.

With them the order of versions is total, and loaded records can be mapped anew. Of records loaded before only the batch
is known; they are taken for the same as what is read again. Customers are named after a hash: they get new names with
the next run.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from cxflow.warehouse import engines

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
    op.create_table(
        "applied_settings",
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("settings", sa.String(), nullable=False),
    )
    if engines.of(op.get_bind()).has_indexes:
        op.create_index("applied_settings_key", "applied_settings", ["what"], unique=True)
    _hash_anew(sa.Uuid(as_uuid=False), "CAST(substr(identity_hash, 1, 32) AS UUID)")


def _hashed(kind: sa.types.TypeEngine[str]) -> dict[str, list[sa.Column[object]]]:
    """The tables with hashes of identifiers, and their columns."""
    name, text, time = "identity_hash", sa.String(), sa.DateTime(timezone=True)
    return {
        "record_identity": [
            sa.Column("source_system", text, nullable=False),
            sa.Column("source_object", text, nullable=False),
            sa.Column("source_record_id", text, nullable=False),
            sa.Column("namespace", text, nullable=False),
            sa.Column(name, kind, nullable=False),
            sa.Column("identity_value", text, nullable=True),
            sa.Column("seen_at", time, nullable=False),
        ],
        "customer_identity": [
            sa.Column("namespace", text, nullable=False),
            sa.Column(name, kind, nullable=False),
            sa.Column("identity_value", text, nullable=True),
            sa.Column("customer_id", text, nullable=False),
            sa.Column("match_rule", text, nullable=False),
            sa.Column("confidence", sa.Double(), nullable=False),
            sa.Column("valid_from", time, nullable=False),
            sa.Column("valid_to", time, nullable=True),
        ],
        "pending_identity": [
            sa.Column("namespace", text, nullable=False),
            sa.Column(name, kind, nullable=False),
        ],
    }


def _hash_anew(kind: sa.types.TypeEngine[str], value: str) -> None:
    """Change the type of hashes, and have all customers resolved again."""
    for table in ("customer", "customer_identity", "pending_identity"):
        op.execute(f"DELETE FROM {table}")
    for table, columns in _hashed(kind).items():
        if engines.of(op.get_bind()).has_indexes:
            op.alter_column(table, "identity_hash", type_=kind, postgresql_using=value)
            continue
        # A new table: DuckDB cannot replay a change of type from its log if the process dies.
        op.rename_table(table, "former_table")
        op.create_table(table, *columns)
        names = [column.name for column in columns]
        values = ", ".join(value if name == "identity_hash" else name for name in names)
        op.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM former_table")
        op.drop_table("former_table")
    op.execute(
        "INSERT INTO pending_identity (namespace, identity_hash) "
        "SELECT DISTINCT namespace, identity_hash FROM record_identity"
    )


def downgrade() -> None:
    """Drop them."""
    _hash_anew(sa.String(), "replace(CAST(identity_hash AS VARCHAR), '-', '')")
    op.drop_table("applied_settings")
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.name)
