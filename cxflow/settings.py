"""`cxflow.toml` as one frozen tree, each field with its unit.

`load` is called by the command line and by Airflow tasks. Paths and database files are relative to the
project's folder. `${NAME}` in any text is replaced from the environment. Secrets are never written in the
file: `{ env = "NAME" }` or `{ file = "path" }` says where one is found when it is needed.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cxflow import redaction
from cxflow.errors import ConfigError
from cxflow.model.currencies import known_currency
from cxflow.model.names import LONGEST_NAME_BYTES, known_zone, plain_name
from cxflow.model.names import nearest as nearest  # part of what this module offers
from cxflow.model.schedule import known_schedule
from cxflow.model.stream import LONGEST

FILE_NAME = "cxflow.toml"
LARGEST_FILE_BYTES = 10_000_000
"""More than a thousand streams take."""
DEEPEST_TABLE = 50
"""How many tables and lists may stand in one another: several times what any setting needs."""


class _Frozen(BaseModel):
    # A value may be a secret in the wrong place: no message repeats it.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


class Secret(_Frozen):
    """Where a secret is found: an environment variable or a file. Its value is read late and never shown."""

    env: str | None = None
    file: Path | None = None
    """Seen from the project's folder."""

    @field_validator("file")
    @classmethod
    def _in_project(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        folder = (info.context or {}).get("folder")
        return folder / file if file is not None and folder is not None else file

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if bool(self.env) == bool(self.file):
            raise ValueError('a secret is found at one place: { env = "NAME" } or { file = "path" }')
        return self

    def reveal(self, setting: str = "") -> SecretStr:
        """The secret itself. Raises ConfigError where it is not there, for the sake of a `setting`."""
        where = f"{setting}: " if setting else ""
        if self.env:
            if self.env not in os.environ:
                raise ConfigError(
                    f"{where}the environment variable {self.env} is not set",
                    value=self.env,
                    fix="set it where cxflow runs",
                )
            if not _is_text(os.environ[self.env]):
                raise ConfigError(f"{where}the environment variable {self.env} is not UTF-8", value=self.env)
            return _kept(os.environ[self.env])
        assert self.file is not None
        if not self.file.is_file():
            raise ConfigError(
                f"{where}there is no secret file {self.file}",
                value=str(self.file),
                fix="put the secret there, and nothing else",
            )
        try:
            return _kept(self.file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeError) as problem:
            said = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
            # Python's own words about bytes that are no text quote some of them.
            raise ConfigError(
                f"{where}the secret file {self.file} cannot be read: {said}", value=str(self.file)
            ) from None


def _kept(secret: str) -> SecretStr:
    redaction.remember(secret)
    return SecretStr(secret)


class Project(_Frozen):
    """What the project is about."""

    name: str = Field(default="cxflow", pattern=r"^[a-z][a-z0-9_-]*$", max_length=LONGEST_NAME_BYTES)
    timezone: str = "UTC"
    """IANA name of the zone in which the days, weeks, months, quarters and years of KPIs begin."""
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    """ISO 4217: amounts without a currency, and the currency of money KPIs."""
    country: str = Field(default="US", pattern=r"^[A-Z]{2}$")
    """ISO 3166-1 alpha-2: where telephone numbers without a country code belong."""

    _zone = field_validator("timezone")(known_zone)
    _currency = field_validator("currency")(known_currency)


class Warehouse(_Frozen):
    """Where touchpoints live."""

    url: str = Field(default="duckdb:///warehouse.duckdb", repr=False)
    """A SQLAlchemy URL without password."""
    password: Secret | None = None
    """Where the password of a PostgreSQL warehouse is found."""
    busy_timeout_seconds: float = Field(default=60, ge=0)
    """How long a connection waits for a DuckDB file that another process holds."""
    lock_timeout_seconds: float = Field(default=300, ge=0.001, le=2_000_000)
    """PostgreSQL: how long a step waits for a lock, such as that of a running load or KPI computation, before it fails
    with an error that names the session that holds it."""
    bi_role: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """PostgreSQL: a role that may read the views and nothing else, made where it is not there; unset: none."""

    @model_validator(mode="after")
    def _can_have_roles(self) -> Warehouse:
        if self.bi_role is None:
            return self
        if self.url.startswith("duckdb"):
            raise ValueError("a DuckDB file has no roles: bi_role is for PostgreSQL")
        if self.bi_role.startswith("pg_") or self.bi_role in ("public", "none"):
            raise ValueError(f"bi_role cannot be {self.bi_role!r}: PostgreSQL keeps that name for itself")
        return self


class Landing(_Frozen):
    """Where raw batches are kept."""

    url: str = Field(default="landing", min_length=1)
    """A folder, or any fsspec URL."""
    storage_options: dict[str, Secret | str | int | bool] = Field(default_factory=dict, repr=False)
    """What fsspec needs to open it."""
    checkpoint_seconds: float = Field(default=30, ge=0, le=LONGEST.total_seconds())
    """How often a long pull makes its pages durable, where its connector yields checkpoints: the next run resumes
    there. 0: at each checkpoint."""


class Quality(_Frozen):
    """When a batch is stopped."""

    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """A batch with a larger share of rejected records is stopped: 0 to 1."""
    min_records: int = Field(default=100, ge=0)
    """Batches smaller than this are never stopped for their share: one bad record in three is no alarm."""
    earliest: date = date(1990, 1, 1)
    """Events dated before this day are implausible (a clock that was reset, an empty field read as zero)."""
    future_tolerance_seconds: float = Field(default=86400, ge=0, le=LONGEST.total_seconds())
    """How far ahead of the moment of extraction an event may be dated."""


class Identity(_Frozen):
    """How identifiers become customers."""

    salt: Secret | None = None
    """Keyed into the hashes of identifiers; without it they can be guessed by hashing known addresses."""
    store_values: Literal["hashed", "clear"] = "hashed"
    """What customer_identity holds."""
    ignore: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Namespace to values that name nobody: the switchboard's number, noreply addresses."""
    max_identifiers: int = Field(default=50, ge=2)
    """An identifier met beside more than this many others of one namespace is shared: it links nobody."""


class Kpis(_Frozen):
    """Thresholds and limits of the KPIs."""

    min_n: int = Field(default=10, ge=1)
    """Values from fewer observations are suppressed: stored without value and interval."""
    service_level_seconds: float = Field(default=20, gt=0)
    repeat_contact_days: float = Field(default=7, gt=0, le=LONGEST.days)
    rates: dict[str, float] = Field(default_factory=dict)
    """Currency code to units of the project's currency for one unit of it."""
    dimensions: tuple[str, ...] = ("channel", "source", "segment")
    """What each KPI is sliced by, if its fact offers it: channel, source, segment, agent, queue, reason, …"""
    dimensions_of: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """KPI to what it is sliced by instead."""
    max_values: int = Field(default=50, ge=1)
    """Of a dimension with more values, those with the most observations keep their name, the rest is `(other)`."""

    @field_validator("rates")
    @classmethod
    def _currencies(cls, rates: dict[str, float]) -> dict[str, float]:
        for code in rates:
            known_currency(code)
        return rates


class Airflow(_Frozen):
    """How the DAGs run."""

    schedule: str = "0 3 * * *"
    """Cron expression, in the project's time zone."""
    start: datetime | None = None
    """First data interval of scheduled runs."""
    retries: int = Field(default=3, ge=0)
    """Tries again after a transient error."""
    retry_delay_seconds: float = Field(default=300, gt=0, le=LONGEST.total_seconds())

    _cron = field_validator("schedule")(known_schedule)


def _plain_names(tables: dict[str, Any]) -> dict[str, Any]:
    """Names of connections and streams stand in ids and in paths of the landing zone."""
    for name in tables:
        plain_name(name)
    return tables


class Connection(BaseModel):
    """One configured instance of a connector. Connectors extend this model with settings of their own."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    name: str = ""
    """Filled from the table's name in TOML; the source system in the warehouse."""
    connector: str
    """Which connector reads it."""
    timezone: str | None = None
    """IANA name of the zone of times without one; unset: such times are an error of the mapping."""
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    """ISO 3166-1 alpha-2, for telephone numbers; unset: the project's."""
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    """ISO 4217, for amounts without one; unset: the project's."""
    start: datetime | None = None
    """Where scheduled runs begin when there is no cursor yet, in the project's time zone where it says none;
    unset: the source's beginning."""
    schedule: str | None = None
    """Cron expression of its DAG; unset: the project's."""
    only: tuple[str, ...] = ()
    """Which of its streams to read; unset: all of them."""
    streams: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Stream name to its declaration, or to what it changes of the connector's own. Each is checked by the
    connector's stream model."""

    _zone = field_validator("timezone")(known_zone)
    _currency = field_validator("currency")(known_currency)
    _cron = field_validator("schedule")(known_schedule)
    _names = field_validator("streams")(_plain_names)


class Settings(_Frozen):
    """The whole of `cxflow.toml`."""

    project: Project = Project()
    warehouse: Warehouse = Warehouse()
    landing: Landing = Landing()
    quality: Quality = Quality()
    identity: Identity = Identity()
    kpis: Kpis = Kpis()
    airflow: Airflow = Airflow()
    plugins: tuple[str, ...] = ()
    """Modules to load as plugins beside the installed ones: a project's own connectors and KPIs."""
    connections: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """Each is checked by the model of its connector (`connect.registry.connection`)."""

    _folder: Path = PrivateAttr(default=Path())
    _names = field_validator("connections")(_plain_names)

    @property
    def folder(self) -> Path:
        """The project's folder, absolute."""
        return self._folder

    def path(self, relative: str | Path) -> Path:
        """A path of the configuration, seen from the project's folder."""
        return Path(os.path.realpath(self._folder / relative))  # a loop of links is told where it is used


_TOO_DEEP = f"tables or lists are nested deeper than {DEEPEST_TABLE} levels"


def _expand(value: Any, where: str, depth: int = 0) -> Any:
    """`${NAME}` in every text of a TOML tree, from the environment."""
    if depth > DEEPEST_TABLE:
        raise ConfigError(f"{FILE_NAME}: {_TOO_DEEP}", value=where[:100])
    if isinstance(value, str):

        def of_environment(match: re.Match[str]) -> str:
            name = match[1]
            if name not in os.environ:
                raise ConfigError(f"{where}: the environment variable {name} is not set", value=name)
            found = os.environ[name]
            if not _is_text(found):
                raise ConfigError(f"{where}: the environment variable {name} is not UTF-8", value=name)
            return found

        if not _is_text(value):
            raise ConfigError(f"{where}: a text holds the character NUL", value=where)
        return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", of_environment, value)
    if isinstance(value, dict):
        return {
            key: _expand(item, f"{where}.{key}" if where else key, depth + 1) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_expand(item, where, depth + 1) for item in value]
    return value


def _is_text(value: str) -> bool:
    """Whether databases and file systems take it."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def explain(problem: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """What is wrong with a configuration, a line per field, with the nearest valid name of a misspelt one."""
    lines = []
    for error in problem.errors():
        place = ".".join(str(part) for part in error["loc"])
        where = ".".join(part for part in (prefix, place) if part)
        if error["type"] == "extra_forbidden":
            hint = nearest(str(error["loc"][-1]), _fields_at(model, error["loc"][:-1]))
            lines.append(f"{where}: unknown setting{hint}")
        elif error["type"] == "missing":
            lines.append(f"{where}: this setting is required")
        else:
            lines.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The names of the fields of the model that stands at a path inside another."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = current.model_fields[str(part)].annotation
        while not isinstance(current, type):
            inner = [item for item in getattr(current, "__args__", ()) if item is not type(None)]
            models = [item for item in inner if _holds_model(item)]
            if not models:
                return []
            current = models[0]
        if isinstance(current, type) and hasattr(current, "__args__"):
            current = next((item for item in current.__args__ if _holds_model(item)), current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _holds_model(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(_holds_model(item) for item in getattr(annotation, "__args__", ()))


def load(folder: Path) -> Settings:
    """Read and check the project's `cxflow.toml`.

    Raises ConfigError that names each setting at fault, and the nearest valid name of a misspelt one.
    Connections are checked here in their general form only; their connectors check the rest.
    """
    try:
        tree = _parsed(folder / FILE_NAME)
        home = folder.resolve()
    except OSError as problem:
        raise ConfigError(f"{FILE_NAME} in {folder} cannot be read: {problem.strerror}") from problem
    if not _is_text(str(home)):
        raise ConfigError(f"the path of the project's folder is not UTF-8: {str(home)!r}", fix="rename it")
    try:
        settings = Settings.model_validate(_expand(tree, ""), context={"folder": home})
    except ValidationError as problem:
        raise ConfigError(f"{FILE_NAME}:\n{explain(problem, Settings)}") from problem
    settings._folder = home
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    """The file's tree. Raises ConfigError for one that is no TOML, and OSError."""
    if not path.is_file():
        raise ConfigError(f"there is no {FILE_NAME} in {path.parent}", fix="`cxflow init` makes one")
    if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
        raise ConfigError(
            f"{FILE_NAME} has {size:,} bytes: at most {LARGEST_FILE_BYTES:,} are read", value=str(path)
        )
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise ConfigError(
            f"{FILE_NAME} is not valid TOML: it is not UTF-8 in line {line}", value=str(path)
        ) from problem
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{FILE_NAME} is not valid TOML: {problem}", value=str(path)) from problem
    except ValueError as problem:  # Python's own, which names no line
        raise ConfigError(
            f"{FILE_NAME} is not valid TOML: a number has too many digits", value=str(path)
        ) from problem
    except RecursionError:
        raise ConfigError(f"{FILE_NAME}: {_TOO_DEEP}", value=str(path)) from None
