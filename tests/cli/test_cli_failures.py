"""Errors: where they go, what they say, and the exit code of each class."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
import typer
from cli_runner import cxflow, edit
from typer.testing import CliRunner

from cxflow import errors
from cxflow.cli import failures
from cxflow.cli.call import Call, command
from cxflow.duck import workbench
from cxflow.settings import Secret

CODES = [
    (errors.TransientError, 75),
    (errors.WarehouseBusyError, 75),
    (errors.StaleCheckpointError, 75),
    (errors.FatalError, 70),
    (errors.ConfigError, 78),
    (errors.JobRunningError, 75),
    (errors.SourceError, 66),
    (errors.GateClosedError, 65),
    (errors.AccountingError, 70),
    (errors.CountError, 65),
    (errors.SchemaError, 78),
    (errors.UnexpectedError, 70),
]


def app_that_raises(*problems: BaseException) -> typer.Typer:
    """An app with one command, which reports all problems but the last and raises that."""
    app = typer.Typer()

    @command(app)
    def act(call: Call) -> None:
        for problem in problems[:-1]:
            call.fail(problem)
        raise problems[-1]

    return app


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_each_class_has_its_exit_code(kind: type[errors.CxflowError], code: int) -> None:
    problem = kind("it broke", connection="shop", stream="reviews", fix="mend it")
    result = CliRunner().invoke(app_that_raises(problem))
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("error: shop.reviews: it broke\nfix: mend it\n")
    assert ("Traceback" in result.stderr) == (kind is errors.UnexpectedError)


def test_every_class_is_tested() -> None:
    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(each) for each in kind.__subclasses__()))

    told = below(errors.CxflowError) - {errors.CxflowError}
    assert {kind for kind in told if kind.__module__ == "cxflow.errors"} == {kind for kind, _ in CODES}


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ((errors.TransientError, errors.ConfigError), 78),
        ((errors.SourceError, errors.TransientError), 66),
        ((errors.GateClosedError, errors.SourceError), 66),
        ((errors.ConfigError, errors.AccountingError), 70),
        ((errors.TransientError, errors.TransientError), 75),
    ],
)
def test_the_worst_of_several_gives_the_code(kinds: tuple[type[errors.CxflowError], ...], code: int) -> None:
    result = CliRunner().invoke(app_that_raises(*(kind("it broke") for kind in kinds)))
    assert result.exit_code == code
    assert result.stderr.count("error: it broke") == len(kinds)


def test_an_unknown_exception_gives_a_traceback_and_70_and_its_words_only_when_asked() -> None:
    app = app_that_raises(ValueError("of maria@example.org"))
    result = CliRunner().invoke(app)
    assert result.exit_code == failures.UNKNOWN == 70
    assert "error: ValueError at test_cli_failures.py:" in result.stderr
    assert "Traceback" in result.stderr
    assert "maria" not in result.stderr
    assert "maria" in CliRunner().invoke(app, ["--verbose"]).stderr


@pytest.mark.parametrize("option", ["--quiet", "--json", "--verbose"])
def test_no_error_and_no_log_says_a_secret(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXFLOW_TEST_TOKEN", "canary /token")
    app = typer.Typer()

    @command(app)
    def act(call: Call) -> None:
        secret = Secret(env="CXFLOW_TEST_TOKEN").reveal().get_secret_value()
        url = f"https://desk.test/?token={quote(secret, safe='')}"
        logging.getLogger("urllib3").warning("retrying %s after %s", url, ValueError(secret))
        structlog.get_logger("desk").warning("asking", url=url)
        try:
            raise OSError(f"no answer from {url}")
        except OSError as problem:
            raise errors.SourceError(f"away: {problem}", fix=f"try {url}") from problem

    result = CliRunner().invoke(app, [option])
    assert "away: no answer from https://desk.test/?token=***" in result.stderr
    assert "asking" in result.stderr
    assert "canary" not in result.stderr


def test_a_known_error_gives_a_traceback_only_when_asked() -> None:
    app = app_that_raises(errors.ConfigError("it broke"))
    assert "Traceback" not in CliRunner().invoke(app).stderr
    assert "Traceback" in CliRunner().invoke(app, ["--verbose"]).stderr


def test_an_interruption_ends_with_130() -> None:
    assert CliRunner().invoke(app_that_raises(KeyboardInterrupt())).exit_code == 130


def test_errors_are_json_on_request() -> None:
    problem = errors.SourceError("it broke", connection="shop", value="a.csv", fix="mend it")
    result = CliRunner().invoke(app_that_raises(problem, ValueError("oops")), ["--json"])
    assert result.stdout == ""
    first, second = map(json.loads, result.stderr.splitlines())
    assert first == {
        "error": "SourceError",
        "connection": "shop",
        "stream": None,
        "message": "it broke",
        "value": "a.csv",
        "fix": "mend it",
        "exit_code": 66,
    }
    assert (second["error"], second["exit_code"]) == ("UnexpectedError", 70)
    assert "Traceback" in second["traceback"]


FAULTS = {
    "bad TOML": ("[project]", "[project", 78, "cxflow.toml is not valid TOML"),
    "unknown connector": ('connector = "files"', 'connector = "fils"', 78, "did you mean 'files'?"),
    "misspelt setting": ("primary_key", "primry_key", 78, "unknown setting; did you mean 'primary_key'?"),
    "misspelt project setting": ("currency =", "curency =", 78, "did you mean 'currency'?"),
    "unknown zone": (
        'timezone = "UTC"       # of',
        'timezone = "Europe/Madird"  # of',
        78,
        "'Europe/Madrid'",
    ),
    "unknown table": ("to.survey_response", "to.survey_respons", 78, "did you mean 'survey_response'?"),
    "unknown column": ("rating_value", "rating_valu", 78, "did you mean 'rating_value'?"),
    "no SQL": ('"score"', '"score +"', 78, "'score +' does not parse"),
    "unknown owner of an identifier": ("{ email =", '{ "crm.id" =', 78, "a connection 'crm', which is not"),
    "no time format": (
        'primary_key = ["response_id"]',
        'primary_key = ["response_id"]\ntime_formats = ["%Q"]',
        78,
        "time_formats: '%Q' is not a strptime format",
    ),
    "identifier of nobody": ("{ email =", '{ "" =', 78, "'' is not a valid namespace for an identifier"),
    "missing file": ("exports/*.csv", "elsewhere/*.csv", 66, "no file matches"),
    "unset variable": ("exports/*.csv", "${CXFLOW_TEST_UNSET}/*.csv", 78, "CXFLOW_TEST_UNSET is not set"),
}


def test_a_machine_without_a_folder_for_temporary_files_says_so(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp', '/var/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    answer = cxflow("run", "--no-kpis", project=fresh)
    assert answer.code == 78
    assert "no folder for temporary files can be written\nfix: set TMPDIR to one that can" in answer.err


@pytest.mark.parametrize("limit", ["lots", "0MB", "-1GB", "1", ""])
def test_a_memory_limit_that_is_none_is_told(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("CXFLOW_MEMORY_LIMIT", limit)
    answer = cxflow("run", "--no-kpis", project=fresh)
    assert answer.code == 78
    assert f"the environment variable CXFLOW_MEMORY_LIMIT is not an amount of memory: {limit!r}" in answer.err


@pytest.mark.parametrize("limit", ["0.5GB", " 512 MiB", "400mb"])
def test_an_amount_of_memory_may_be_written_as_duckdb_takes_it(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("CXFLOW_MEMORY_LIMIT", limit)
    with workbench() as database:
        assert database.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--until", "0001-01-01"),
        ("run", "--until", "9999-12-31"),
        ("backfill", "--from", "0001-01-01T00:00:00+14:00", "--to", "2026-01-01"),
        ("run", os.fsdecode(b"\xe9")),
        ("quarantine", "list", "--connection", os.fsdecode(b"\xe9")),
        ("init", os.fsdecode(b"\xe9")),
        ("init", "/proc/nowhere"),
        ("init", "cxflow.toml"),
        ("init", "x" * 300),
        ("demo", "/proc/nowhere"),
        ("sandbox", "/proc/nowhere"),
    ],
    ids=ascii,
)
def test_an_argument_that_will_not_do_is_a_fault_of_the_configuration(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(fresh)
    answer = cxflow(*arguments)
    assert answer.code == 78, answer.err
    answer.err.encode()
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"]])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_before_anything_is_read(fresh: Path, fault: str, command: list[str]) -> None:
    old, new, code, message = FAULTS[fault]
    edit(fresh, old, new)
    answer = cxflow(*command, project=fresh)
    assert answer.code == code
    assert message in answer.err
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err
    assert not (fresh / "landing").exists()


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault[2] == 78])
def test_lint_tells_it_too(fresh: Path, fault: str) -> None:
    old, new, code, message = FAULTS[fault]
    edit(fresh, old, new)
    answer = cxflow("lint", "--json", project=fresh)
    assert answer.code == code
    assert message in "".join(error["message"] for error in answer.errors)
    assert not (fresh / "warehouse.duckdb").exists()


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ("[connections.surveys]", "[identity]\nsalt = {}\n\n[connections.surveys]", "identity.salt"),
        ('connector = "files"', 'connector = "files"\nstorage_options.key = {}', "storage_options.key"),
        (
            "[connections.surveys]",
            '[landing]\nurl = "memory://x"\nstorage_options.key = {}\n\n[connections.surveys]',
            "landing.storage_options.key",
        ),
    ],
)
def test_a_secret_that_is_not_set_is_told_with_its_setting_before_anything_is_read(
    fresh: Path, old: str, new: str, setting: str
) -> None:
    edit(fresh, old, new.replace("{}", '{ env = "CXFLOW_TEST_UNSET" }'))
    answer = cxflow("run", project=fresh)
    assert answer.code == 78
    assert (
        f"error: surveys.answers: {setting}: the environment variable CXFLOW_TEST_UNSET is not set\nfix: "
        in answer.err
    )
    assert not (fresh / "landing").exists()


def test_lint_tells_every_fault_and_not_only_the_first(fresh: Path) -> None:
    edit(fresh, '"score"', '"score +"')
    path = fresh / "cxflow.toml"
    other = path.read_text().split("[connections.surveys.streams.answers]")[1]
    streams = "[connections.surveys.streams.others]" + other.replace("streams.answers", "streams.others")
    path.write_text(path.read_text() + streams + '\n[connections.elsewhere]\nconnector = "none"\n')
    answer = cxflow("lint", "--json", project=fresh)
    assert answer.code == 78
    assert [(error["connection"], error["stream"]) for error in answer.errors] == [
        ("surveys", "answers"),
        ("surveys", "others"),
        ("elsewhere", None),
    ]
    assert answer.json == {
        "ok": False,
        "checked": [],
        "outdated": {},
        "remarks": {},
        "unused_templates": [],
    }


def test_without_a_project_init_is_named(tmp_path: Path) -> None:
    answer = cxflow("run", project=tmp_path)
    assert answer.code == 78
    assert "there is no cxflow.toml" in answer.err
    assert "fix: create one with `cxflow init`" in answer.err


@pytest.mark.parametrize("asked", [["status"], ["kpis"], ["quarantine", "list"], ["state", "list"]])
def test_looking_into_an_empty_project_makes_nothing(fresh: Path, asked: list[str]) -> None:
    answer = cxflow(*asked, project=fresh)
    assert answer.code == 78
    assert "the warehouse has no tables yet" in answer.err
    assert not (fresh / "warehouse.duckdb").exists()


def test_a_warehouse_out_of_reach_is_told_before_anything_is_read(fresh: Path) -> None:
    with (fresh / "cxflow.toml").open("a") as file:
        file.write('\n[warehouse]\nurl = "postgresql://cx@127.0.0.1:1/cx"\n')
    answer = cxflow("run", project=fresh)
    assert answer.code == 75
    assert (
        answer.err == "error: the warehouse cannot be reached\nfix: is the server up, and the host right?\n"
    )
    assert not (fresh / "landing").exists()
