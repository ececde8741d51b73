"""The command `desks`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from cxflow import Call, CxflowError, FatalError, __version__, hookimpl, table


def desks(
    call: Call, at: Annotated[str, typer.Option(help="Only those whose folder has this in its name.")] = ""
) -> None:
    """List the project's desks."""
    found: list[tuple[str, str]] = []
    with call.out.progress(total=len(call.settings.connections)) as step:
        for name, settings in call.settings.connections.items():
            step(name)
            try:
                if settings.get("connector") == "desk" and at in _folder(name, settings.get("exports")):
                    found.append((name, str(settings["exports"])))
            except CxflowError as problem:
                call.fail(problem)
    call.out.answer(
        {"cxflow": __version__, "desks": dict(found)}, table("Desks", ("connection", "folder"), found)
    )


def _folder(name: str, exports: object) -> str:
    if not isinstance(exports, str):
        raise FatalError("a desk has a folder", connection=name, value="exports")
    return exports


@hookimpl
def cxflow_commands() -> Iterable[Callable[..., None]]:
    """The commands, in a module of their own."""
    return [desks]
