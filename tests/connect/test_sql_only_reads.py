"""A source is only read: whatever a query contains, `doctor`, a dry run and a run leave the source unchanged.

Each attack is tried as it is, and with the first safeguard (the parser) disabled, to show that the second (the
database) holds by itself.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sql_source import TO, Shop
from typer.testing import CliRunner

from cxflow.cli.app import app
from cxflow.connect.sql import connector, selection
from cxflow.connect.sql.opening import opened, parsed
from cxflow.connect.sql.stream import SqlStream
from cxflow.errors import ConfigError, CxflowError

ROWS = [(1, "2026-03-02 09:00:00+00:00"), (2, "2026-03-02 09:30:00+00:00")]
ESCAPE = "SELECT * FROM orders) q; {}; SELECT * FROM (SELECT * FROM orders"

EVERYWHERE = [
    ESCAPE.format("COMMIT; DELETE FROM orders"),
    ESCAPE.format("DROP TABLE orders"),
    "WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d",
    "SELECT * INTO copied FROM orders",
]
ATTACKS = {
    "postgresql": [
        *EVERYWHERE,
        ESCAPE.format("COMMIT; SET default_transaction_read_only = off; DELETE FROM orders"),
        ESCAPE.format("SET TRANSACTION READ WRITE; DELETE FROM orders"),
        "SELECT * FROM orders FOR UPDATE",
        "SELECT nextval('numbers') AS id",
        "SELECT setval('numbers', 99) AS id",
        "SELECT lo_create(4711) AS id",
        "SELECT set_config('transaction_read_only', 'off', false) AS id, bump()",
        "COPY orders TO PROGRAM 'false'",
    ],
    "sqlite": [
        *EVERYWHERE,
        ESCAPE.format("PRAGMA query_only = OFF; DELETE FROM orders"),
        ESCAPE.format("ATTACH 'other.db' AS other; CREATE TABLE other.copied (id)"),
        "SELECT load_extension('mod_spatialite') AS id",
        "PRAGMA user_version = 7",
    ],
    "duckdb": [
        *EVERYWHERE,
        ESCAPE.format("COPY orders TO 'copied.csv'"),
        ESCAPE.format("ATTACH 'other.duckdb' AS other; CREATE TABLE other.copied (id int)"),
        ESCAPE.format("INSTALL httpfs; LOAD httpfs"),
        ESCAPE.format("SET lock_configuration = false; SET enable_external_access = true"),
        "SELECT nextval('numbers') AS id",
        "SELECT * FROM read_csv('orders.csv')",
        "SELECT * FROM query('FROM read_csv(''orders.csv'')')",
        "FROM glob('*')",
    ],
}
CASES = [(kind, attack) for kind, attacks in ATTACKS.items() for attack in attacks]
CALLS = ("SELECT nextval", "SELECT setval", "SELECT lo_create", "SELECT set_config", "SELECT load_extension")
"""Of these a database runs nothing before it yields a row: who asks for names of columns is told them."""


def _shown(kind: str) -> list[str]:
    """Some of a database's attacks; the parser is tried on all of them, and more, by itself."""
    return [*ATTACKS[kind][0:3:2], *ATTACKS[kind][-2:]]


WAYS = {"doctor": ["doctor"], "dry run": ["run", "--dry-run"], "run": ["run"]}


class Target:
    """A database of each kind, filled once, and everything that could be seen to have changed in it."""

    def __init__(self, kind: str, folder: Path, server: Callable[[], str]) -> None:
        self.shop = Shop(kind, folder, server)
        self.shop.orders(*ROWS)
        (folder / "orders.csv").write_text("id\n1\n")
        if kind != "sqlite":
            self.shop.execute("CREATE SEQUENCE numbers")
        if kind == "postgresql":
            self.shop.execute(
                "CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS 'INSERT INTO orders VALUES (9); SELECT 1'"
            )
        # The warehouse is made by a run that is allowed.
        self.shop.configure()
        assert cxflow(folder, "run") == (0, "")
        self.before = self.seen()

    def seen(self) -> Any:
        """The bytes of a file and the names beside it; of a server the rows, the tables and the sequence."""
        if self.shop.kind != "postgresql":
            names = sorted(path.name for path in self.shop.folder.iterdir())
            return names, (self.shop.folder / f"shop.{self.shop.kind}").read_bytes()
        return [
            self.shop.query(query)
            for query in (
                "SELECT xmin, * FROM orders ORDER BY id",
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
                "SELECT last_value, is_called FROM numbers",
                "SELECT oid FROM pg_largeobject_metadata",
                "SHOW default_transaction_read_only",
            )
        ]


@pytest.fixture(scope="module")
def targets(
    tmp_path_factory: pytest.TempPathFactory, postgresql: Callable[[], str]
) -> Callable[[str], Target]:
    made: dict[str, Target] = {}

    def target(kind: str) -> Target:
        if kind not in made:
            made[kind] = Target(kind, tmp_path_factory.mktemp(kind), postgresql)
        return made[kind]

    return target


@pytest.fixture
def without_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector, "reading", lambda query, *_, **__: query)


def cxflow(folder: Path, *arguments: str) -> tuple[int, str]:
    """How a command ended, and what it said of it."""
    result = CliRunner().invoke(app, ["--project", str(folder), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    said = f"{result.stdout}{result.stderr}"
    return result.exit_code, " ".join(said.split()) if result.exit_code else ""


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("kind", "attack"), [case for case in CASES if case[1] in _shown(case[0])])
def test_a_query_that_writes_is_refused_before_it_is_sent(
    targets: Callable[[str], Target], kind: str, attack: str, way: list[str]
) -> None:
    target = targets(kind)
    target.shop.configure(query=attack)
    code, said = cxflow(target.shop.folder, *way)
    assert code == 78
    assert "shop.orders" in said
    assert "the query" in said
    assert "a source is only read" in said
    assert target.seen() == target.before


@pytest.mark.usefixtures("without_parser")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("kind", "attack"), CASES)
def test_a_query_that_fools_the_parser_changes_nothing(
    targets: Callable[[str], Target], kind: str, attack: str, way: list[str]
) -> None:
    target = targets(kind)
    target.shop.configure(query=attack)
    code, said = cxflow(target.shop.folder, *way)
    if not (way == ["doctor"] and attack.startswith(CALLS)):
        assert code in (66, 78)
        assert "shop.orders" in said
    assert target.seen() == target.before


@pytest.mark.parametrize(("kind", "attack"), CASES)
def test_no_way_to_send_a_query_takes_more_than_one_that_reads(
    targets: Callable[[str], Target], kind: str, attack: str
) -> None:
    """Each of the ways alone: what `doctor` asks first is not the only one that stands in the way."""
    target = targets(kind)
    stream = SqlStream.model_validate(
        {"name": "orders", "query": attack, "cursor": ["id"], "primary_key": ["id"], "to": TO}
    )
    refused = 0
    for send in (
        lambda database: database.columns(selection.nothing(stream)),
        lambda database: database.first(selection.sample(stream)),
        lambda database: database.first(selection.one_without_cursor(stream)),
        lambda database: database.count(selection.whole(stream)),
        lambda database: list(database.partitions(selection.whole(stream), 10)),
    ):
        with opened(parsed(target.shop.url), target.shop.folder, 10) as database:
            try:
                send(database)
            except CxflowError:
                refused += 1
    assert refused == 5 or (refused and attack.startswith(CALLS))
    assert target.seen() == target.before


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_function_of_the_source_that_writes_is_stopped_by_the_transaction(
    targets: Callable[[str], Target], way: list[str]
) -> None:
    """No parser knows what a function does."""
    target = targets("postgresql")
    target.shop.configure(query="SELECT bump() AS id, '2026-03-02' AS updated_at")
    code, said = cxflow(target.shop.folder, *way)
    if way == ["doctor"]:
        assert code == 0, "it asks for the columns alone"
    else:
        assert code == 78
        assert "shop.orders: the query writes; a source is only read" in said
    assert target.seen() == target.before


def test_the_session_of_postgresql_is_read_only_from_its_first_statement(
    targets: Callable[[str], Target],
) -> None:
    shop = targets("postgresql").shop
    statement = "current_setting('default_transaction_read_only')||current_setting('transaction_read_only')||"
    statement += "current_setting('transaction_isolation')"
    with opened(parsed(shop.url), shop.folder, 10) as database:
        assert database.first(sa.select(sa.text(statement))) == "ononrepeatable read"


def test_options_of_the_url_are_kept(targets: Callable[[str], Target]) -> None:
    shop = targets("postgresql").shop
    url = parsed(shop.url).update_query_dict({"options": "-c application_name=till"})
    with opened(url, shop.folder, 10) as database:
        statement = "current_setting('application_name')||current_setting('default_transaction_read_only')"
        assert database.first(sa.select(sa.text(statement))) == "tillon"


@contextmanager
def pooler(url: sa.URL) -> Iterator[sa.URL]:
    """Before a server somebody who, like PgBouncer, refuses a session with options. Gives its URL."""
    path = f"{url.query['host']}/.s.PGSQL.{url.port or 5432}"
    listener = socket.create_server(("127.0.0.1", 0))

    def refusal(said: bytes) -> bytes:
        fields = b"SFATAL\0C08P01\0Munsupported startup parameter: " + said + b"\0\0"
        return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed: the test is over
                return
            head = client.recv(65536)
            while head[4:8] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):  # asks for encryption
                client.sendall(b"N")
                head = client.recv(65536)
            if b"\0options\0" in head:
                client.sendall(refusal(b"options"))
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            server.connect(path)
            server.sendall(head)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=pass_on, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with closing(listener):
        yield url.set(host="127.0.0.1", port=listener.getsockname()[1], query={"sslmode": "disable"})


def test_a_pooler_that_takes_no_options_is_read_in_a_read_only_transaction_all_the_same(
    targets: Callable[[str], Target],
) -> None:
    target = targets("postgresql")
    with pooler(parsed(target.shop.url)) as url, opened(url, target.shop.folder, 10) as database:
        statement = (
            "current_setting('default_transaction_read_only')||current_setting('transaction_read_only')"
        )
        assert database.first(sa.select(sa.text(statement))) == "offon"
        with pytest.raises(ConfigError, match="the query writes"):
            database.first(sa.select(sa.text("bump()")))
    assert target.seen() == target.before


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql+psycopg2://h/d", r"the driver psycopg2 may send several .*use postgresql\+psycopg://"),
        ("mysql+mysqlconnector://h/d", r"the driver mysqlconnector may .*use mysql\+pymysql://"),
    ],
)
def test_a_driver_that_sends_several_statements_is_refused(tmp_path: Path, url: str, says: str) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.write_url(url)
    source = shop.connector(query="SELECT 1 AS id")
    with pytest.raises(ConfigError, match=f"^shop.orders: {says}"):
        source.check(source.stream("orders"))


def test_a_file_of_sqlite_with_a_log_of_changes_keeps_both(tmp_path: Path) -> None:
    """A connection that may write would move the log into the file as it closes."""
    shop = Shop("sqlite", tmp_path, None)
    shop.orders(ROWS[0])
    shop.configure()
    with closing(sqlite3.connect(tmp_path / "shop.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO orders VALUES (2, '2026-03-02 09:30:00+00:00')")
        for name in ("shop.sqlite", "shop.sqlite-wal"):
            (tmp_path / f"{name}.kept").write_bytes((tmp_path / name).read_bytes())
    for name in ("shop.sqlite", "shop.sqlite-wal"):
        (tmp_path / f"{name}.kept").rename(tmp_path / name)
    before = [(tmp_path / name).read_bytes() for name in ("shop.sqlite", "shop.sqlite-wal")]
    assert shop.land().ids == [1, 2]
    assert [(tmp_path / name).read_bytes() for name in ("shop.sqlite", "shop.sqlite-wal")] == before


def test_a_file_of_sqlite_left_in_the_middle_of_a_write_is_told_from_a_query_that_writes(
    tmp_path: Path,
) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.orders(ROWS[0])
    with closing(sqlite3.connect(tmp_path / "shop.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        writer.executemany("INSERT INTO orders VALUES (?, ?)", [(key, "x" * 500) for key in range(3, 300)])
        for name in ("shop.sqlite", "shop.sqlite-journal"):
            (tmp_path / f"{name}.kept").write_bytes((tmp_path / name).read_bytes())
        writer.execute("ROLLBACK")
    for name in ("shop.sqlite", "shop.sqlite-journal"):
        (tmp_path / f"{name}.kept").rename(tmp_path / name)
    with pytest.raises(CxflowError, match="left in the middle of a write"):
        shop.land()


@pytest.mark.parametrize("name", ["a%20b?c#d.sqlite", "ünï code.sqlite"])
def test_the_name_of_a_file_of_sqlite_is_any(tmp_path: Path, name: str) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.orders(*ROWS)
    (tmp_path / "shop.sqlite").rename(tmp_path / name)
    shop.write_url(sa.URL.create("sqlite", database=name).render_as_string())
    assert shop.land().ids == [1, 2]
    shop.write_url(sa.URL.create("sqlite", database=f"file:{name}").render_as_string())
    assert shop.land().ids == [1, 2]


def test_options_of_the_url_do_not_open_duckdb_for_writing(tmp_path: Path) -> None:
    shop = Shop("duckdb", tmp_path, None)
    shop.orders(*ROWS)
    (tmp_path / "orders.csv").write_text("id\n1\n")
    shop.write_url(f"{shop.url}?enable_external_access=true&threads=1")
    assert shop.land(query="SELECT current_setting('threads') AS id").ids == [1]
    with pytest.raises(ConfigError, match="reaches beyond the database file"):
        shop.land(query=f"SELECT * FROM '{tmp_path}/orders.csv'")


def test_duckdb_reads_the_files_of_the_folders_that_a_connection_names_and_no_others(tmp_path: Path) -> None:
    shop = Shop("duckdb", tmp_path, None)
    shop.orders()
    for folder in ("exports", "others"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "events.csv").write_text("id\n1\n1\n2\n")
    grouped = "SELECT id, count(*) AS events FROM read_csv('{}/events*.csv') GROUP BY ALL ORDER BY id"
    allowed = {"folders": ["exports"]}
    landed = shop.land(connection=allowed, query=grouped.format(tmp_path / "exports"))
    assert landed.records == [{"id": 1, "events": 2}, {"id": 2, "events": 1}]
    with pytest.raises(ConfigError, match="reaches beyond the database file"):
        shop.land(connection=allowed, query=grouped.format(tmp_path / "others"))
    with pytest.raises(ConfigError, match=r"calls read_csv\(\).*folders"):
        shop.land(query=grouped.format(tmp_path / "exports"))


def test_folders_are_for_duckdb_alone(tmp_path: Path) -> None:
    shop = Shop("sqlite", tmp_path, None)
    shop.orders()
    with pytest.raises(ConfigError, match="only DuckDB reads files"):
        shop.land(connection={"folders": ["exports"]})
