"""The landing zone: a batch is there whole or not at all, and says what it holds."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import fsspec
import pytest

from cxflow.connect.connector import Connector
from cxflow.connect.extraction import Extraction
from cxflow.errors import ConfigError, FatalError, SourceError, TransientError
from cxflow.extract import extract
from cxflow.landing import derived, files, zone
from cxflow.model.batch import BatchRef
from cxflow.model.reading import Cursor, Page, Query, Reading, pages
from cxflow.model.stream import Stream
from cxflow.model.window import Window
from cxflow.settings import Connection, Settings, load

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=1), NOW)
PERSONAL = "ada@example.org"


class Tickets(Connector):
    """Yields what a test puts into `brings`, and raises what it puts there."""

    name: ClassVar[str] = "invented_tickets"
    title: ClassVar[str] = "Invented tickets"
    declared: ClassVar[tuple[Stream, ...]] = (
        Stream.model_validate(
            {
                "name": "tickets",
                "primary_key": ["id"],
                "to": {
                    "touchpoint": {"activity": "'called_support'", "channel": "'web'", "occurred_at": "at"}
                },
            }
        ),
    )
    page_records: ClassVar[int] = 20_000
    brings: Iterable[Mapping[str, Any] | Exception] = ()

    def read(self, stream: Stream, window: Window, cursor: Cursor | None) -> Reading:
        yield from pages(self._records(), origin="/tickets", received_at=NOW, size=self.page_records)
        return {"after": "token"}

    def _records(self) -> Iterator[Mapping[str, Any]]:
        for item in self.brings:
            if isinstance(item, Exception):
                raise item
            yield item


ZONES = ["landing", "memory://zone/landing"]


@pytest.fixture(params=ZONES)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A project whose landing zone is a folder, and one whose landing zone is like an object store."""
    (tmp_path / "cxflow.toml").write_text(f'[landing]\nurl = "{request.param}"\n')
    yield load(tmp_path)
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def _land(settings: Settings, *brings: Mapping[str, Any] | Exception, mode: str = "scheduled") -> BatchRef:
    connector = Tickets(settings, Connection(name="desk", connector="invented_tickets"))
    connector.brings = brings
    cursor: Cursor | None = {} if mode == "scheduled" else None
    return extract(settings, Extraction(connector, connector.stream("tickets"), WINDOW, cursor, mode))  # type: ignore[arg-type]


def _files(settings: Settings) -> list[str]:
    """Every file of the landing zone, as paths within it."""
    file_system, root = zone.storage(settings)
    return sorted(str(path).removeprefix(root) for path in file_system.find(root))


def _records(settings: Settings, batch: BatchRef) -> list[Any]:
    with zone.local_copy(settings, batch.path) as folder, duckdb.connect() as database:
        relation = files.records_in(folder)
        rows = database.execute(f"SELECT _payload FROM {relation} ORDER BY _row").fetchall()
    return [json.loads(row[0]) for row in rows]


def test_a_batch_is_read_back_as_it_was_landed(settings: Settings) -> None:
    records = [{"id": 9007199254740993, "text": "piñón 😀"}, {"id": 2, "nested": {"a": [1, None]}}]
    batch = _land(settings, *records)
    assert _records(settings, batch) == records
    manifest = zone.read_manifest(settings, batch)
    assert (manifest.records, manifest.malformed, manifest.layout) == (2, 0, "json")
    assert (manifest.connection, manifest.stream, manifest.connector) == (
        "desk",
        "tickets",
        "invented_tickets",
    )
    assert Window.from_json(manifest.window) == WINDOW
    assert manifest.cursor == {"after": "token"}
    assert manifest.raw_columns == {"id": "VARCHAR", "text": "VARCHAR", "nested": {"a": ["VARCHAR"]}}


def test_the_checksums_of_the_manifest_are_those_of_the_parts(settings: Settings) -> None:
    batch = _land(settings, {"id": 1})
    manifest = zone.read_manifest(settings, batch)
    with zone.local_copy(settings, batch.path) as folder:
        parts = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    assert parts
    assert manifest.parts == {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def test_an_exception_while_reading_leaves_nothing(settings: Settings) -> None:
    with pytest.raises(SourceError, match="half way"):
        _land(settings, {"id": 1}, {"id": 2}, SourceError("half way"))
    assert _files(settings) == []
    assert zone.batches(settings, "desk", "tickets") == []


def test_no_scratch_folder_outlives_an_extraction(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    _land(settings, {"id": 1})
    with pytest.raises(ZeroDivisionError):
        _land(settings, {"id": 1}, ZeroDivisionError())
    assert list(scratch.iterdir()) == []


def test_a_copy_that_fails_on_the_way_leaves_no_batch(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the second file; on an object store the manifest goes last, so parts may stay."""

    def copied_once(source: str, target: str, *rest: Any, **options: Any) -> None:
        if done:
            raise OSError(28, "No space left on device")
        done.append(target)
        copy(source, target, *rest, **options)

    done: list[str] = []
    file_system, _ = zone.storage(settings)
    is_local = settings.landing.url == "landing"
    if is_local:
        copy = shutil.move
        monkeypatch.setattr(shutil, "move", copied_once)
    else:
        copy = file_system.put_file
        monkeypatch.setattr(
            type(file_system), "put_file", lambda _, source, target, **__: copied_once(source, target)
        )
    with pytest.raises(OSError, match="No space left"):
        _land(settings, {"id": 1})
    assert done
    assert not [path for path in _files(settings) if path.endswith("manifest.json")]
    if is_local:
        assert _files(settings) == []
    assert zone.batches(settings, "desk", "tickets") == []


def _zone(folder: Path, url: str) -> Settings:
    (folder / "cxflow.toml").write_text(f"[landing]\nurl = '{url}'\n")
    return load(folder)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file", r"the landing zone file cannot be used: File exists: .*/file"),
        ("file/landing", r"the landing zone file/landing cannot be used: Not a directory: .*/file/landing"),
        ("/proc/landing", r"the landing zone /proc/landing cannot be used: No such file or directory"),
        ("loop", r"the landing zone loop cannot be used: File exists: .*/loop"),
        ("x" * 300, r"cannot be used: File name too long"),
        (
            "nonsense://zone",
            r"the landing zone nonsense://zone cannot be opened: Protocol not known: nonsense",
        ),
    ],
)
def test_a_landing_zone_that_cannot_be_made_is_told_before_anything_is_read(
    tmp_path: Path, url: str, says: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    settings = _zone(tmp_path, url)
    with pytest.raises(ConfigError, match=says) as caught:
        _land(settings, AssertionError("it was read"))
    assert caught.value.value == "landing.url"
    assert "correct landing.url" in str(caught.value.fix)


def test_a_landing_zone_that_may_not_be_written_is_told_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match="the landing zone landing cannot be used: no right to write"):
        _land(_zone(tmp_path, "landing"), AssertionError("it was read"))


@pytest.mark.parametrize(("number", "kind"), [(30, ConfigError), (13, ConfigError), (5, TransientError)])
def test_a_landing_zone_that_fails_at_the_end_says_whether_to_try_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), "part-0000.parquet")

    file_system, _ = zone.storage(settings)
    if settings.landing.url == "landing":
        monkeypatch.setattr(shutil, "move", refused)
    else:
        kind = ConfigError if number == 13 else TransientError  # a network's own troubles pass
        monkeypatch.setattr(type(file_system), "put_file", refused)
    with pytest.raises(
        kind, match=f"the landing zone {settings.landing.url} cannot be used: {os.strerror(number)}"
    ):
        _land(settings, {"id": 1})
    assert zone.batches(settings, "desk", "tickets") == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"connection": "desk"}', b'{"a": 1}'])
def test_a_damaged_manifest_is_named(settings: Settings, content: bytes) -> None:
    batch = _land(settings, {"id": 1})
    file_system, root = zone.storage(settings)
    file_system.pipe_file(f"{root}/{batch.path}/manifest.json", content)
    with pytest.raises(SourceError, match=f"the manifest of the landed batch {batch.batch_id} is damaged"):
        zone.read_manifest(settings, batch)


def test_on_an_object_store_the_manifest_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cxflow.toml").write_text('[landing]\nurl = "memory://zone"\n')
    settings = load(tmp_path)
    file_system, _ = zone.storage(settings)
    put: list[str] = []
    real = type(file_system).put_file

    def put_file(self: Any, source: str, target: str, **options: Any) -> None:
        put.append(target.rsplit("/", 1)[-1])
        real(self, source, target, **options)

    monkeypatch.setattr(type(file_system), "put_file", put_file)
    _land(settings, {"id": 1})
    assert put == ["part-0000.parquet", "manifest.json"]


def test_unfinished_batches_are_none(settings: Settings) -> None:
    batch = _land(settings, {"id": 1})
    file_system, root = zone.storage(settings)
    folder = f"{root}/desk/tickets"
    for name in ("20260302T080000000000Z-abc", "20260302T080000000000Z-abd.1234.tmp"):
        file_system.makedirs(f"{folder}/{name}", exist_ok=True)
        file_system.pipe(f"{folder}/{name}/part-0000.parquet", b"half")
    file_system.pipe(f"{folder}/20260302T080000000000Z-abd.1234.tmp/manifest.json", b"{}")
    assert zone.batches(settings, "desk", "tickets") == [batch.batch_id]


def test_what_a_killed_run_was_writing_is_removed_by_the_next(settings: Settings) -> None:
    if settings.landing.url != "landing":
        pytest.skip("on an object store nobody can tell whether a writer lives")
    batch = _land(settings, {"id": 1})
    _, root = zone.storage(settings)
    left = Path(root, "desk", "tickets", f"{batch.batch_id}.prepared.1234.tmp")
    left.mkdir()
    (left / "touchpoint.parquet").write_bytes(b"half")
    again = _land(settings, {"id": 1})
    assert not left.exists()
    assert zone.batches(settings, "desk", "tickets") == [batch.batch_id, again.batch_id]


def test_a_batch_has_its_name_only_once_its_content_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power may fail: a manifest must not outlast the records it speaks of."""
    (tmp_path / "cxflow.toml").write_text("")
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(descriptor: int) -> None:
        steps.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    batch = _land(load(tmp_path), {"id": 1})
    moved = steps.index("rename")
    before, after = steps[:moved], steps[moved + 1 :]
    assert sorted(before[:2]) == ["manifest.json", "part-0000.parquet"]
    assert before[2].startswith(batch.batch_id)
    assert after == ["tickets"]


def test_batches_are_listed_oldest_first_and_by_stream(settings: Settings) -> None:
    made = [_land(settings, {"id": number}).batch_id for number in range(4)]
    assert zone.batches(settings, "desk", "tickets") == made
    assert zone.batches(settings, "desk", "calls") == []
    assert zone.batches(settings, "other", "tickets") == []


def test_a_batch_that_is_not_there_is_an_error_that_says_which(settings: Settings) -> None:
    with pytest.raises(SourceError, match=r"desk\.tickets: there is no landed batch 2026x"):
        zone.read_manifest(settings, BatchRef("desk", "tickets", "2026x"))


def test_a_batch_id_sorts_by_the_time_of_extraction() -> None:
    moments = [NOW + timedelta(microseconds=number * 999_983) for number in range(50)]
    madrid = datetime.fromisoformat("2026-03-02T08:59:59.000001+01:00")
    moments.insert(0, madrid)
    made = [zone.new_batch_id(WINDOW, moment) for moment in moments]
    assert made == sorted(made)
    assert len({zone.new_batch_id(WINDOW, NOW) for _ in range(100)}) == 100


def test_the_manifest_holds_no_personal_data(settings: Settings) -> None:
    batch = _land(settings, {"id": 1, "email": PERSONAL, "name": {"first": "Ada"}})
    file_system, root = zone.storage(settings)
    text = file_system.cat(f"{root}/{batch.path}/manifest.json").decode()
    assert "email" in text
    assert PERSONAL not in text
    assert "Ada" not in text


def test_the_manifest_keeps_the_order_of_the_columns(settings: Settings) -> None:
    batch = _land(settings, {"id": 1, "b": {"z": 1, "a": 2}, "ID": 3, "a": 4})
    columns = zone.read_manifest(settings, batch).raw_columns
    assert list(columns) == ["id", "b", "ID", "a"]
    assert list(columns["b"]) == ["z", "a"]


def test_a_backfill_keeps_no_cursor_in_its_manifest(settings: Settings) -> None:
    assert zone.read_manifest(settings, _land(settings, {"id": 1}, mode="backfill")).cursor == {}


def test_a_connector_that_has_no_record_lands_an_empty_batch(settings: Settings) -> None:
    manifest = zone.read_manifest(settings, _land(settings))
    assert (manifest.records, manifest.parts, manifest.raw_columns) == (0, {}, {})


def test_records_land_page_by_page_and_in_order(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tickets, "page_records", 7)
    records = [{"id": number} for number in range(50)]
    assert _records(settings, _land(settings, *records)) == records


def test_what_json_has_no_form_for_lands_as_text(settings: Settings) -> None:
    record = {
        "id": 1,
        "at": NOW,
        "day": date(2026, 3, 2),
        "amount": Decimal("12345678901234.5678"),
        "rates": [1.5, math.nan, {"worst": -math.inf}],
        "half": "\ud83d!",
    }
    [found] = _records(settings, _land(settings, record))
    assert found == {
        "id": 1,
        "at": "2026-03-02T08:00:00+00:00",
        "day": "2026-03-02",
        "amount": "12345678901234.5678",
        "rates": [1.5, "nan", {"worst": "-inf"}],
        "half": "\ufffd!",
    }


def test_records_and_columns_do_not_land_in_one_batch() -> None:
    with zone.writing() as writer, duckdb.connect() as database:
        writer.land(Page("/tickets", NOW, [{"id": 1}]))
        writer.close()
        with pytest.raises(FatalError, match="both JSON records and columns"):
            writer.land(Query(database, "SELECT 1 AS id, 'f' AS _origin, now() AS _received_at"))


def test_rows_are_numbered_first_the_records_then_what_is_malformed() -> None:
    with zone.writing() as writer, duckdb.connect() as database:
        own = "'f' AS _origin, now() AS _received_at"
        for first in (0, 3):
            writer.land(Query(database, f"SELECT {first} + i AS id, {own} FROM range(3) t(i)"))
            malformed = f"SELECT {own}, 'why' AS reason, 'raw ' || {first} + i AS payload FROM range(2) t(i)"
            writer.land(Query(database, malformed, of_rejects=True))
        nothing = f"SELECT {own}, 'why' AS reason, 'raw' AS payload WHERE false"
        writer.land(Query(database, nothing, of_rejects=True))
        assert (writer.rows, writer.malformed_rows) == (10, 4)
        records = f"SELECT _row, id FROM {files.records_in(writer.folder)}"
        malformed = f"SELECT _row, payload FROM {files.malformed_in(writer.folder)}"
        assert sorted(database.execute(records).fetchall()) == [(row, row - 1) for row in range(1, 7)]
        assert sorted(database.execute(malformed).fetchall()) == [
            (7, "raw 0"),
            (8, "raw 1"),
            (9, "raw 3"),
            (10, "raw 4"),
        ]


def test_a_long_part_keeps_the_order_of_its_records() -> None:
    with zone.writing() as writer, duckdb.connect() as database:
        own = "'f' AS _origin, now() AS _received_at"
        writer.land(Query(database, f"SELECT i AS id, {own} FROM range(300000) t(i)"))
        relation = files.records_in(writer.folder)
        moved = database.execute(f"SELECT count(*) FROM {relation} WHERE _row <> id + 1").fetchone()
    assert moved == (0,)


def test_some_records_of_a_batch_land_again_for_a_replay(settings: Settings) -> None:
    batch = _land(settings, *({"id": number} for number in range(10, 20)))
    (again,) = derived.compose(settings, {batch: [2, 9]}, "replay")
    assert _records(settings, again) == [{"id": 11}, {"id": 18}]
    manifest = zone.read_manifest(settings, again)
    assert (manifest.records, manifest.mode, manifest.cursor) == (2, "replay", {})
    assert set(manifest.parts) == {"part-0000.parquet"}
    assert again.batch_id > batch.batch_id
    assert manifest.sources == [batch.batch_id]


def test_records_of_several_batches_are_composed_with_their_places(settings: Settings) -> None:
    one, other = _land(settings, {"id": 1}, {"id": 2}), _land(settings, {"id": 3, "more": "x"})
    (all_of_them,) = derived.compose(settings, {one: None, other: None}, "remap")
    manifest = zone.read_manifest(settings, all_of_them)
    with zone.local_copy(settings, all_of_them.path) as folder, duckdb.connect() as database:
        relation = derived.records_in(folder, manifest)
        rows = database.execute(
            f"SELECT _row, _landed_batch, _landed_row FROM {relation} ORDER BY 1"
        ).fetchall()
    assert rows == [(1, one.batch_id, 1), (2, one.batch_id, 2), (3, other.batch_id, 1)]
    assert sorted(manifest.raw_columns) == ["id", "more"]


def test_a_batch_put_again_replaces_itself(settings: Settings) -> None:
    batch = _land(settings, {"id": 1})
    with zone.local_copy(settings, batch.path) as folder:
        zone.put_folder(settings, folder, f"{batch.path}", last=zone.MANIFEST)
    assert _records(settings, batch) == [{"id": 1}]
    assert len(_files(settings)) == 2


@pytest.mark.parametrize("name", ["a [1]", "it's", "plain"])
def test_a_landing_zone_may_lie_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "cxflow.toml").write_text("")
    settings = load(tmp_path / name)
    batch = _land(settings, {"id": 1}, {"id": 2})
    assert zone.batches(settings, "desk", "tickets") == [batch.batch_id]
    assert zone.read_manifest(settings, derived.compose(settings, {batch: [2]}, "replay")[0]).records == 1
    assert _records(settings, batch) == [{"id": 1}, {"id": 2}]


def test_the_options_of_a_landing_zone_may_be_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cxflow.toml").write_text(
        '[landing]\nurl = "memory://zone"\n'
        'storage_options = { key = { env = "CXFLOW_TEST_KEY" }, anon = false }\n'
    )
    settings = load(tmp_path)
    with pytest.raises(ConfigError, match="environment variable CXFLOW_TEST_KEY is not set"):
        zone.storage(settings)
    monkeypatch.setenv("CXFLOW_TEST_KEY", "hush-hush")
    file_system, _ = zone.storage(settings)
    assert file_system.storage_options == {"key": "hush-hush", "anon": False}
    assert "hush-hush" not in repr(settings)
