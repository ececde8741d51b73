"""`cxflow.toml`: what is wrong is named with its place and the nearest valid name, before any reading."""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from cxflow import sources
from cxflow.connect import registry
from cxflow.errors import ConfigError
from cxflow.settings import Connection, Secret, Settings, load
from cxflow.warehouse import transactions

TOKEN = "swordfish-7001"
CALENDAR = "[calendars.support]\ntimezone = 'UTC'\nhours = { monday = ['09:00-17:00'] }\n"
POSTGRESQL = "[warehouse]\nurl = 'postgresql://host/cx'\n"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes the file; `load` reads it."""

    def write(text: str) -> Path:
        (tmp_path / "cxflow.toml").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_an_empty_file_is_a_project_with_defaults(write: Any) -> None:
    settings = load(write(""))
    assert settings.project.timezone == "UTC"
    assert settings.warehouse.url == "duckdb:///warehouse.duckdb"
    assert settings.connections == {}


def test_a_folder_without_the_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no cxflow\.toml in .*cxflow init"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[project\nname = 1", r"is not valid TOML: .*line 1"),
        ('[project]\nname = "a"\nname = "b"\n', r"is not valid TOML: .*line 3"),
        ("[project]\nname = a", r"is not valid TOML"),
        (f"a = {'1' * 5000}", r"is not valid TOML: a number has too many digits"),
    ],
)
def test_a_file_that_is_no_toml_names_the_line(write: Any, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(write(text))


def test_bytes_that_are_no_utf_8_are_no_toml(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_bytes(b'[project]\nname = "caf\xe9"')
    with pytest.raises(ConfigError, match=r"cxflow\.toml is not valid TOML: it is not UTF-8 in line 2"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 5000 + "]" * 5000, "a = " + "{a = " * 60 + "1" + "}" * 60, "a" + ".b" * 3000 + " = 1"],
    ids=["lists", "tables", "a dotted key"],
)
def test_a_file_that_is_nested_too_deep_is_named(write: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=r"cxflow\.toml: tables or lists are nested deeper than 50 levels"):
        load(write(text))


def test_a_huge_file_is_not_read(write: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"cxflow\.toml has 10,000,001 bytes, more than the 10,000,000 allowed"
    ):
        load(write("#" * 10_000_001))
    assert load(write("#" * 1_000_000)).connections == {}


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "cxflow.toml").touch()
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(ConfigError, match=r"cxflow\.toml in .* cannot be read: Permission denied"):
        load(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be read: File name too long"):
        load(tmp_path / ("x" * 300))


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "cxflow.toml").touch()
    with pytest.raises(ConfigError, match="the path of the project's folder is not UTF-8") as caught:
        load(folder)
    str(caught.value).encode()


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_bytes(b'\xef\xbb\xbf[project]\nname = "shop"')
    assert load(tmp_path).project.name == "shop"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[projet]", "projet: unknown setting; did you mean 'project'?"),
        ("[project]\ntimezon = 'UTC'", "project.timezon: unknown setting; did you mean 'timezone'?"),
        ("[project]\nTimeZone = 'UTC'", "project.TimeZone: unknown setting; did you mean 'timezone'?"),
        ("[project]\nxqzw = 1", "project.xqzw: unknown setting"),
        ("[warehouse]\nbusy_timeout = 1", "unknown setting; did you mean 'busy_timeout_seconds'?"),
        (POSTGRESQL + "bi_role = 'cx bi; DROP'", "warehouse.bi_role: String should match pattern"),
        (POSTGRESQL + "bi_role = 'CX_BI'", "warehouse.bi_role: String should match pattern"),
        (POSTGRESQL + f"bi_role = '{'x' * 64}'", "warehouse.bi_role: String should match pattern"),
        ("[airflow]\nreport_url = 'reports.acme.example'", "airflow.report_url: "),
        (
            "[airflow]\nreport_url = 'https://reports.acme.example/#quality'",
            "without credentials and without #",
        ),
        ("[identity.salt]\nenvv = 'X'", "identity.salt.envv: unknown setting; did you mean 'env'?"),
        (
            "[project]\ntimezone = 'Europe/Madird'",
            "unknown time zone 'Europe/Madird'; did you mean 'Europe/Madrid'?",
        ),
        ("[project]\ntimezone = 'CEST+1'", "project.timezone: unknown time zone 'CEST+1'"),
        ("[project]\ntimezone = 3", "project.timezone: Input should be a valid string"),
        ("[project]\ncurrency = 'euro'", "project.currency: String should match pattern"),
        (
            "[project]\ncurrency = 'EUO'",
            "project.currency: unknown currency 'EUO'; did you mean 'EUR'?",
        ),
        ("[kpis.rates]\nUSX = 0.9", "kpis.rates: unknown currency 'USX'"),
        ("[airflow]\nschedule = '0 3 * *'", "airflow.schedule: '0 3 * *' is not a cron expression"),
        ("[airflow]\nschedule = '0 25 * * *'", "the hour runs from 0 to 23, not 25"),
        ("[project]\nname = 'My Shop'", "project.name: String should match pattern"),
        (
            "[quality]\nmax_rejected_share = 5",
            "quality.max_rejected_share: Input should be less than or equal to 1",
        ),
        ("[quality]\nearliest = 'long ago'", "quality.earliest: Input should be a valid date"),
        ("[kpis]\nmin_n = 'ten'", "kpis.min_n: Input should be a valid integer"),
        ("[kpis.rates]\nUSD = 'much'", "kpis.rates.USD: Input should be a valid number"),
        ("[identity]\nstore_values = 'plain'", "identity.store_values: Input should be 'hashed' or 'clear'"),
        (
            "[identity]\nsalt = 'abc'",
            "identity.salt: a secret is not written here; set where it is found: {",
        ),
        ("[identity.salt]", "identity.salt: a secret is found in one place"),
        ("[identity.salt]\nenv = 'A'\nfile = 'b'", "identity.salt: a secret is found in one place"),
        ("[airflow]\nretries = -1", "airflow.retries: Input should be greater than or equal to 0"),
        ("plugins = 'own'", "plugins: Input should be a valid tuple"),
        ("connections = []", "connections: Input should be a valid dictionary"),
        ("[connections]\nshop = 'files'", "connections.shop: Input should be a valid dictionary"),
        ("[connections.'a/b']", "connections: 'a/b' is not a valid name"),
        ("[connections.'..']", "connections: '..' is not a valid name"),
        ("[connections.'a:b']", "connections: 'a:b' is not a valid name"),
        ("[connections.'']", "connections: '' is not a valid name"),
        (
            f"[connections.{'x' * 101}]",
            "connections: 'xxxxxxxxxxxxxxxxxxxx'… has 101 bytes: a name may have at most 100",
        ),
        (f"[connections.'{'é' * 51}']", "has 102 bytes: a name may have at most 100"),
        (
            "[connections.'\u212b']",
            "connections: '\u212b' is not a valid name: some file systems would change it",
        ),
        (f"[project]\nname = '{'x' * 101}'", "project.name: String should have at most 100 characters"),
        ('[landing]\nurl = "a\\u0000b"', "landing.url: a text contains the character NUL"),
        (
            "[kpis]\nservice_level_seconds = nan",
            "kpis.service_level_seconds: Input should be a finite number",
        ),
        ("[warehouse]\nbusy_timeout_seconds = inf", "busy_timeout_seconds: Input should be a finite number"),
        ("[kpis]\nrepeat_contact_days = 1e300", "repeat_contact_days: Input should be less than or equal to"),
        (
            "[airflow]\nretry_delay_seconds = 1e300",
            "retry_delay_seconds: Input should be less than or equal to",
        ),
        (
            "[quality]\nfuture_tolerance_seconds = 1e300",
            "future_tolerance_seconds: Input should be less than",
        ),
        (
            CALENDAR + "[calendars.night]\ntimezone = 'UTC'\nhours = { monday = ['22:00-06:00'] }",
            "calendars.night.hours: monday: 22:00-06:00 ends before it begins",
        ),
        ("[calendars.desk]\ntimezone = 'UTC'", "calendars.desk.hours: this setting is required"),
        (
            CALENDAR + "holiday = ['12-25']",
            "calendars.support.holiday: unknown setting; did you mean 'holidays'?",
        ),
        (
            CALENDAR + "[connections.shop]\ncalendar = 'suport'",
            "connections: shop.calendar: there is no calendar 'suport'; did you mean 'support'?",
        ),
        ("[reasons]\n' ' = 'late'", "reasons: ' ' = 'late': a name is empty"),
        ("[reasons]\nlate = ''", "reasons: 'late' = '': a name is empty"),
        (
            "[reasons]\n'Too late' = 'late'\ntoo-late = 'delay'",
            "reasons: 'too-late': two reasons are kept for it, 'late' and 'delay'",
        ),
        (
            "[reasons]\ntardy = 'late'\nlate = 'delay'",
            "reasons: 'tardy' = 'late': 'late' is not kept itself, but 'delay' for it",
        ),
        (
            "[connections.shop]\ncalendar = 'support'",
            "connections: shop.calendar: there is no calendar 'support'; declare it in [calendars]",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(write: Any, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text))
    assert says in str(caught.value)


def test_the_longest_name_is_taken(write: Any) -> None:
    names = ["x" * 100, "é" * 50, "a-b_1"]
    assert list(load(write("".join(f"[connections.'{name}']\n" for name in names))).connections) == names


def test_a_variable_that_is_no_text_is_named(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXFLOW_TEST_ROOT", os.fsdecode(b"caf\xe9"))
    with pytest.raises(
        ConfigError, match=r"^landing\.url: the environment variable CXFLOW_TEST_ROOT is not UTF-8"
    ):
        load(write("[landing]\nurl = '${CXFLOW_TEST_ROOT}/x'"))


def _refused(*_: object, **__: object) -> str:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("content", [b"\xff\xfe" + TOKEN.encode(), None], ids=["no text", "no right"])
def test_a_secret_that_cannot_be_read_is_named_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content or b"")
    if content is None:
        monkeypatch.setattr(Path, "read_text", _refused)
    with pytest.raises(
        ConfigError, match=r"^identity\.salt: the secret file .*secret cannot be read: "
    ) as caught:
        Secret(file=path).reveal("identity.salt")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_secret_variable_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXFLOW_TEST_SALT", os.fsdecode(b"\xe9"))
    with pytest.raises(
        ConfigError, match=r"^identity\.salt: the environment variable CXFLOW_TEST_SALT is not UTF-8"
    ):
        Secret(env="CXFLOW_TEST_SALT").reveal("identity.salt")


def test_all_that_is_wrong_is_said_at_once(write: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write("[project]\ncurrency = 'euro'\nnam = 'x'\n[kpis]\nmin_n = 0"))
    assert str(caught.value).splitlines()[0] == "cxflow.toml:"
    assert {line.split(":")[0] for line in str(caught.value).splitlines()[1:]} == {
        "project.currency",
        "project.nam",
        "kpis.min_n",
    }


SHOP = """
[connections.shop]
connector = "files"
{connection}

[connections.shop.streams.reviews]
{stream}

[connections.shop.streams.reviews.to.review]
review_id = "id"
date_published = "created"
"""
GOOD = 'path = "none-*.csv"\nprimary_key = ["id"]'


@pytest.mark.parametrize(
    ("connection", "stream", "says"),
    [
        ("", 'primary_key = ["id"]', "connections.shop.streams.reviews.path: this setting is required"),
        ("", 'path = "x.csv"', "connections.shop.streams.reviews.primary_key: this setting is required"),
        ("", GOOD + "\ndelimeter = ';'", "reviews.delimeter: unknown setting; did you mean 'delimiter'?"),
        ("", GOOD + "\ndelimiter = ''", "reviews.delimiter: String should have at least 1 character"),
        ("", GOOD + "\nskip_rows = -1", "reviews.skip_rows: Input should be greater than or equal to 0"),
        ("", GOOD + "\nsettle_seconds = 'soon'", "reviews.settle_seconds: Input should be a valid number"),
        ("", GOOD + "\nformat = 'excel'", "reviews.format: Input should be 'csv', 'tsv'"),
        (
            "",
            GOOD + "\nlook_back = 1e11",
            "reviews.look_back: Input should be less than or equal to 36500 days",
        ),
        ("", GOOD + "\nmay_lack = ['']", "reviews.may_lack: '' is not a valid column name"),
        ("", GOOD + "\nmay_lack = ['a..b']", "reviews.may_lack: 'a..b' is not a valid column name"),
        (
            "",
            GOOD + "\nto.touchpoint = []",
            "reviews.to.touchpoint: the list of mappings for a table is empty",
        ),
        ("", GOOD + "\nlag = 'P101Y'", "reviews.lag: Input should be less than or equal to 36500 days"),
        ("", GOOD + "\nsettle_seconds = inf", "reviews.settle_seconds: Input should be a finite number"),
        (
            "",
            GOOD + "\nsettle_seconds = 1e300",
            "reviews.settle_seconds: Input should be less than or equal to 10000000",
        ),
        (
            "",
            GOOD + "\nskip_rows = 100_000_000",
            "reviews.skip_rows: Input should be less than or equal to 1000000",
        ),
        ("", GOOD + "\nnull_values = []", "reviews.null_values: "),
        ("", GOOD + "\nfields = { id = [1] }", "reviews.fields.id.1: this setting is required"),
        ("rot = 'x'", GOOD, "connections.shop.rot: unknown setting; did you mean 'root'?"),
        ("start = 'soon'", GOOD, "connections.shop.start: Input should be a valid datetime"),
        (
            "only = ['review']",
            GOOD,
            "only names the stream 'review', which is not there; did you mean 'reviews'?",
        ),
        ("timezone = 'Madrid'", GOOD, "connections.shop.timezone: unknown time zone 'Madrid'"),
    ],
)
def test_a_wrong_stream_or_connection_is_named_by_lint(
    write: Any, connection: str, stream: str, says: str
) -> None:
    settings = load(write(SHOP.format(connection=connection, stream=stream)))
    with pytest.raises(ConfigError) as caught:
        sources.lint(settings, "shop")
    assert says in str(caught.value)
    assert str(caught.value).startswith("shop")


def test_variables_of_the_environment_are_filled_in_everywhere(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXFLOW_TEST_ROOT", "/data")
    monkeypatch.setenv("CXFLOW_TEST_DAY", "monday")
    settings = load(
        write(
            SHOP.format(
                connection='root = "${CXFLOW_TEST_ROOT}/in/${CXFLOW_TEST_DAY}"',
                stream='path = ["${CXFLOW_TEST_DAY}.csv", "$5.csv", "${5}"]\nprimary_key = ["id"]',
            )
        )
    )
    table = settings.connections["shop"]
    assert table["root"] == "/data/in/monday"
    assert table["streams"]["reviews"]["path"] == ["monday.csv", "$5.csv", "${5}"]


@pytest.mark.parametrize(
    "text", ['[warehouse]\nurl = "{}"', '[landing]\nurl = "{}"', '[project]\nname = "{}"']
)
def test_a_variable_that_is_not_set_is_named_with_its_place(
    write: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.delenv("CXFLOW_TEST_ROOT", raising=False)
    with pytest.raises(ConfigError) as caught:
        load(write(text.format("${CXFLOW_TEST_ROOT}")))
    table, setting = text[1:].split("]\n")
    assert caught.value.message == (
        f"{table}.{setting.split()[0]}: the environment variable CXFLOW_TEST_ROOT is not set"
    )
    assert caught.value.value == "CXFLOW_TEST_ROOT"


def test_a_connection_needs_its_variables_once_it_is_opened(
    write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXFLOW_TEST_ROOT", raising=False)
    text = SHOP.format(connection='root = "${CXFLOW_TEST_ROOT}"', stream=GOOD)
    settings = load(write(text + SHOP.replace("shop", "other").format(connection="", stream=GOOD)))
    assert set(sources.open_connection(settings, "other").streams) == {"reviews"}
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            sources.open_connection(settings, "shop")
        assert str(caught.value) == (
            "shop: connections.shop.root: the environment variable CXFLOW_TEST_ROOT is not set "
            "(set it for the process that runs cxflow)"
        )
        assert caught.value.value == "CXFLOW_TEST_ROOT"
        caught.value.at(stream="reviews")  # as a caller does: it is no part of the next error
    settings.require_variables("shop", "schedule")
    with pytest.raises(ConfigError, match="CXFLOW_TEST_ROOT is not set"):
        settings.require_variables("shop", "root")


def test_a_secret_is_read_late_from_the_environment(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXFLOW_TEST_TOKEN", raising=False)
    salt = load(write('[identity]\nsalt = { env = "CXFLOW_TEST_TOKEN" }')).identity.salt
    assert salt is not None
    with pytest.raises(ConfigError, match="the environment variable CXFLOW_TEST_TOKEN is not set"):
        salt.reveal()
    monkeypatch.setenv("CXFLOW_TEST_TOKEN", TOKEN)
    assert salt.reveal().get_secret_value() == TOKEN


def test_a_secret_file_is_seen_from_the_projects_folder(
    write: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write('[identity]\nsalt = { file = "secrets/salt" }')
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    salt = load(folder).identity.salt
    assert salt is not None
    with pytest.raises(ConfigError, match=r"there is no secret file .*secrets/salt"):
        salt.reveal()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "salt").write_text(f"{TOKEN}\n")
    assert salt.reveal().get_secret_value() == TOKEN


def test_a_secret_file_of_a_connection_is_seen_from_the_projects_folder(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    connection = 'root = "memory://none"\nstorage_options = { key = { file = "key" } }'
    folder = write(SHOP.format(connection=connection, stream=GOOD))
    (tmp_path / "key").write_text(TOKEN)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    options = registry.open_connection(load(folder), "shop").connection.storage_options  # type: ignore[attr-defined]
    assert options["key"].reveal().get_secret_value() == TOKEN


def _shown(settings: Settings, *more: object) -> str:
    return " ".join(f"{item!r} {item!s}" for item in (settings, settings.warehouse, settings.landing, *more))


def test_no_secret_is_in_what_settings_show_of_themselves(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXFLOW_TEST_TOKEN", TOKEN)
    (tmp_path / "salt").write_text(TOKEN)
    text = (
        '[warehouse]\nurl = "postgresql+psycopg://me:${CXFLOW_TEST_TOKEN}@db/cx"\n'
        '[landing]\nurl = "memory://x"\nstorage_options = { key = "${CXFLOW_TEST_TOKEN}" }\n'
        '[identity]\nsalt = { file = "salt" }\n'
    )
    options = 'root = "memory://x"\nstorage_options = { key = "${CXFLOW_TEST_TOKEN}" }'
    settings = load(write(text + SHOP.format(connection=options, stream=GOOD)))
    connector = registry.open_connection(settings, "shop")
    salt = settings.identity.salt
    assert salt is not None
    assert TOKEN not in _shown(settings, connector.connection, salt, salt.reveal())
    assert TOKEN in pickle.dumps(settings).decode("latin-1"), "it is there, and only not shown"


@pytest.mark.parametrize(
    "text",
    [
        '[identity]\nsalt = "{token}"',
        "[identity]\nsalt = {{ evn = '{token}' }}",
        "[landing.storage_options]\nkey = ['{token}']",
        "[project]\ntoken = '{token}'",
        "[kpis]\nmin_n = '{token}'",
        "[connections]\nshop = '{token}'",
    ],
)
def test_no_error_repeats_a_secret_in_the_wrong_place(write: Any, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(text.format(token=TOKEN)))
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "setting", ["token = '{token}'", "start = '{token}'", "storage_options = {{ k = ['{token}'] }}"]
)
def test_no_error_of_a_connection_repeats_a_secret_in_the_wrong_place(write: Any, setting: str) -> None:
    folder = write(SHOP.format(connection=setting.format(token=TOKEN), stream=GOOD))
    with pytest.raises(ConfigError) as caught:
        registry.open_connection(load(folder), "shop")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("stream", [f"{GOOD}\nskip_rows = '{TOKEN}'", f"{GOOD}\nlook_back = '{TOKEN}'"])
def test_no_error_of_a_stream_repeats_a_secret_in_the_wrong_place(write: Any, stream: str) -> None:
    settings = load(write(SHOP.format(connection="", stream=stream)))
    with pytest.raises(ConfigError) as caught:
        registry.open_connection(settings, "shop")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_settings_cannot_be_changed(write: Any) -> None:
    settings = load(write(""))
    with pytest.raises(ValueError, match="frozen"):
        settings.project.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        Connection(name="a", connector="files").name = "b"


def test_paths_are_seen_from_the_projects_folder(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("")
    monkeypatch.chdir(folder)
    settings = load(Path())
    monkeypatch.chdir(os.sep)
    assert settings.folder == folder.resolve()
    assert settings.path("a/../b") == folder.resolve() / "b"
    assert settings.path("/c") == Path("/c")
    assert transactions.warehouse_url(settings).database == str(folder.resolve() / "warehouse.duckdb")


def test_a_secret_names_one_place() -> None:
    assert Secret(env="A").env == "A"
    for wrong in ({}, {"env": "A", "file": "b"}, {"env": ""}):
        with pytest.raises(ValueError, match="a secret is found in one place"):
            Secret.model_validate(wrong)


def test_names_of_reasons_are_compared_without_case_and_spelling(write: Any) -> None:
    found = load(write("[reasons]\n'Entrega tardía' = 'late'\n'LATE' = 'late'\nlate-delivery = 'late'"))
    assert found.reasons == {"entrega_tardía": "late", "late": "late", "late_delivery": "late"}
