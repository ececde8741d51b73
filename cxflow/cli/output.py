"""What commands say: results on stdout, as tables for people or as JSON; everything else on stderr."""

from __future__ import annotations

import json as encoding
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_UNBOUNDED = 1000
"""Columns of a stdout that is no terminal: nothing is cut off or broken for a reader who is a program."""

Step = Callable[[str], None]
"""Says what begins."""


@dataclass
class Output:
    """Where a command's words go."""

    json: bool = False
    """Whether results are JSON instead of tables."""
    quiet: bool = False
    """Whether only errors, and what was asked for, are said."""

    @cached_property
    def _stdout(self) -> Console:
        return _console(sys.stdout)

    @cached_property
    def _stderr(self) -> Console:
        return _console(sys.stderr)

    def answer(self, data: Any, *parts: RenderableType) -> None:
        """The result that was asked for: `data` as JSON, or the parts for people."""
        if self.json:
            sys.stdout.write(encoding.dumps(data, default=plain, ensure_ascii=False, indent=2) + "\n")
            return
        for part in parts:
            self._stdout.print(part, soft_wrap=isinstance(part, str))

    def report(self, data: Any, *parts: RenderableType) -> None:
        """What an action did; people who want quiet are spared it."""
        if self.json or not self.quiet:
            self.answer(data, *parts)

    def note(self, text: str) -> None:
        """A remark beside the result, on stderr."""
        if not self.json:
            self._stderr.print(text, soft_wrap=True)

    def remark(self, text: str) -> None:
        """A note that people who want quiet are spared."""
        if not self.quiet:
            self.note(text)

    def error(self, message: str, fix: str | None) -> None:
        """An error as one block, its further lines indented."""
        from rich.text import Text

        head, *rest = message.splitlines() or [""]
        block = Text.assemble(("error: ", "bold red"), head, *(f"\n  {line}" for line in rest))
        if fix:
            block.append_text(Text.assemble("\n", ("fix: ", "bold green"), fix))
        self._stderr.print(block, soft_wrap=True)

    def error_line(self, data: Mapping[str, Any]) -> None:
        """An error as one line of JSON."""
        sys.stderr.write(encoding.dumps(data, default=plain, ensure_ascii=False) + "\n")

    @contextmanager
    def progress(self, total: int | None = None) -> Iterator[Step]:
        """A bar on stderr while long work goes on, where somebody watches. Yields what names each step.

        Each step counts one, the first when the second begins.
        """
        if self.quiet or not self._stderr.is_terminal:
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed

        bar = (BarColumn(bar_width=24), MofNCompleteColumn()) if total else ()
        columns = (SpinnerColumn(), *bar, Elapsed(), TextColumn("{task.description}", markup=False))
        with Progress(*columns, console=self._stderr, transient=True) as progress:
            task = progress.add_task("", total=total)
            begun = 0

            def step(description: str) -> None:
                nonlocal begun
                progress.update(task, description=description, completed=begun)
                begun += 1

            yield step


def _console(stream: Any) -> Console:
    from rich.console import Console

    # What is printed are names and numbers of other people's data: none of it is markup.
    console = Console(file=stream, markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    total: Sequence[Any] | None = None,
) -> Table:
    """A table for people; columns of numbers are set right. Nothing is shown as a dash."""
    from rich import box
    from rich.table import Table

    body = [list(row) for row in rows]
    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for number, name in enumerate(columns):
        kinds = {type(row[number]) for row in body if row[number] is not None}
        numeric = bool(kinds) and kinds <= {int, float}
        # Where the terminal is narrow, words are folded and numbers are not.
        made.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in body:
        made.add_row(*(text(value) for value in row), end_section=total is not None and row is body[-1])
    if total is not None:
        made.add_row(*(text(value) for value in total), style="bold")
    return made


def text(value: Any) -> str:
    """A value in a table's cell."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def moment(instant: datetime | None, zone: str) -> str | None:
    """An instant on the project's clock, to the minute."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if instant else None


def plain(value: Any) -> Any:
    """What JSON does not know, in words it does."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
