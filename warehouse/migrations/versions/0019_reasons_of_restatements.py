"""Why a published value replaces the one before it: what changed the rows is noted with their days."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the reasons. Of what was published or noted before, nobody knows them."""
    op.add_column("kpi_value", sa.Column("restated_because", sa.String(), nullable=True))
    op.add_column("pending_kpi", sa.Column("cause", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("pending_kpi", "cause")
    op.drop_column("kpi_value", "restated_because")
