"""A pull that dies is resumed at its last durable page, and its batch is that of an undisturbed one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest
import structlog
from paged_source import (
    NOW,
    PAGES,
    PERSONAL,
    WINDOW,
    Forgetful,
    Paged,
    PagedStream,
    Service,
    connector,
    fails,
    pull,
)

from cxflow.connect.fingerprint import fingerprint
from cxflow.errors import (
    ConfigError,
    CountError,
    FatalError,
    SourceError,
    StaleCheckpointError,
    TransientError,
)
from cxflow.landing import files, partial, zone
from cxflow.landing.keeper import Keeper
from cxflow.model.batch import BatchRef
from cxflow.model.reading import Page
from cxflow.model.window import Window
from cxflow.settings import Secret, Settings, load

ALL = list(range(PAGES))


def project(folder: Path, url: str, seconds: float = 0) -> Settings:
    folder.mkdir(exist_ok=True)
    (folder / "cxflow.toml").write_text(f'[landing]\nurl = "{url}"\ncheckpoint_seconds = {seconds}\n')
    return load(folder)


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A landing zone in a folder that workers share, and one like an object store."""
    yield str(tmp_path / "zone") if request.param == "folder" else "memory://zone/landing"
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]


@pytest.fixture
def settings(tmp_path: Path, url: str) -> Settings:
    return project(tmp_path / "project", url)


def in_zone(settings: Settings) -> list[str]:
    """Every file of the landing zone."""
    file_system, root = zone.storage(settings)
    return sorted(str(path).removeprefix(root) for path in file_system.find(root))


def partials(settings: Settings) -> set[str]:
    """The partial batches in the landing zone."""
    return {path.split("/")[3] for path in in_zone(settings) if ".partial/" in path}


def checkpoint_file(settings: Settings) -> str:
    """The path of the only one."""
    _, root = zone.storage(settings)
    [name] = partials(settings)
    return f"{root}/desk/items/{name}/checkpoint.json"


def content(settings: Settings, batch: BatchRef) -> tuple[Any, ...]:
    """Records and rejects in their order, and what the manifest says apart from when and where it was made."""
    with zone.local_copy(settings, batch.path) as folder, duckdb.connect() as database:
        records = database.execute(
            f"SELECT _row, _payload FROM {files.records_in(folder)} ORDER BY _row"
        ).fetchall()
        rejects = database.execute(
            f"SELECT _row, reason, payload FROM {files.malformed_in(folder)} ORDER BY _row"
        ).fetchall()
    manifest = asdict(zone.read_manifest(settings, batch))
    for name in ("batch_id", "extracted_at", "parts", "resumed_at", "project"):
        manifest.pop(name)
    return records, rejects, manifest


def resumed_at(settings: Settings, batch: BatchRef) -> int:
    return zone.read_manifest(settings, batch).resumed_at


def dies(settings: Settings, page: int, problem: BaseException | None = None, **asked: Any) -> Service:
    """A pull that dies before a page."""
    service = Service(at={page: fails(problem or TransientError("the service is down"))})
    with pytest.raises(type(problem) if problem else TransientError):
        pull(settings, service, **asked)
    return service


@pytest.fixture
def undisturbed(tmp_path: Path) -> tuple[Any, ...]:
    """What a pull without a break lands."""
    settings = project(tmp_path / "undisturbed", "landing", 30)
    found = content(settings, pull(settings, Service()))
    records, rejects, manifest = found
    assert [json.loads(text)["id"] for _, text in records] == list(range(15))
    assert rejects == [(16, "why", "raw 1"), (17, "why", "raw 3")]
    assert (manifest["records"], manifest["malformed"], manifest["counted"]) == (17, 2, 17)
    assert manifest["cursor"] == {"after": "token"}
    return found


@pytest.mark.parametrize("problem", [TransientError("down"), RuntimeError("a defect"), KeyboardInterrupt()])
def test_a_pull_that_died_is_resumed_at_its_last_page(
    settings: Settings, undisturbed: tuple[Any, ...], problem: BaseException
) -> None:
    assert dies(settings, 3, problem).asked == [0, 1, 2]
    assert zone.batches(settings, "desk", "items") == []
    service = Service()
    with structlog.testing.capture_logs() as logs:
        batch = pull(settings, service)
    assert service.asked == [3, 4], "only the rest is asked for"
    assert content(settings, batch) == undisturbed
    assert resumed_at(settings, batch) == 10
    [said] = [each for each in logs if each["event"] == "resumed"]
    assert said == {
        "event": "resumed",
        "log_level": "info",
        "stream": "desk/items",
        "records": 10,
        "window": str(WINDOW),
    }
    assert zone.batches(settings, "desk", "items") == [batch.batch_id]
    assert partials(settings) == set()


@pytest.mark.parametrize("page", ALL)
def test_it_may_die_at_any_page_and_again_at_each(
    settings: Settings, undisturbed: tuple[Any, ...], page: int
) -> None:
    dies(settings, page)
    asked: list[int] = []
    for again in range(page, PAGES):  # each page is given in a run of its own
        service = dies(settings, again + 1) if again + 1 < PAGES else Service()
        if again + 1 == PAGES:
            batch = pull(settings, service)
        asked += service.asked
    assert asked == list(range(page, PAGES))
    assert content(settings, batch) == undisturbed
    assert partials(settings) == set()


def test_a_worker_that_has_lost_its_disk_resumes(
    tmp_path: Path, url: str, undisturbed: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "one"))
    dies(project(tmp_path / "one" / "home", url), 2)
    shutil.rmtree(tmp_path / "one")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "other"))
    settings = project(tmp_path / "other" / "home", url)
    service = Service()
    batch = pull(settings, service, token=Secret(file=tmp_path / "other" / "token"))
    assert service.asked == [2, 3, 4]
    assert content(settings, batch) == undisturbed


def test_two_workers_may_resume_one_pull_at_once(settings: Settings, undisturbed: tuple[Any, ...]) -> None:
    dies(settings, 1)
    first, second = Service(), Service()
    batches: list[BatchRef] = []
    # The second is on its way, with pages of its own kept, when the first begins, ends and tidies up.
    second.at[3] = lambda: batches.append(pull(settings, first))
    batches.append(pull(settings, second))
    assert second.asked == ALL[1:]
    assert first.asked == [3, 4], "it resumes the one with most records"
    assert [content(settings, batch) for batch in batches] == [undisturbed, undisturbed]
    assert partials(settings) == set()


def test_what_is_removed_under_a_pull_is_put_again(settings: Settings) -> None:
    """Whoever resumes it finds all of it."""
    dies(settings, 1)
    other = Service(at={4: fails(TransientError("down"))})
    other.at[2] = lambda: pull(settings, Service())
    with pytest.raises(TransientError):
        pull(settings, other)
    assert other.asked == [1, 2, 3]
    service = Service()
    assert resumed_at(settings, pull(settings, service)) == 14
    assert service.asked == [4]


def test_a_file_that_is_removed_under_a_pull_is_put_again(settings: Settings) -> None:
    file_system, root = zone.storage(settings)

    def removes() -> None:
        [path] = [path for path in in_zone(settings) if path.endswith("part-0000.parquet")]
        file_system.rm_file(root + path)

    service = Service(at={2: removes, 4: fails(TransientError("down"))})
    with pytest.raises(TransientError):
        pull(settings, service)
    service = Service()
    assert resumed_at(settings, pull(settings, service)) == 14


def test_a_checkpoint_before_any_record_counts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(self: Paged, first: int) -> Any:
        for number in range(first, 3):
            self.service.page(number)
            yield Page("/items", NOW, checkpoint={"next": number + 1})
        return {}

    monkeypatch.setattr(Paged, "_pages", empty)
    dies(settings, 2)
    service = Service()
    batch = pull(settings, service)
    assert service.asked == [2]
    assert zone.read_manifest(settings, batch).records == 0


def test_what_is_removed_while_it_is_being_put_is_put_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project(tmp_path / "project", "landing")
    copy = shutil.copyfile
    removed: list[Path] = []

    def removing(source: Any, target: Any, **options: Any) -> Any:
        folder = Path(target).parent
        if folder.name.endswith(".partial") and Path(target).name == "part-0001.parquet" and not removed:
            removed.append(folder)
            shutil.rmtree(folder)
        return copy(source, target, **options)

    monkeypatch.setattr(shutil, "copyfile", removing)
    dies(settings, 2)
    assert removed
    service = Service()
    assert resumed_at(settings, pull(settings, service)) == 7
    assert service.asked == [2, 3, 4]


def test_a_stale_checkpoint_is_dropped_and_the_pull_starts_over_in_the_same_call(
    settings: Settings, undisturbed: tuple[Any, ...]
) -> None:
    dies(settings, 3)
    service = Service(forgets=True)
    later = Window(WINDOW.start, WINDOW.end + timedelta(days=1))
    with structlog.testing.capture_logs() as logs:
        batch = pull(settings, service, window=later)
    assert service.began == [f"resume {WINDOW}", f"read {later}"]
    assert service.asked == ALL
    records, rejects, manifest = content(settings, batch)
    assert (records, rejects) == undisturbed[:2]
    assert manifest["window"] == later.as_json()
    assert {"stale"} == {each["checkpoint"] for each in logs if "checkpoint" in each}
    assert resumed_at(settings, batch) == 0


def test_a_stale_checkpoint_is_not_tried_again_by_the_next_pull(settings: Settings) -> None:
    dies(settings, 3)
    service = Service(forgets=True, at={0: fails(TransientError("down"))})
    with pytest.raises(TransientError, match="down"):
        pull(settings, service)
    service = Service()
    pull(settings, service)
    assert service.asked == ALL
    assert [how.split()[0] for how in service.began] == ["read"]


def test_a_page_that_is_stale_in_a_first_pull_is_a_transient_error(settings: Settings) -> None:
    dies(settings, 2, StaleCheckpointError("the token ran out on the way"))


def _truncate(file_system: Any, folder: str) -> None:
    data = file_system.cat_file(f"{folder}/part-0001.parquet")
    file_system.pipe_file(f"{folder}/part-0001.parquet", data[: len(data) // 2])


def _flip(file_system: Any, folder: str) -> None:
    data = bytearray(file_system.cat_file(f"{folder}/malformed-0000.parquet"))
    data[len(data) // 2] ^= 1
    file_system.pipe_file(f"{folder}/malformed-0000.parquet", bytes(data))


DAMAGES: dict[str, Callable[[Any, str], None]] = {
    "truncated": _truncate,
    "flipped": _flip,
    "missing": lambda file_system, folder: file_system.rm_file(f"{folder}/part-0000.parquet"),
    "garbage": lambda file_system, folder: file_system.pipe_file(f"{folder}/checkpoint.json", b"\xff{"),
    "half": lambda file_system, folder: file_system.pipe_file(
        f"{folder}/checkpoint.json", file_system.cat_file(f"{folder}/checkpoint.json")[:200]
    ),
    "other": lambda file_system, folder: file_system.pipe_file(f"{folder}/checkpoint.json", b"[]"),
    "form": lambda file_system, folder: file_system.pipe_file(f"{folder}/checkpoint.json", b'{"form": 0}'),
    "nothing": lambda file_system, folder: file_system.rm_file(f"{folder}/checkpoint.json"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_kept_and_is_damaged_is_dropped(
    settings: Settings, undisturbed: tuple[Any, ...], damage: str
) -> None:
    dies(settings, 3)
    file_system, _ = zone.storage(settings)
    DAMAGES[damage](file_system, checkpoint_file(settings).rpartition("/")[0])
    service = Service()
    with structlog.testing.capture_logs() as logs:
        batch = pull(settings, service)
    assert service.asked == ALL
    assert content(settings, batch) == undisturbed
    said = any("damaged" in str(each) for each in logs if each["log_level"] == "warning")
    assert said == (damage not in ("nothing", "form")), "what was never finished is no damage"
    assert partials(settings) == set()


def test_the_mapping_may_change_between_a_pull_and_the_next(settings: Settings) -> None:
    dies(settings, 3)
    service = Service()
    pull(settings, service, streams={"items": {"title": "Other", "pii": ["mail"]}})
    assert service.asked == [3, 4]


@pytest.mark.parametrize(
    "declared",
    [
        {"url": "https://other.invalid"},
        {"timezone": "Europe/Madrid"},
        {"streams": {"items": {"path": "/others"}}},
        {"streams": {"items": {"primary_key": ["mail"]}}},
    ],
)
def test_a_pull_is_not_resumed_under_another_declaration(
    settings: Settings, declared: dict[str, Any]
) -> None:
    dies(settings, 3)
    service = Service()
    pull(settings, service, **declared)
    assert service.asked == ALL
    assert partials(settings) == set(), "nor kept any longer"


def test_a_pull_is_not_resumed_by_another_version_of_the_connector(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(settings, 3)
    monkeypatch.setattr(Paged, "version", classmethod(lambda _: "99"))
    service = Service()
    pull(settings, service)
    assert service.asked == ALL
    assert partials(settings) == set()


def test_a_pull_is_resumed_with_the_cursor_with_which_it_began(settings: Settings) -> None:
    cursor = {"after": "an earlier token"}
    dies(settings, 3, cursor=cursor)
    cursor = dict(cursor)
    service = Service(at={3: cursor.clear})  # whatever a connector does with its own
    pull(settings, service, cursor=cursor)
    assert service.began == [f"resume {WINDOW}"]
    assert service.cursors == [{"after": "an earlier token"}]


def test_a_later_end_of_the_window_is_left_to_the_next_run(settings: Settings) -> None:
    dies(settings, 3)
    later = Window(WINDOW.start, WINDOW.end + timedelta(days=1))
    service = Service()
    batch = pull(settings, service, window=later)
    assert service.began == [f"resume {WINDOW}"]
    assert Window.from_json(zone.read_manifest(settings, batch).window) == WINDOW


@pytest.mark.parametrize(
    "asked",
    [
        {"window": Window(WINDOW.start, NOW - timedelta(hours=1))},
        {"window": Window(NOW - timedelta(days=2), NOW)},
        {"window": Window(None, NOW)},
        {"cursor": {"after": "another"}},
    ],
)
def test_another_window_and_another_cursor_start_over(settings: Settings, asked: dict[str, Any]) -> None:
    dies(settings, 3)
    service = Service()
    pull(settings, service, **asked)
    assert service.asked == ALL
    assert partials(settings) == set(), "the stream has moved on"


def test_a_backfill_resumes_a_backfill_of_its_own_window_only(
    settings: Settings, undisturbed: tuple[Any, ...]
) -> None:
    other = Window(NOW - timedelta(days=9), NOW)
    dies(settings, 3, mode="backfill")
    dies(settings, 2, mode="backfill", window=other)
    dies(settings, 4)
    assert len(partials(settings)) == 3

    for window in (
        Window(WINDOW.start, NOW + timedelta(days=1)),
        Window(WINDOW.start, NOW - timedelta(hours=1)),
    ):
        service = Service()
        pull(settings, service, mode="backfill", window=window)
        assert service.asked == ALL
    assert len(partials(settings)) == 3, "those of other windows and of scheduled runs stay"

    service = Service()
    batch = pull(settings, service, mode="backfill")
    assert service.asked == [3, 4]
    assert content(settings, batch)[:2] == undisturbed[:2]
    assert zone.read_manifest(settings, batch).cursor == {}
    service = Service()
    pull(settings, service)
    assert service.asked == [4]
    assert len(partials(settings)) == 1
    service = Service()
    pull(settings, service, mode="backfill", window=other)
    assert service.asked == [2, 3, 4]
    assert partials(settings) == set()


def test_a_backfill_that_nobody_can_resume_any_more_goes_with_the_next_one(settings: Settings) -> None:
    dies(settings, 3, mode="backfill", window=Window(NOW - timedelta(days=9), NOW))
    pull(settings, Service(), mode="backfill", url="https://other.invalid")
    assert partials(settings) == set()


def test_a_dry_run_neither_resumes_nor_keeps(settings: Settings) -> None:
    service = Service()
    pull(settings, service, limit=8)
    assert partials(settings) == set()
    dies(settings, 3)
    before = in_zone(settings)
    service = Service()
    batch = pull(settings, service, limit=5)
    assert service.asked == [0, 1]
    assert [path for path in in_zone(settings) if batch.batch_id not in path] == before


def test_what_was_kept_too_long_ago_is_dropped(settings: Settings) -> None:
    file_system, _ = zone.storage(settings)
    for mode in ("scheduled", "backfill"):
        dies(settings, 3, mode=mode)
        path = checkpoint_file(settings)
        fields = json.loads(file_system.cat_file(path))
        assert datetime.now(UTC) - datetime.fromisoformat(fields["kept_at"]) < timedelta(hours=1)
        fields["kept_at"] = (datetime.now(UTC) - partial.OLDEST - timedelta(hours=1)).isoformat()
        file_system.pipe_file(path, json.dumps(fields).encode())
        service = Service()
        pull(settings, service)
        assert service.asked == ALL
        assert partials(settings) == set(), "a backfill's too, which nobody has asked for again"


def test_a_partial_batch_is_never_read_as_a_batch(settings: Settings) -> None:
    batch = pull(settings, Service())
    dies(settings, 3, cursor={"after": "token"})
    file_system, _ = zone.storage(settings)
    folder = checkpoint_file(settings).rpartition("/")[0]
    file_system.pipe_file(f"{folder}/manifest.json", b"{}")  # whatever lies there
    assert zone.batches(settings, "desk", "items") == [batch.batch_id]


def test_the_names_of_a_batch_in_the_making_are_no_batchs_names(settings: Settings) -> None:
    dies(settings, 3)
    [name] = partials(settings)
    for found in (name, name.removesuffix(".partial")):
        with pytest.raises(SourceError, match="there is no landed batch"):
            zone.read_manifest(settings, BatchRef("desk", "items", found))


def test_what_is_kept_holds_neither_personal_data_nor_a_secret_beside_the_records(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXFLOW_TEST_TOKEN", "hush-hush")
    with structlog.testing.capture_logs() as logs:
        dies(settings, 3, token=Secret(env="CXFLOW_TEST_TOKEN"), url="https://me:hush-hush@service.invalid")
        pull(settings, Service(), token=Secret(env="CXFLOW_TEST_TOKEN"))
    file_system, _ = zone.storage(settings)
    dies(settings, 3)
    text = file_system.cat_file(checkpoint_file(settings)).decode()
    assert PERSONAL not in text
    assert "hush" not in text + repr(logs)
    assert "next" not in repr(logs), "a checkpoint is not logged"
    [kept] = partial.find(settings, _request(settings))
    assert "next" not in repr(kept)
    assert "next" not in repr(Page("/items", NOW, (), (), {"next": 1}))


def test_a_new_password_changes_nothing_of_what_is_asked_for(tmp_path: Path) -> None:
    settings = project(tmp_path / "project", "landing")

    def of(**declared: Any) -> str:
        made = connector(settings, Service(), **declared)
        return fingerprint(made, made.stream("items"))

    assert of(url="https://me:old@service.invalid/x") == of(url="https://me:new@service.invalid/x")
    assert of(url="https://me:old@service.invalid/x") != of(url="https://me:old@service.invalid/y")
    assert of(token=Secret(env="OLD")) == of(token=Secret(file=tmp_path / "new")) == of()


def _request(settings: Settings) -> partial.Request:
    made = connector(settings, Service())
    declared = fingerprint(made, made.stream("items"))
    return partial.Request("desk", "items", "scheduled", WINDOW, {}, made.name, made.version(), declared)


def test_pages_are_made_durable_as_often_as_the_settings_say(tmp_path: Path) -> None:
    settings = project(tmp_path / "project", "landing", 30)
    now = 1000.0
    keeper = Keeper(settings, _request(settings), "batch", clock=lambda: now)
    kept = []
    with zone.writing() as writer:
        for number, moment in enumerate((1010.0, 1029.9, 1030.0, 1031.0, 1059.9, 1060.0, 1100.0)):
            now = moment
            writer.land(Page("/items", NOW, [{"id": number}]))
            keeper.offer(writer, {"next": number + 1})
            found = partial.find(settings, _request(settings))
            kept.append((found[0].records, found[0].checkpoint["next"]) if found else None)
        writer.close()
        assert len(files.parts_in(writer.folder)) == 3, "a part for what came between"
    assert kept == [None, None, (3, 3), (3, 3), (3, 3), (6, 6), (7, 7)]


def test_a_short_pull_keeps_nothing(tmp_path: Path, url: str) -> None:
    settings = project(tmp_path / "project", url, 30)
    service = dies(settings, 3)
    assert service.asked == [0, 1, 2]
    assert in_zone(settings) == []
    assert Settings().landing.checkpoint_seconds == 30


def test_a_connector_without_checkpoints_pays_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks(*_: Any) -> Any:
        raise AssertionError("it looks for partial batches")

    monkeypatch.setattr(partial, "_named", looks)
    monkeypatch.setattr(Paged, "_pages", _without_checkpoints)
    batch = pull(settings, Service(), kind=Forgetful)
    assert len(in_zone(settings)) == 2
    assert zone.batches(settings, "desk", "items") == [batch.batch_id]


def _without_checkpoints(self: Paged, first: int) -> Any:
    records, _ = self.service.page(first)
    yield Page("/items", NOW, records)


@pytest.mark.parametrize("limit", [None, 1])
def test_a_checkpoint_of_a_connector_that_cannot_resume_is_an_error_at_once(
    settings: Settings, limit: int | None
) -> None:
    service = Service(counted=False)
    with pytest.raises(FatalError, match="invented_pages yields checkpoints and has no method `resume`"):
        pull(settings, service, kind=Forgetful, limit=limit)
    assert service.asked == [0]
    assert in_zone(settings) == []


@pytest.mark.parametrize("checkpoint", [{"at": NOW}, {1: 2}, {"x": (1, 2)}, {"x": float("nan")}])
def test_a_checkpoint_that_is_not_json_is_an_error_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, checkpoint: dict[Any, Any]
) -> None:
    monkeypatch.setattr(
        Paged, "_pages", lambda *_: (page for page in [Page("/items", NOW, (), (), checkpoint)])
    )
    with pytest.raises(FatalError, match="a checkpoint that is not JSON"):
        pull(settings, Service())


def test_the_base_class_says_who_cannot_resume(settings: Settings) -> None:
    made = connector(settings, Service(), Forgetful)
    assert not made.can_resume
    assert connector(settings, Service()).can_resume
    with pytest.raises(
        FatalError, match=r"items: the connector invented_pages yields checkpoints and cannot resume"
    ):
        made.resume(PagedStream.model_validate(made.stream("items").model_dump()), WINDOW, {}, {})


def test_counts_that_differ_drop_what_was_kept(settings: Settings) -> None:
    """Or each run would resume to the same end."""
    dies(settings, 3)
    with pytest.raises(CountError, match="holds 19 records by an independent count, and 17 were read"):
        pull(settings, Service(too_many=1))
    assert partials(settings) == set()
    service = Service()
    pull(settings, service)
    assert service.asked == ALL


@pytest.mark.parametrize(
    ("problem", "then"),
    [
        (SourceError("the service does not take the token"), ALL),
        (KeyError("next"), ALL),
        (TransientError("down"), [3, 4]),
        (ConfigError("the token has no right"), [3, 4]),
        (ConnectionResetError(104, "Connection reset by peer"), [3, 4]),
    ],
)
def test_a_pull_that_cannot_be_resumed_is_not_tried_for_ever(
    settings: Settings, problem: Exception, then: list[int]
) -> None:
    dies(settings, 3)
    dies(settings, 3, problem)
    service = Service()
    pull(settings, service)
    assert service.asked == then


def test_a_landing_zone_that_fails_at_a_checkpoint_ends_the_pull_and_the_next_resumes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Keeper._keep

    def refused(self: Keeper, writer: Any, checkpoint: Any) -> None:
        if checkpoint["next"] == 3:
            with zone.reached(settings):
                raise OSError(5, os.strerror(5))
        real(self, writer, checkpoint)

    with monkeypatch.context() as patch:
        patch.setattr(Keeper, "_keep", refused)
        with pytest.raises(TransientError, match=r"the landing zone .* cannot be used: .*Input/output error"):
            pull(settings, Service())
    service = Service()
    pull(settings, service)
    assert service.asked == [2, 3, 4]


def test_what_cannot_be_removed_does_not_fail_a_pull_that_is_committed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, looks = partial._named, []

    def away(*arguments: Any) -> Any:
        looks.append(arguments)
        if len(looks) > 1:
            raise TransientError("away")
        return named(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(partial, "_named", away)
        batch = pull(settings, Service())
    assert zone.batches(settings, "desk", "items") == [batch.batch_id]
    assert len(partials(settings)) == 1
    pull(settings, Service(), cursor={"after": "token"})
    assert partials(settings) == set(), "the next one does it"


def test_a_checkpoint_reaches_the_disk_after_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project(tmp_path / "project", "landing")
    steps: list[str] = []
    sync, rename = os.fsync, Path.rename

    def synced(descriptor: int) -> None:
        steps.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).suffix}")
        sync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        steps.append(f"rename {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    dies(settings, 1)
    assert steps == [
        "sync .parquet",
        "sync .tmp",
        "sync .partial",
        "sync ",
        "rename checkpoint.json",
        "sync .partial",
    ]


def test_on_an_object_store_the_checkpoint_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = project(tmp_path / "project", "memory://zone")
    file_system, _ = zone.storage(settings)
    put: list[str] = []
    for method in ("put_file", "pipe_file"):
        real = getattr(type(file_system), method)

        def putting(
            self: Any, *arguments: Any, _real: Any = real, _at: int = method == "put_file", **options: Any
        ) -> Any:
            put.append(arguments[_at].rpartition("/")[2])
            return _real(self, *arguments, **options)

        monkeypatch.setattr(type(file_system), method, putting)
    dies(settings, 2)
    file_system.store.clear()
    assert [name for name in put if name != ""] == [
        "part-0000.parquet",
        "checkpoint.json",
        "malformed-0000.parquet",
        "part-0001.parquet",
        "checkpoint.json",
    ]
