"""The callbacks of tasks, from `on_failure`, `on_retry` and `on_success` in `cxflow.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from cxflow.errors import ConfigError
from cxflow.model.task_options import Notice


class Tell:
    """A callback that imports its notifier or function only when it is called: a DAG file is parsed all the time."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Make and call the notifier, or call the function."""
        module, _, name = self._notice.call.rpartition(".")
        found = getattr(import_module(module), name)
        if isinstance(found, type):
            found(**self._notice.arguments)(context)
        else:
            found(context, **self._notice.arguments)


def callbacks(notices: Iterable[Notice], setting: str) -> list[Tell]:
    """A callback for each. Raises ConfigError for one whose package is not installed."""
    found = []
    for notice in notices:
        package = notice.call.partition(".")[0]
        module = notice.call.rpartition(".")[0]
        try:
            is_there = find_spec(module) is not None
        except ModuleNotFoundError:
            is_there = False
        if not is_there:
            raise ConfigError(
                f"{setting}: there is no module {module!r}",
                value=notice.call,
                fix=f"install what brings {package!r} in Airflow's environment, or correct the import path",
            )
        found.append(Tell(notice))
    return found
