"""A run of the shop's project, task by task, as Airflow keeps book of it: what a task returned outlives its worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fault_shop
from fault_shop import CONNECTION, STREAM

from cxflow import flow
from cxflow.model.batch import BatchRef
from cxflow.model.window import Window
from cxflow.settings import Settings
from cxflow.warehouse import revisions

Returned = dict[str, Any]
"""Task to what it returned, as JSON holds it."""


def _batch(returned: Returned) -> BatchRef:
    return BatchRef.from_json(returned["landing"])


def _land(settings: Settings, _day: int, returned: Returned) -> Any:
    window = Window.from_json(returned["window"])
    return flow.extract(settings, CONNECTION, STREAM, window, "scheduled").as_json()


def _window(settings: Settings, day: int, _: Returned) -> Any:
    return flow.scheduled_window(settings, CONNECTION, STREAM, fault_shop.end(day)).as_json()


TASKS: dict[str, Callable[[Settings, int, Returned], Any]] = {
    "migrate": lambda settings, _day, _returned: revisions.ensure(settings),
    "window": _window,
    "landing": _land,
    "prepared": lambda settings, _day, returned: flow.prepare(settings, _batch(returned)).as_json(),
    "load": lambda settings, _day, returned: bool(flow.load(settings, _batch(returned))),
    "identity": lambda settings, _day, _returned: bool(flow.resolve_identity(settings)),
    "kpis": lambda settings, _day, _returned: bool(flow.compute_kpis(settings)),
    "publish": lambda settings, _day, _returned: flow.publish(settings),
}
"""In order."""


def run(
    settings: Settings,
    day: int,
    kept: Path,
    begin: Callable[[str], None] = lambda _: None,
    until: str | None = None,
) -> None:
    """The run after a day, up to a task or to the end. Tasks that have returned already, by the file `kept`, are
    not run again; `begin` is told of each that is."""
    lines = kept.read_text().splitlines() if kept.exists() else []
    returned: Returned = dict(json.loads(line) for line in lines)
    for name, work in TASKS.items():
        if name not in returned:
            begin(name)
            returned[name] = work(settings, day, returned)
            with kept.open("a") as file:
                file.write(json.dumps([name, returned[name]]) + "\n")
        if name == until:
            return
