"""`cxflow sandbox`: the invented company in a box, to try connectors and projects on: services on loopback, exports in
files, a project that reads both, and the truth."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from cxflow import Call, ConfigError, table

if TYPE_CHECKING:
    from datetime import date

    from cxflow_demo.simulation import Simulated

PORT = 8750
"""Of the first service; the others follow."""


def sandbox(
    call: Call,
    folder: Annotated[
        Path, typer.Argument(help="Its project and its exports. A warehouse there is kept.")
    ] = Path("sandbox"),
    service: Annotated[
        list[str] | None, typer.Option(help="Serve only this one; may be repeated.", show_default="all")
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65_000, help="Of the first service; the others follow.")
    ] = PORT,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day that is known.", show_default="2026-03-31"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another company.")] = 7,
    scale: Annotated[float, typer.Option(min=0.01, help="Its size, as that of the demo.")] = 0.3,
    check: Annotated[
        bool, typer.Option("--check", help="Serve nothing: compare the folder's warehouse with the truth.")
    ] = False,
) -> None:
    """Serve an invented company's APIs on this machine until Ctrl-C, with a project that reads them."""
    from cxflow_demo.company import VENDORS, Company

    wanted = list(dict.fromkeys(service or VENDORS))
    for name in wanted:
        if name not in VENDORS:
            raise ConfigError(f"there is no service {name!r}", value=name, fix=f"one of {', '.join(VENDORS)}")
    last = _last(day)
    if check:
        return _check(call, folder)
    with call.writing(folder):
        simulated = _prepare(folder, seed, scale, last)
    company = Company(simulated.deliveries, wanted)
    with company.served(port) as urls:
        environment = company.environment(urls)
        call.out.answer(
            {"folder": str(folder.resolve()), "day": last, "services": urls, "environment": environment},
            table(
                f"What is known on {last}",
                ("service", "connection", "address"),
                [(name, VENDORS[name].system, url) for name, url in urls.items()],
            ),
            f"The project, its exports and truth.json are in {folder}. In another shell:",
            "\n".join(f"export {name}={value}" for name, value in environment.items()),
            f"cxflow --project {folder} run --until {last + timedelta(days=1)}\ncxflow sandbox {folder} --check",
        )
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:  # also SIGTERM
            call.out.note("the sandbox is closed")
    return None


def _last(day: datetime | None) -> date:
    """The last day that is known. Raises ConfigError for one outside of the simulated period."""
    from cxflow_demo.clock import FIRST, LAST

    last = day.date() if day else LAST
    if not FIRST <= last <= LAST:
        raise ConfigError(
            f"{last} is outside of the simulated period", value=str(last), fix=f"a day from {FIRST} to {LAST}"
        )
    return last


def _prepare(folder: Path, seed: int, scale: float, last: date) -> Simulated:
    """Write exports, truth and project up to a day; what a warehouse there holds stays. Raises ConfigError for a folder
    that holds something else."""
    from cxflow_demo import folders
    from cxflow_demo.simulation import generate

    folders.refuse_others(folder)
    if folders.has_company(folder):
        known = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        if (known["seed"], known["scale"]) != (seed, scale):
            raise ConfigError(
                f"{folder} holds the company of seed {known['seed']} and scale {known['scale']}",
                value=str(folder),
                fix="name another folder",
            )
    shutil.rmtree(folder / "exports", ignore_errors=True)
    simulated = generate(folder, seed, scale, last)
    folders.configure(folder, _project(folders.project()))
    return simulated


_QUALITY = """\
[quality]
max_rejected_share = 1.0  # the fewer the records, the larger the share of the bad ones

"""


def _project(shipped: str) -> str:
    """The demo's `cxflow.toml` for any size and window. Without the `start` of each connection, up to which the demo
    backfills, the first run reads everything."""
    head, separator, connections = shipped.partition("[connections.")
    return head + _QUALITY + separator + re.sub(r"(?m)^(# .*\n)?start = .*\n", "", connections)


def _check(call: Call, folder: Path) -> None:
    """Compare live records, customers and KPIs with the truth. What was refused depends on when somebody read."""
    from cxflow import settings as configuration

    from cxflow_demo import comparison
    from cxflow_demo.check import facts
    from cxflow_demo.company import VENDORS

    path = folder / "truth.json"
    if not path.is_file():
        raise ConfigError(f"there is no sandbox in {folder}", value=str(folder), fix="run it without --check")
    for vendor in VENDORS.values():
        os.environ.setdefault(vendor.url, "http://127.0.0.1")  # no service is asked
    settings = configuration.load(folder)
    truth: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found = [fact for fact in facts(settings, truth, {}) if fact.what != "quarantine"]
    wrong = [fact for fact in found if not fact.agrees]
    call.out.report(
        {"agrees": not wrong, "compared": len(found), "differences": wrong},
        *comparison.parts(settings, [], found),
    )
    if wrong:
        raise typer.Exit(1)
