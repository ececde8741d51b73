"""The callbacks of tasks, from `on_failure`, `on_retry` and `on_success` in `cxflow.toml`, and the deadline of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from cxflow.errors import ConfigError
from cxflow.model.task_options import Notice, TaskOptions


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


def deadlines(options: TaskOptions) -> list[DeadlineAlert]:
    """The deadline of a DAG's runs, once for each that is told; none without `deadline_seconds`.

    Raises ConfigError if nobody is told, for what is not installed, and for an executor that cannot run callbacks: its
    scheduler would end at the first deadline that is missed.
    """
    if options.deadline_seconds is None:
        return []
    if not options.on_deadline:
        raise ConfigError(
            "deadline_seconds without on_deadline: nobody would be told",
            value="deadline_seconds",
            fix="add [[airflow.on_deadline]]",
        )
    callbacks(options.on_deadline, "on_deadline")
    if executor := _without_callbacks():
        raise ConfigError(
            f"deadline_seconds: Airflow's {executor} cannot run what is told of a deadline",
            value="deadline_seconds",
            fix="use one that can, such as LocalExecutor or CeleryExecutor, or leave deadline_seconds out",
        )
    interval = timedelta(seconds=options.deadline_seconds)
    return [
        DeadlineAlert(
            DeadlineReference.DAGRUN_QUEUED_AT,
            interval,
            SyncCallback(deadline_missed, {"call": notice.call, "arguments": notice.arguments}),
            name=notice.call,
        )
        for notice in options.on_deadline
    ]


def deadline_missed(context: Mapping[str, Any], call: str, arguments: Mapping[str, Any]) -> None:
    """Tell one of a run that is not done by its deadline. Airflow calls it, in a process of its executor."""
    Tell(Notice(call=call, **arguments))(context)


def _without_callbacks() -> str | None:
    """The name of Airflow's executor if it cannot run callbacks."""
    try:
        from airflow.executors.executor_loader import ExecutorLoader
    except ImportError:  # a worker without Airflow's core, which schedules nothing
        return None
    executor, _ = ExecutorLoader.import_default_executor_cls()
    return None if executor.supports_callbacks else str(executor.__name__)
