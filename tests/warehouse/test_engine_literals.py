"""DuckDB's read-only connections hold values as literals: they must mean what the bound values mean."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cxflow.settings import Settings, load
from cxflow.warehouse import revisions, transactions

VALUES: list[tuple[Any, Any]] = [
    (sa.String, "it's a 'quote'; DROP TABLE x --"),
    (sa.String, r"back\slash \' and $1, %(a)s, :name, ?"),
    (sa.String, "Zoë 😀\nline"),
    (sa.String, ""),
    (sa.String, None),
    (sa.Integer, 0),
    (sa.BigInteger, -(2**62)),
    (sa.Integer, None),
    (sa.Boolean, True),
    (sa.Boolean, False),
    (sa.Date, date(2026, 2, 28)),
    (sa.DateTime(timezone=True), datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)),
    (sa.DateTime(timezone=True), datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))),
    (sa.DateTime(), datetime(2026, 2, 28, 12)),  # noqa: DTZ001 - without a zone on purpose
    (sa.Float, 0.1),
    (sa.Float, 1e300),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "cxflow.toml").write_text(
        '[project]\nname = "acme"\n[warehouse]\nurl = "duckdb:///w.duckdb"\n'
    )
    made = load(tmp_path)
    revisions.migrate(made)
    return made


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_value_read_back_is_the_value(settings: Settings, kind: Any, value: Any) -> None:
    with transactions.reading(settings) as connection:
        read = connection.execute(sa.select(sa.bindparam("v", value, kind))).scalar_one()
        same = sa.select(sa.literal(1)).where(
            sa.bindparam("a", value, kind) == sa.bindparam("b", value, kind)
        )
        matches = connection.execute(same).scalar()
    assert read == value
    assert type(read) is type(value)
    assert matches == (None if value is None else 1)


def test_a_cached_statement_takes_each_time_its_own_values(settings: Settings) -> None:
    names = sa.column("n", sa.String)
    rows = sa.values(names, name="v").data([("a",), ("b",), ("it's",)])
    with transactions.reading(settings) as connection:
        for wanted in (["a"], ["it's", "b"], []):
            found = connection.execute(sa.select(rows.c.n).where(rows.c.n.in_(wanted)).limit(5)).scalars()
            assert sorted(found) == sorted(wanted)


def test_an_error_quotes_no_value(settings: Settings) -> None:
    broken = sa.select(sa.func.no_such_function(sa.bindparam("who", "maria@example.com", sa.String)))
    with pytest.raises(Exception) as caught, transactions.reading(settings) as connection:  # noqa: PT011
        connection.execute(broken)
    problem: BaseException | None = caught.value
    while problem is not None:
        if isinstance(problem, sa.exc.StatementError):
            assert "maria" not in str(problem.statement)
        problem = problem.__cause__ or problem.__context__
