"""Tables that somebody altered by hand: told by name, with the statement that mends them, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from cxflow.errors import SchemaError
from cxflow.settings import Settings, load
from cxflow.warehouse import ledger, revisions, transactions
from cxflow.warehouse.tables import VERSION_TABLE

ALTERED = {
    "a column is gone": (
        ["ALTER TABLE review DROP COLUMN language"],
        "review.language is missing",
        "restore review.language from a backup",
        ["ALTER TABLE review ADD COLUMN language VARCHAR"],
    ),
    "a column is added": (
        ['ALTER TABLE quarantine ADD COLUMN "my note" VARCHAR'],
        "quarantine.my note is not a column of cxflow's",
        'ALTER TABLE quarantine DROP COLUMN "my note"',
        None,
    ),
    "a column is renamed": (
        ["ALTER TABLE order_header RENAME COLUMN price_total TO total"],
        "order_header.price_total was renamed to total",
        "ALTER TABLE order_header RENAME COLUMN total TO price_total",
        None,
    ),
    "a column is retyped": (
        ["ALTER TABLE review ALTER COLUMN rating_value TYPE INTEGER"],
        "review.rating_value is INTEGER instead of DOUBLE",
        "ALTER TABLE review ALTER COLUMN rating_value TYPE ",
        None,
    ),
    "money is rounded": (
        ["ALTER TABLE refund ALTER COLUMN refund_total TYPE DECIMAL(18, 2)"],
        "refund.refund_total is DECIMAL(18,2) instead of DECIMAL(18,4)",
        "ALTER TABLE refund ALTER COLUMN refund_total TYPE NUMERIC(18, 4)",
        None,
    ),
    "a time loses its zone": (
        ["ALTER TABLE stream_state ALTER COLUMN position TYPE TIMESTAMP"],
        "stream_state.position is TIMESTAMP",
        "ALTER TABLE stream_state ALTER COLUMN position TYPE TIMESTAMP WITH TIME ZONE",
        None,
    ),
    "a column must have a value": (
        ["ALTER TABLE review ALTER COLUMN language SET NOT NULL"],
        "review.language may not be null",
        "ALTER TABLE review ALTER COLUMN language DROP NOT NULL",
        None,
    ),
    "a table is gone": (
        ["ALTER TABLE product RENAME TO goods"],
        "product is missing",
        "restore product from a backup",
        ["ALTER TABLE goods RENAME TO product"],
    ),
}


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def migrated(
    request: pytest.FixtureRequest, postgresql: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder = tmp_path_factory.mktemp("altered")
    url = postgresql() if request.param == "postgresql" else "duckdb:///warehouse.duckdb"
    (folder / "cxflow.toml").write_text(f'[warehouse]\nurl = "{url}"\n')
    settings = load(folder)
    revisions.migrate(settings)
    return settings


@pytest.fixture
def settings(migrated: Settings) -> Iterator[Settings]:
    yield migrated
    with transactions.transaction(migrated) as connection:  # every test has put right what it altered
        revisions.require(connection)


def _run(settings: Settings, *statements: str) -> None:
    with transactions.transaction(settings) as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.mark.parametrize("case", ALTERED)
def test_what_was_altered_by_hand_is_named_with_what_mends_it(settings: Settings, case: str) -> None:
    statements, says, fix, mended_by = ALTERED[case]
    _run(settings, *statements)
    with pytest.raises(SchemaError) as caught:
        ledger.states(settings)
    assert caught.value.message.startswith("the warehouse was altered by hand: ")
    assert says in caught.value.message
    assert caught.value.fix is not None
    assert fix in caught.value.fix
    _run(settings, *(mended_by or caught.value.fix.split("; ")))


def test_of_many_alterations_the_first_are_named_and_the_others_counted(settings: Settings) -> None:
    _run(settings, *(f"ALTER TABLE payment ADD COLUMN extra{n} INTEGER" for n in range(8)))
    with pytest.raises(SchemaError, match=r"payment\.extra4 is not a column of cxflow's, and 3 more"):
        ledger.states(settings)
    _run(settings, *(f"ALTER TABLE payment DROP COLUMN extra{n}" for n in range(8)))


def test_tables_and_views_of_ones_own_beside_cxflows_are_no_alteration(settings: Settings) -> None:
    _run(settings, "CREATE TABLE targets (kpi VARCHAR)", "CREATE VIEW targeted AS SELECT kpi FROM targets")
    assert ledger.states(settings) == []
    _run(settings, "DROP VIEW targeted", "DROP TABLE targets")


def test_text_and_varchar_are_one_type(settings: Settings) -> None:
    _run(settings, "ALTER TABLE payment ALTER COLUMN method TYPE TEXT")
    assert ledger.states(settings) == []


def test_migrating_an_altered_warehouse_is_refused(settings: Settings) -> None:
    _run(settings, "ALTER TABLE lead RENAME COLUMN origin TO source")
    with pytest.raises(SchemaError, match=r"lead\.origin was renamed to source"):
        revisions.migrate(settings)
    _run(settings, "ALTER TABLE lead RENAME COLUMN source TO origin")


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_warehouse_of_another_version_is_not_touched(settings: Settings, revision: str) -> None:
    _run(settings, f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'")
    for act in (ledger.states, revisions.migrate):
        with pytest.raises(SchemaError, match=f"revision {revision}"):
            act(settings)
    with transactions.transaction(settings) as connection:
        assert revisions.current(connection) == revision
    _run(settings, f"UPDATE {VERSION_TABLE} SET version_num = '{revisions.head()}'")
