"""How much of each order line was delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a mapping that fills it does so for what it loads, and a remap for the rest."""
    op.add_column("order_line", sa.Column("quantity_delivered", sa.Double(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("order_line", "quantity_delivered")
