"""Descriptions of KPIs, their words in Spanish, and how many decimals to show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WORDS = ("title_es", "description", "description_es")


def upgrade() -> None:
    """Add the columns; the next computation fills them."""
    for name in _WORDS:
        op.add_column("kpi_definition", sa.Column(name, sa.String(), nullable=True))
    op.add_column("kpi_definition", sa.Column("decimals", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    for name in (*_WORDS, "decimals"):
        op.drop_column("kpi_definition", name)
