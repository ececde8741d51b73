"""`cxflow.toml` as one frozen tree, each field with its unit.

`load` is called by the command line and by Airflow tasks. Paths and database files are relative to the project's
folder. `${NAME}` in any text is replaced from the environment. Secrets are never written in the file:
`{ env = "NAME" }`, `{ file = "path" }` or `{ airflow = "conn_id" }` tells where to find one when it is needed.
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
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from cxflow.errors import ConfigError
from cxflow.model import plain_secrets
from cxflow.model.calendar import Calendar
from cxflow.model.currencies import known_currency
from cxflow.model.frozen import Frozen
from cxflow.model.names import LONGEST_NAME_BYTES, is_text, known_zone, plain_name
from cxflow.model.names import nearest as nearest  # re-exported for callers of this module
from cxflow.model.schedule import known_schedule
from cxflow.model.secret import Secret as Secret  # re-exported for callers of this module
from cxflow.model.stream import LONGEST
from cxflow.model.task_options import TaskOptions

FILE_NAME = "cxflow.toml"
LARGEST_FILE_BYTES = 10_000_000
"""More than a thousand streams need."""
DEEPEST_TABLE = 50
"""How deep tables and lists may be nested: several times what any setting needs."""


class Project(Frozen):
    """Settings of the whole project."""

    name: str = Field(default="cxflow", pattern=r"^[a-z][a-z0-9_-]*$", max_length=LONGEST_NAME_BYTES)
    """Its DAGs and its tables of KPIs are named after it."""
    timezone: str = "UTC"
    """IANA time zone of the days, weeks, months, quarters and years of KPIs."""
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    """ISO 4217: the currency of amounts without one, and of money KPIs."""
    country: str = Field(default="US", pattern=r"^[A-Z]{2}$")
    """ISO 3166-1 alpha-2: the country of phone numbers without a country code."""

    _zone = field_validator("timezone")(known_zone)
    _currency = field_validator("currency")(known_currency)


class Warehouse(Frozen):
    """The database of the touchpoints."""

    url: Secret | str = Field(default="duckdb:///warehouse.duckdb", repr=False)
    """A SQLAlchemy URL without password; or where the whole URL of a server is found, password included."""
    password: Secret | None = None
    """Where the password of a PostgreSQL warehouse is found."""
    busy_timeout_seconds: float = Field(default=60, ge=0)
    """How long a connection waits for a DuckDB file that another process holds."""
    snapshot: bool = True
    """DuckDB: whether publishing writes the marts into a file of their own beside the warehouse, for BI tools and for
    commands that read while a run holds the warehouse."""
    lock_timeout_seconds: float = Field(default=300, ge=0.001, le=2_000_000)
    """PostgreSQL: how long a step waits for a lock, such as that of a running load or KPI computation, before it fails
    with an error that names the session that holds it."""
    bi_role: str | None = Field(default=None, pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """PostgreSQL: a role that may only read the views, created if it does not exist; unset: none."""


class Landing(Frozen):
    """The landing zone, where raw batches are stored."""

    url: str = Field(default="landing", min_length=1)
    """A folder, or any fsspec URL."""
    storage_options: dict[str, Secret | str | int | bool] = Field(default_factory=dict, repr=False)
    """Options that fsspec needs to open it."""
    checkpoint_seconds: float = Field(default=30, ge=0, le=LONGEST.total_seconds())
    """How often a long pull makes its pages durable, if its connector yields checkpoints: the next run resumes there.
    0: at each checkpoint."""


class Quality(Frozen):
    """When a batch is stopped."""

    max_rejected_share: float = Field(default=0.05, ge=0, le=1)
    """A batch with a larger share of rejected records is stopped; 0 to 1."""
    min_records: int = Field(default=100, ge=0)
    """The share of a smaller batch, or of fewer live records, is taken of this many: one bad record in three does not
    stop it."""
    max_vanished_share: float = Field(default=0.1, ge=0, le=1)
    """A snapshot that lacks a larger share of the live records is stopped; 0 to 1."""
    earliest: date = date(1990, 1, 1)
    """Events dated before this day are implausible (a clock that was reset, an empty field read as zero)."""
    minor_units: Literal["warn", "refuse", "accept"] = "warn"
    """What to do with amounts that have more decimals than their currency: count them in the load's report, refuse
    their records, or nothing."""
    future_tolerance_seconds: float = Field(default=86400, ge=0, le=LONGEST.total_seconds())
    """How far after the time of delivery an event may be dated."""


class Identity(Frozen):
    """How identifiers become customers."""

    salt: Secret | None = None
    """Salt for the hashes of identifiers. Without it they can be guessed by hashing known addresses."""
    store_values: Literal["hashed", "clear"] = "hashed"
    """How customer_identity stores identifiers."""
    ignore: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Namespace to values that identify nobody: the switchboard's number, the shop's own address."""
    placeholders: bool = True
    """Whether values that systems write where there is none (0, unknown, n/a, noreply@…) identify nobody."""
    weak: tuple[str, ...] = ()
    """Namespaces whose values several people may share (a household's telephone): they link only in pairs."""
    max_identifiers: int = Field(default=50, ge=2)
    """An identifier seen beside more than this many e-mail addresses, telephone numbers, or other ids that were seen
    beside another of its kind, too, is shared: it links nobody."""
    max_share: float = Field(default=0.1, gt=0, le=1)
    """An identifier in a larger share of a stream's records is common (a switchboard, a number that stands for none):
    it links nobody. From 1,000 records on."""
    max_customer: int = Field(default=10_000, ge=2)
    """More identifiers than this, linked together, are no person: they name nobody, and are reported."""


class Seeds(Frozen):
    """A project's own seed tables, instead of those in `warehouse/seeds`: CSV files with the same columns."""

    polarity: str | None = None
    """Which evidence makes a touchpoint a good or a bad experience."""
    contact_reasons: str | None = None
    """Which contacts are preventable, and what to do about them."""
    journey: str | None = None
    """Stage and control of activities and channels, where a mapping says neither."""


LONGEST_TARGET_MINUTES = 366 * 1440


class Target(Frozen):
    """How soon a case is to be answered and solved."""

    first_reply_minutes: float | None = Field(default=None, gt=0, le=LONGEST_TARGET_MINUTES)
    """From opening to the first reply; unset: no target."""
    resolution_minutes: float | None = Field(default=None, gt=0, le=LONGEST_TARGET_MINUTES)
    """From opening to the last solution; unset: no target."""


class Sla(Target):
    """The service level agreement of cases: without a target, no breach is counted."""

    clock: Literal["calendar", "business"] = "calendar"
    """What the minutes are: all of them, or those in which the team works by the calendar of the connection."""
    priorities: dict[str, Target] = Field(default_factory=dict)
    """Priority of a case, in any case of letters, to its own targets; one that it leaves out is the general one."""


class Kpis(Frozen):
    """Thresholds and limits of the KPIs."""

    min_n: int = Field(default=10, ge=1)
    """Values of fewer observations are suppressed: stored without value and interval."""
    max_left_out: float = Field(default=0.2, ge=0, le=1)
    """A KPI that leaves out a larger share of its events (without a value, without a customer) is reported; 0 to 1."""
    service_level_seconds: float = Field(default=20, gt=0)
    short_abandon_seconds: float = Field(default=5, ge=0)
    """Who gives up waiting before that is no abandonment for the KPI that leaves short ones out."""
    repeat_contact_days: float = Field(default=7, gt=0, le=LONGEST.days)
    same_contact_minutes: float = Field(default=60, ge=0, le=7 * 1440)
    """Support contacts of one case or conversation that follow each other within that time are one: a call, and the
    ticket that it opened."""
    follow_up_days: float = Field(default=90, gt=0, le=LONGEST.days)
    """How long the KPIs of all opened cases watch one: if it is open then, it counts as open, whatever comes later."""
    return_days: float = Field(default=30, gt=0, le=LONGEST.days)
    """The return window: what comes back later does not count for the KPI of orders whose window is over."""
    conversion_days: float = Field(default=90, gt=0, le=LONGEST.days)
    """The same for leads that become a won deal."""
    sla: Sla = Sla()
    new_after_days: float = Field(default=180, ge=0)
    """Whose first known order lies within so many days of the first order of its source may have ordered before, and
    is in no cohort; 0 if the data hold all orders that there ever were."""
    rates: dict[str, float] = Field(default_factory=dict)
    """Currency code to the value of one unit in the project's currency."""
    dimensions: tuple[str, ...] = ("channel", "source", "segment")
    """The dimensions of each KPI, if its fact offers them: channel, source, segment, agent, queue, reason, …"""
    dimensions_of: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """KPI to its own dimensions, which replace the general ones."""
    max_values: int = Field(default=50, ge=1)
    """Slices per dimension. If it has more values, those with the most observations get one, the rest is `(other)`."""
    seeds: Seeds = Seeds()

    @field_validator("rates")
    @classmethod
    def _currencies(cls, rates: dict[str, float]) -> dict[str, float]:
        for code in rates:
            known_currency(code)
        return rates


def _plain_names(tables: dict[str, Any]) -> dict[str, Any]:
    """Check names of connections and streams, which become part of ids and paths. Raises ValueError."""
    for name in tables:
        plain_name(name)
    return tables


class Words(Frozen):
    """What is computed of the texts that customers write."""

    enabled: bool = True
    """Whether it is computed. Turned off, what was computed before is removed."""
    languages: tuple[str, ...] = Field(default=("en", "es", "pt"), min_length=1)
    """ISO 639-1: the languages to tell apart. A text in another one is taken for one of these."""
    language: str = "langid"
    """The model of languages."""
    sentiment: str = "lexicon"
    """The model of sentiments: `lexicon`, or that of a plugin."""
    topic: str = "rules"
    """The model of topics."""
    usual_topics: bool = True
    """Whether the model `rules` knows cxflow's own topics, besides those of `topics`."""
    topics: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Topic to its terms: words, beginnings of words (`invoic*`) and phrases. It replaces cxflow's own topic of that
    name; without terms, it removes it."""

    _names = field_validator("topics")(_plain_names)


class Report(Frozen):
    """What the page of `cxflow report` says, and how."""

    language: Literal["en", "es"] = "en"
    """English or Spanish."""
    verbatims: bool = True
    """Whether it quotes reviews and answers of surveys, with personal data masked."""


class Airflow(TaskOptions):
    """How the DAGs run."""

    schedule: str = "0 3 * * *"
    """Cron expression, in the project's time zone."""
    start: datetime | None = None
    """First data interval of scheduled runs."""
    retries: int = Field(default=3, ge=0)
    """Retries after a transient error."""
    retry_delay_seconds: float = Field(default=300, gt=0, le=LONGEST.total_seconds())

    _cron = field_validator("schedule")(known_schedule)


class Connection(Frozen):
    """One configured instance of a connector. Connectors extend this model with their own settings."""

    name: str = ""
    """Filled from the table's name in TOML; the source system in the warehouse."""
    connector: str
    """The connector that reads it."""
    timezone: str | None = None
    """IANA time zone for times written without one; unset: such times are rejected."""
    calendar: str | None = None
    """The calendar of `[calendars]` by which its cases are timed in business minutes; unset: they are not."""
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    """ISO 3166-1 alpha-2, for phone numbers; unset: the project's."""
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    """ISO 4217, for amounts without one; unset: the project's."""
    start: datetime | None = None
    """Where scheduled runs begin while there is no cursor yet, in the project's time zone if it has none; unset: the
    source's beginning."""
    schedule: str | None = None
    """Cron expression of its DAG; unset: the project's."""
    pool: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]+$", max_length=250)
    """The Airflow pool in which its streams are extracted: one for the connections that share an account of a service.
    `cxflow up` creates it; unset: Airflow's default pool."""
    pool_slots: int = Field(default=2, ge=1)
    """How many streams are extracted in that pool at a time."""
    airflow: TaskOptions = TaskOptions()
    """How Airflow runs its tasks, where it differs from `[airflow]`: `[connections.NAME.airflow]`."""
    only: tuple[str, ...] = ()
    """The streams to read; unset: all."""
    ended: bool = False
    """Whether it delivers nothing more: periods of KPIs are complete without waiting for it."""
    streams: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Stream name to its declaration, or to changes of the connector's own declaration. Checked by the connector's
    stream model."""

    _zone = field_validator("timezone")(known_zone)
    _currency = field_validator("currency")(known_currency)
    _cron = field_validator("schedule")(known_schedule)
    _names = field_validator("streams")(_plain_names)


_NOT_IN_TEMPLATES = {
    "template": "a template has no template itself; write out what it would take from that one",
    "name": "unknown setting; a stream's name is its table's",
}
"""Keys that are no settings of a template, and why."""


class Settings(Frozen):
    """The complete `cxflow.toml`."""

    project: Project = Project()
    warehouse: Warehouse = Warehouse()
    landing: Landing = Landing()
    quality: Quality = Quality()
    identity: Identity = Identity()
    words: Words = Words()
    kpis: Kpis = Kpis()
    report: Report = Report()
    airflow: Airflow = Airflow()
    plugins: tuple[str, ...] = ()
    """Modules to load as plugins, besides the installed ones: a project's own connectors and KPIs."""
    templates: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """What several streams have in common: a stream that names one as its `template` has its settings, but for those
    that it makes itself. Checked where it is used."""
    calendars: dict[str, Calendar] = Field(default_factory=dict)
    """Name to when a team works. A connection names the one of its team."""
    connections: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """Each is checked by its connector's model (`connect.registry.open_connection`)."""

    _folder: Path = PrivateAttr(default=Path())
    _unset: dict[str, ConfigError] = PrivateAttr(default_factory=dict)
    """Place in `connections` or `templates` to the error for an environment variable that is not set there."""
    _names = field_validator("calendars", "connections")(_plain_names)

    @field_validator("connections")
    @classmethod
    def _known_calendars(
        cls, connections: dict[str, dict[str, Any]], info: ValidationInfo
    ) -> dict[str, dict[str, Any]]:
        # Calendars with faults are reported alone.
        calendars = info.data.get("calendars")
        for name, table in connections.items():
            wanted = table.get("calendar")
            if isinstance(wanted, str) and calendars is not None and wanted not in calendars:
                known = nearest(wanted, calendars) or "; declare it in [calendars]"
                raise ValueError(f"{name}.calendar: there is no calendar {wanted!r}{known}")
        return connections

    @field_validator("templates")
    @classmethod
    def _of_streams(cls, templates: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, table in templates.items():
            for key, why in _NOT_IN_TEMPLATES.items():
                if key in table:
                    raise ValueError(f"{name}.{key}: {why}")
        return templates

    @property
    def folder(self) -> Path:
        """The project's folder, absolute."""
        return self._folder

    def path(self, relative: str | Path) -> Path:
        """A path from the configuration, relative to the project's folder."""
        return Path(os.path.realpath(self._folder / relative))  # a loop of links fails where the path is used

    def require_variables(self, name: str, setting: str = "", kind: str = "connections") -> None:
        """Raise ConfigError if a connection (or one of its settings) needs an environment variable that is not set; or
        one of the `templates`, if that is the `kind`.

        Only who uses the connection needs them: the warehouse can be read without the credentials of its sources.
        """
        where = f"{kind}.{name}.{setting}"
        for place, problem in self._unset.items():
            if place == where or (not setting and place.startswith(where)):
                raise ConfigError(problem.message, value=problem.value, fix=problem.fix)


_TOO_DEEP = f"tables or lists are nested deeper than {DEEPEST_TABLE} levels"


def _expand(value: Any, where: str, unset: dict[str, ConfigError], depth: int = 0) -> Any:
    """Replace `${NAME}` in every text of a TOML tree from the environment. Raises ConfigError.

    In connections and templates, a variable that is not set is replaced by nothing, and its error is added to `unset`.
    """
    if depth > DEEPEST_TABLE:
        raise ConfigError(f"{FILE_NAME}: {_TOO_DEEP}", value=where[:100])
    if isinstance(value, str):

        def of_environment(match: re.Match[str]) -> str:
            name = match[1]
            problem = None
            if name not in os.environ:
                problem = ConfigError(
                    f"{where}: the environment variable {name} is not set",
                    value=name,
                    fix="set it for the process that runs cxflow",
                )
            elif not is_text(os.environ[name]):
                problem = ConfigError(f"{where}: the environment variable {name} is not UTF-8", value=name)
            if problem is None:
                return os.environ[name]
            if not where.startswith(("connections.", "templates.")):
                raise problem
            unset.setdefault(where, problem)
            return ""

        if not is_text(value):
            raise ConfigError(f"{where}: a text contains the character NUL", value=where)
        return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", of_environment, value)
    if isinstance(value, dict):
        return {
            key: _expand(item, f"{where}.{key}" if where else key, unset, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_expand(item, where, unset, depth + 1) for item in value]
    return value


def explain(problem: ValidationError, model: type[BaseModel], prefix: str = "") -> str:
    """What is wrong with a configuration: one line per field, with the nearest valid name for a misspelt one."""
    lines = []
    for error in problem.errors():
        place = ".".join(str(key) for key in error["loc"])
        where = ".".join(name for name in (prefix, place) if name)
        if error["type"] == "extra_forbidden":
            hint = nearest(str(error["loc"][-1]), _fields_at(model, error["loc"][:-1]))
            lines.append(f"{where}: unknown setting{hint}")
        elif error["type"] == "missing":
            lines.append(f"{where}: this setting is required")
        else:
            lines.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names of the model at a path inside another model."""
    current: Any = model
    for key in path:
        if isinstance(current, type) and issubclass(current, BaseModel) and key in current.model_fields:
            current = current.model_fields[str(key)].annotation
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

    Raises ConfigError with each invalid setting, and the nearest valid name for a misspelt one. Of connections, only
    the names are checked here; their connectors check the rest, and that their environment variables are set.
    """
    try:
        tree = _parsed(folder / FILE_NAME)
        home = folder.resolve()
    except OSError as problem:
        raise ConfigError(f"{FILE_NAME} in {folder} cannot be read: {problem.strerror}") from problem
    if not is_text(str(home)):
        raise ConfigError(f"the path of the project's folder is not UTF-8: {str(home)!r}", fix="rename it")
    if written := plain_secrets.lines(tree):
        raise ConfigError(
            f"{FILE_NAME}:\n" + "\n".join(written),
            fix="and change every secret that was in the file: copies of it may be anywhere",
        )
    unset: dict[str, ConfigError] = {}
    expanded = _expand(tree, "", unset)
    plain_secrets.remember(expanded)
    try:
        settings = Settings.model_validate(expanded, context={"folder": home})
    except ValidationError as problem:
        raise ConfigError(f"{FILE_NAME}:\n{explain(problem, Settings)}") from problem
    settings._folder, settings._unset = home, unset
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    """The file's content. Raises ConfigError if it is missing, too large or not TOML, and OSError."""
    if not path.is_file():
        raise ConfigError(f"there is no {FILE_NAME} in {path.parent}", fix="create one with `cxflow init`")
    if (size := path.stat().st_size) > LARGEST_FILE_BYTES:
        raise ConfigError(
            f"{FILE_NAME} has {size:,} bytes, more than the {LARGEST_FILE_BYTES:,} allowed", value=str(path)
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
    except ValueError as problem:  # Python's own error, without a line number
        raise ConfigError(
            f"{FILE_NAME} is not valid TOML: a number has too many digits", value=str(path)
        ) from problem
    except RecursionError:
        raise ConfigError(f"{FILE_NAME}: {_TOO_DEEP}", value=str(path)) from None
