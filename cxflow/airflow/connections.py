"""Reads secrets from Airflow's connections, for settings such as `token = { airflow = "zendesk_acme" }`.

`model.secret` finds `secret` by its entry point when a value is needed, so a DAG file is parsed without. In a task,
Airflow answers from its secrets backends, its environment and its metadata database; elsewhere, from its secrets
backends and `AIRFLOW_CONN_…`.
"""

from __future__ import annotations

import functools
import json
from typing import Any
from urllib.parse import quote, urlencode

from cxflow import redaction
from cxflow.errors import ConfigError
from cxflow.warehouse import engines


def secret(place: str, field: str | None, setting: str) -> str:
    """One field of the Airflow connection with the id `place`: password, login, host, port, schema, `extra.KEY`, or
    url, a SQLAlchemy URL. Raises ConfigError if it is not there.

    If none is named: url for a setting of that name, else the extra field named like the setting (as in the forms that
    `forms` makes), else password.
    """
    found = _connection(place)
    if field is None:
        named = "url" if setting == "url" else f"extra.{setting}"
        field = "password" if named != "url" and not _extra(found).get(setting) else named
    if field == "url":
        return _url(found)
    of_extra = field.startswith("extra.")
    value = _extra(found).get(field.removeprefix("extra.")) if of_extra else getattr(found, field)
    if value in (None, ""):
        raise ConfigError(
            f"the Airflow connection {place} has no {field}",
            value=place,
            fix="fill in this field of the connection",
        )
    return value if isinstance(value, str) else json.dumps(value)


@functools.cache
def _connection(place: str) -> Any:
    """Asked once per process: in a task, each question goes to Airflow's API."""
    try:
        from airflow.sdk import Connection
        from airflow.sdk.exceptions import AirflowException
    except ModuleNotFoundError as problem:
        if problem.name not in ("airflow", "airflow.sdk"):
            raise
        raise ConfigError(
            "the secret is in an Airflow connection, and Airflow is not installed here",
            value=place,
            fix="pip install 'cxflow-framework[airflow]', or read it from elsewhere",
        ) from None
    try:
        found = Connection.get(place)
    except AirflowException as problem:  # its message may be the answer of a secrets backend
        raise ConfigError(
            f"Airflow gives no connection {place} ({type(problem).__name__})",
            value=place,
            fix=f"add it in Airflow; outside of a task, set AIRFLOW_CONN_{place.upper()} or a secrets backend",
        ) from None
    if found.password:
        redaction.remember(found.password)  # also as part of a URL
    return found


def _extra(found: Any) -> dict[str, Any]:
    """The connection's extra fields. Raises ConfigError if they are not a JSON object."""
    try:
        extra = json.loads(found.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigError(f"the extra field of the Airflow connection {found.conn_id} is not a JSON object")
    return extra


def _url(found: Any) -> str:
    """The connection as a SQLAlchemy URL. Of its extra fields, texts become parameters."""
    if not found.conn_type:
        raise ConfigError(f"the Airflow connection {found.conn_id} has no type, so its URL has no scheme")
    user = quote(found.login or "", safe="")
    if found.password:
        user += ":" + quote(found.password, safe="")
    host = found.host or ""
    if ":" in host and not host.startswith("["):  # IPv6
        host = f"[{host}]"
    place = (f"{user}@" if user else "") + host + (f":{found.port}" if found.port else "")
    parameters = {key: value for key, value in _extra(found).items() if isinstance(value, str)}
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{engines.scheme(found.conn_type)}://{place}/{found.schema or ''}{query}"
