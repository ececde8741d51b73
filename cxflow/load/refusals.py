"""Refuses records that only the warehouse shows to be wrong: their keys are claimed, or in conflict."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from cxflow import scratch
from cxflow.landing import prepared
from cxflow.load.conflicts import CONFLICTING
from cxflow.load.merge import CHANGED
from cxflow.load.staged import OUTCOME, RECORD, REFUSED, ROWS, WITHDRAWN, Loading, names
from cxflow.warehouse import engines
from cxflow.warehouse.tables import CANONICAL, KEYS


def refuse_claimed_keys(loading: Loading) -> dict[str, list[int]]:
    """Mark the records with a row whose key another record has claimed.

    Returns the deleted records with such a row (their `_row`, by table): these are not refused, they only lose the row.
    A key that its record gives up in this load is not claimed. A record that is refused keeps its old rows, though,
    whose keys are claimed then: so this looks again until it finds no more.
    """
    lost: dict[str, list[int]] = {}
    found_any = True
    while found_any:
        found_any = False
        for name in loading.verdict.tables:
            if name == "touchpoint":  # its key is a hash of the record's key
                continue
            found = loading.execute(_claimed(loading, name)).all()
            lost[name] = [row._row for row in found if row.is_deleted]
            if rows := [row._row for row in found if not row.is_deleted]:
                found_any = True
                loading.execute(
                    sa.update(OUTCOME).where(OUTCOME.c._row.in_(rows)).values(outcome=f"claimed {name}")
                )
    return {name: rows for name, rows in lost.items() if rows}


def _claimed(loading: Loading, name: str) -> sa.Select[tuple[int, bool]]:
    table, staged = CANONICAL[name], ROWS[name]
    same_key = sa.and_(*(table.c[column] == staged.c[column] for column in KEYS[name]))
    of_changed = staged.c._row.in_(sa.select(OUTCOME.c._row).where(CHANGED))
    given_up = sa.select(OUTCOME.c.record_id).where(CHANGED).union_all(sa.select(WITHDRAWN.c.record_id))
    by_another = sa.not_(loading.of_stream(table) & table.c.source_record_id.in_(given_up))
    same_record = loading.of_stream(table) & (table.c.source_record_id == staged.c.record_id)
    return (
        sa.select(staged.c._row, staged.c.is_deleted)
        .join_from(staged, table, same_key)
        .where(sa.not_(same_record), of_changed, by_another)
        .distinct()
    )


def stage(loading: Loading, landed: Path) -> int:
    """Add the records marked as claimed or conflicting to `stage_refused`, with their raw text; returns how many.

    `landed` is the local folder of the raw batch.
    """
    is_refused = sa.or_(OUTCOME.c.outcome.like("claimed %"), OUTCOME.c.outcome == CONFLICTING)
    rows = list(loading.execute(sa.select(OUTCOME.c._row).where(is_refused)).scalars())
    if not rows:
        return 0
    raw = sa.table("stage_raw", sa.column("_row"), sa.column("payload"))
    with scratch.folder("load") as folder:
        target = prepared.payloads_of(landed, loading.manifest, rows, folder / "refused.duckdb")
        engines.of(loading.warehouse).stage(loading.warehouse, raw.name, target, "payload")
    values = {
        "_row": RECORD.c._row,
        "stage": sa.literal("load"),
        "rule": sa.literal(prepared.CONFLICT_RULE),
        "column_name": sa.func.regexp_replace(OUTCOME.c.outcome, "^[a-z]+ ", ""),
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
    return len(rows)
