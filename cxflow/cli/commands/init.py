"""`cxflow init`: creates a project."""

from __future__ import annotations

import glob
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from cxflow.cli.call import Call, command
from cxflow.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, rich_help_panel="Start")(init)


def init(
    call: Call,
    folder: Annotated[Path, typer.Argument(help="The project folder; created if missing.")] = Path(),
    csv: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Configure this file instead of a sample: CSV, TXT, XLSX, JSON, …"),
    ] = None,
) -> None:
    """Create a project: a commented cxflow.toml that works at once, or one for your own file.

    Never overwrites a file.
    """
    from cxflow.cli import sample
    from cxflow.settings import FILE_NAME

    name = sample.project_name(folder.resolve())
    if csv is None:
        files = {
            FILE_NAME: sample.SAMPLE_TOML.format(name=name),
            "exports/answers.csv": sample.SAMPLE_CSV,
        }
        then = "cxflow run, then cxflow kpis"
    else:
        files = {FILE_NAME: _for_file(name, folder, csv)}
        then = (
            f"fill in what {FILE_NAME} calls REQUIRED (cxflow lint names it), then cxflow run --dry-run, cxflow run "
            "and cxflow kpis"
        )
    with call.writing(folder):
        for file in files:
            if (folder / file).exists():
                raise ConfigError(
                    f"{folder / file} already exists", value=str(folder / file), fix="choose another folder"
                )
        if not (folder / ".gitignore").exists():
            files[".gitignore"] = sample.IGNORED
        for file, content in files.items():
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    where = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))}, "
    call.out.report(
        {"folder": str(folder.resolve()), "files": list(files)},
        *(f"wrote {folder / file}" for file in files),
        f"next: {where}{then}",
    )


def _for_file(name: str, folder: Path, file: Path) -> str:
    """The configuration for a person's own file, whose first records are read."""
    from cxflow.cli import first_records, skeleton, suggestions
    from cxflow.connect.files import detection

    written = detection.settings_of(file)
    with first_records.read(file.resolve(), written) as found:
        suggested = suggestions.suggest(found)
        stream = skeleton.stream_name(file)
        return skeleton.document(name, stream, _configured_path(folder, file), written, found, suggested)


def _configured_path(folder: Path, file: Path) -> str:
    """A file's path for the configuration: relative to the project's folder, and no glob."""
    try:
        found = os.path.relpath(file.resolve(), folder.resolve())
    except ValueError:  # on another drive
        found = str(file.resolve())
    return glob.escape(Path(found).as_posix())
