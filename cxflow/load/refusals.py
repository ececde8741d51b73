"""Refuses records that only the warehouse shows to be in conflict."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow.landing import prepared
from cxflow.load import raw_texts
from cxflow.load.conflicts import CONFLICTING
from cxflow.load.staged import OUTCOME, RECORD, REFUSED, Loading, names


def stage(loading: Loading, landed: Path) -> None:
    """Add the conflicting records to `stage_refused`, with their raw text. `landed` is the local folder of the raw
    batch."""
    rows = list(loading.execute(sa.select(OUTCOME.c._row).where(OUTCOME.c.outcome == CONFLICTING)).scalars())
    if not rows:
        return
    raw = raw_texts.of_batch(loading, landed, rows, "stage_raw")
    values = {
        "_row": RECORD.c._row,
        "stage": sa.literal("load"),
        "rule": sa.literal(prepared.CONFLICT_RULE),
        "column_name": sa.literal(prepared.CONFLICT_COLUMN),
        "raw_value": sa.cast(sa.null(), sa.String),
        **{name: RECORD.c[name] for name in names(RECORD) if name in REFUSED.c},
        "payload": raw.c.payload,
    }
    loading.execute(
        sa.insert(REFUSED).from_select(
            names(REFUSED),
            sa.select(*(values[name] for name in names(REFUSED)))
            .join_from(RECORD, raw, raw.c._row == RECORD.c._row)
            .join(OUTCOME, OUTCOME.c._row == RECORD.c._row),
        )
    )
