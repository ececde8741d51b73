"""Withdraws loaded records of which the batch holds the same raw record, refused: the mapping has changed since.

What is loaded then is what a load of the same raw batches with the new mapping would hold.
"""

from __future__ import annotations

import sqlalchemy as sa

from cxflow.landing.prepared import CONFLICT_COLUMN, CONFLICT_RULE
from cxflow.load.staged import RECORD, REFUSED, WITHDRAWN, Loading
from cxflow.load.versions import IN_CONFLICT
from cxflow.warehouse.tables import source_record


def prepare(loading: Loading) -> None:
    """Create `stage_withdrawn`, empty."""
    nothing = sa.select(source_record.c.source_record_id.label("record_id")).where(sa.false())
    loading.execute(nothing.into(WITHDRAWN.name, temporary=True))


def of_refused(loading: Loading) -> None:
    """Withdraw the records that are refused as they were loaded; of a remap, all that did not pass again."""
    known = source_record
    if loading.is_remap:
        passed = sa.exists().where(RECORD.c.record_id == known.c.source_record_id)
        _withdraw(loading, known.c.batch_id.in_(loading.manifest.sources) & sa.not_(passed))
    # Two versions of one record are no fault of the mapping.
    _withdraw(
        loading,
        sa.exists().where(
            REFUSED.c.record_id == known.c.source_record_id,
            sa.or_(REFUSED.c.rule != CONFLICT_RULE, REFUSED.c.column_name != CONFLICT_COLUMN),
            REFUSED.c.raw_hash == known.c.raw_hash,
        ),
    )


def count(loading: Loading) -> int:
    """The number of records withdrawn."""
    return int(loading.execute(sa.select(sa.func.count()).select_from(WITHDRAWN)).scalar() or 0)


def _withdraw(loading: Loading, condition: sa.ColumnElement[bool]) -> None:
    known = source_record
    withdrawn = sa.and_(loading.of_stream(known), condition)
    loading.execute(
        sa.insert(WITHDRAWN).from_select(
            ["record_id"],
            sa.select(known.c.source_record_id).where(withdrawn, known.c.content_hash != IN_CONFLICT),
        )
    )
    loading.execute(sa.delete(known).where(withdrawn))
