"""The groups of settings: `[project]`, `[warehouse]`, …, and what all connections have."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, ValidatorFunctionWrapHandler, field_validator

from cxflow.model.currencies import known_currency
from cxflow.model.frozen import Frozen
from cxflow.model.names import LONGEST_NAME_BYTES, known_zone, plain_name
from cxflow.model.schedule import known_schedule
from cxflow.model.secret import Secret
from cxflow.model.stream import LONGEST
from cxflow.model.task_options import Notice, TaskOptions


def plain_names(tables: dict[str, Any]) -> dict[str, Any]:
    """Check names of connections and streams, which become part of ids and paths. Raises ValueError."""
    for name in tables:
        plain_name(name)
    return tables


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
    waiting_statuses: tuple[str, ...] = ()
    """The states of cases in which who opened one waits for the team, in the source's words: new, open, hold."""
    active_by: tuple[str, ...] = ()
    """The activities of touchpoints by which a customer is active in a period, for retention and churn: logged_in,
    watched_film; empty: an order that is not cancelled."""
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

    _names = field_validator("topics")(plain_names)


class Report(Frozen):
    """What the page of `cxflow report` says, and how."""

    language: Literal["en", "es"] = "en"
    """English or Spanish."""
    verbatims: bool = True
    """Whether it quotes reviews and answers of surveys, with personal data masked."""


class Alerts(Frozen):
    """What is worth an alert, and whom Airflow tells."""

    schedule: str | None = None
    """Cron expression of the DAG that looks, in the project's time zone; unset: there is none."""
    notify: tuple[Notice, ...] = ()
    """Whom it tells of new alerts. Their texts find them as `alerts`."""
    max_age_hours: float | None = Field(default=None, gt=0)
    """How far behind now a stream may be loaded; unset: two and a half times what is usual between its loads."""
    max_age_hours_of: dict[str, float] = Field(default_factory=dict)
    """Connection, or CONNECTION.STREAM, to its own."""
    kpis_by: time | None = None
    """Time of day, in the project's time zone, by which KPIs of that day's loads are to be there."""

    _cron = field_validator("schedule")(known_schedule)


class Airflow(TaskOptions):
    """How the DAGs run."""

    schedule: str = "0 3 * * *"
    """Cron expression, in the project's time zone."""
    start: datetime | None = None
    """First data interval of scheduled runs."""
    retries: int = Field(default=3, ge=0)
    """Retries after a transient error."""
    retry_delay_seconds: float = Field(default=300, gt=0, le=LONGEST.total_seconds())
    report_url: str | None = None
    """Where the team puts the page of `cxflow report`: tasks link to it, those of a stream to what it says of the
    quarantine; unset: no links."""

    @field_validator("report_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http", "file") or not (parts.netloc or parts.scheme == "file"):
            raise ValueError("it is not the address of a page, such as https://reports.acme.example/cx/")
        if "@" in parts.netloc or parts.fragment:
            raise ValueError("it is an address without credentials and without #…")
        return url

    _cron = field_validator("schedule")(known_schedule)


NOT_LOOKED_UP = "(not looked up)"
"""Stands for a text of an account that is found elsewhere, where nothing is asked of the source."""


class Connection(Frozen):
    """One configured instance of a connector. Connectors extend this model with their own settings."""

    account_settings: ClassVar[tuple[str, ...]] = ()
    """The names of text settings that say whose account it is, such as a subdomain or a login name. Each may be found
    where the secrets are, `{ airflow = "conn_id" }`, and Airflow's form asks for it. Streams and their mappings must
    not depend on one: `cxflow lint` does not look it up."""

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
    _names = field_validator("streams")(plain_names)

    @field_validator("*", mode="wrap")
    @classmethod
    def _of_account(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Look a text of the account up where the file says, and check it as if it were written there. Raises
        ConfigError. With `offline` in the context, it is neither looked up nor checked."""
        if info.field_name not in cls.account_settings or not isinstance(value, dict):
            return check(value)
        place = Secret.model_validate(value, context=info.context)
        if (info.context or {}).get("offline"):
            return NOT_LOOKED_UP
        return check(place.text(f"connections.{info.data['name']}.{info.field_name}"))
