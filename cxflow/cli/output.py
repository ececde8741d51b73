"""Prints results to stdout, as tables or as JSON, and everything else to stderr."""

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

from cxflow.visible import in_json, one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_UNBOUNDED = 1000
"""Width of a stdout that is not a terminal: nothing is cut off or wrapped for a program."""

Step = Callable[[str], None]
"""Called with the name of each step as it begins."""


@dataclass
class Output:
    """Where a command prints."""

    json: bool = False
    """Whether results are JSON instead of tables."""
    quiet: bool = False
    """Whether to print only errors and requested results."""

    @cached_property
    def _stdout(self) -> Console:
        return _console(sys.stdout)

    @cached_property
    def _stderr(self) -> Console:
        return _console(sys.stderr)

    def answer(self, data: Any, *parts: RenderableType) -> None:
        """Print a requested result: `data` as JSON, or the parts for people."""
        if self.json:
            sys.stdout.write(_as_json(data, indent=2))
            return
        for part in parts:
            self._stdout.print(part, soft_wrap=isinstance(part, str))

    def report(self, data: Any, *parts: RenderableType) -> None:
        """Print what an action did: always as JSON, for people unless quiet."""
        if self.json or not self.quiet:
            self.answer(data, *parts)

    def note(self, text: str) -> None:
        """Print a remark to stderr, unless results are JSON."""
        if not self.json:
            self._stderr.print(text, soft_wrap=True)

    def remark(self, text: str) -> None:
        """Print a note unless quiet."""
        if not self.quiet:
            self.note(text)

    def error(self, message: str, fix: str | None) -> None:
        """Print an error as one block, its further lines indented."""
        from rich.text import Text

        head, *rest = message.splitlines() or [""]
        block = Text.assemble(("error: ", "bold red"), head, *(f"\n  {line}" for line in rest))
        if fix:
            block.append_text(Text.assemble("\n", ("fix: ", "bold green"), fix))
        self._stderr.print(block, soft_wrap=True)

    def error_line(self, data: Mapping[str, Any]) -> None:
        """Print an error as one line of JSON."""
        sys.stderr.write(_as_json(data))

    @contextmanager
    def progress(self, total: int | None = None) -> Iterator[Step]:
        """Show a progress bar on stderr, if it is a terminal, and what stages report of the step. Yields the
        function to call as each step begins.

        A step counts as done when the next one begins.
        """
        if self.quiet or not self._stderr.is_terminal:
            yield lambda _: None
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
        from rich.progress import TimeElapsedColumn as Elapsed
        from rich.text import Text

        from cxflow.cli.stage_line import StageLine
        from cxflow.model.progress import listening

        line = StageLine()

        class Screen(Progress):
            """The bar and, below it, the line of the stage."""

            def get_renderables(self) -> Iterator[RenderableType]:
                yield from super().get_renderables()
                if shown := line.text():
                    yield Text(f"  {one_line(shown)}", overflow="ellipsis", no_wrap=True)

        bar = (BarColumn(bar_width=24), MofNCompleteColumn()) if total else ()
        columns = (SpinnerColumn(), *bar, Elapsed(), TextColumn("{task.description}", markup=False))
        screen = Screen(*columns, console=self._stderr, transient=True)
        with screen as progress, listening(line):
            task = progress.add_task("", total=total)
            begun = 0

            def step(description: str) -> None:
                nonlocal begun
                line.clear()
                progress.update(task, description=one_line(description), completed=begun)
                begun += 1

            yield step


def _as_json(data: Any, indent: int | None = None) -> str:
    return in_json(encoding.dumps(data, default=plain, ensure_ascii=False, indent=indent)) + "\n"


def _console(stream: Any) -> Console:
    from rich.console import Console
    from rich.segment import Segment

    class VisibleConsole(Console):
        """Escapes the texts that it prints, whatever prints them. Its own control sequences are separate segments."""

        def render(self, *arguments: Any, **options: Any) -> Iterator[Segment]:
            for segment in super().render(*arguments, **options):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    # Names and values of the data are never markup.
    console = VisibleConsole(file=stream, markup=False, emoji=False, highlight=False)
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
    """A table; columns of numbers are right-aligned, missing values are shown as a dash."""
    from rich import box
    from rich.table import Table

    body = [list(row) for row in rows]
    shown = Table(
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
        # On a narrow terminal, text wraps and numbers do not.
        shown.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in body:
        shown.add_row(*(text(value) for value in row), end_section=total is not None and row is body[-1])
    if total is not None:
        shown.add_row(*(text(value) for value in total), style="bold")
    return shown


def text(value: Any) -> str:
    """A value as the text of a table cell; a list with one line per item."""
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
    if isinstance(value, list | tuple):
        return "\n".join(text(each) for each in value)
    return one_line(str(value))


def first_of(lines: Sequence[str], most: int = 10) -> list[str]:
    """The first lines of a list and, if there are more than `most`, how many more."""
    rest = len(lines) - most
    return list(lines) if rest <= 0 else [*lines[:most], f"and {rest:,} more"]


def moment(instant: datetime | None, zone: str) -> str | None:
    """An instant in a time zone, to the minute."""
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if instant else None


def plain(value: Any) -> Any:
    """Convert a value that `json` does not know. Raises TypeError for an unknown type."""
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
    raise TypeError(f"{type(value).__name__} cannot be converted to JSON")
