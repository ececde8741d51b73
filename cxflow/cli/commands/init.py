"""`cxflow init`: creates a project."""

from __future__ import annotations

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
        Path | None, typer.Option(metavar="PATH", help="Configure this CSV file instead of a sample.")
    ] = None,
) -> None:
    """Create a project: a commented cxflow.toml that works at once, or one for your own CSV file.

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
        found = sample.header(csv)
        path = _configured_path(folder, csv)
        files = {
            FILE_NAME: sample.skeleton(name, sample.project_name(Path(csv.name.split(".")[0])), path, found)
        }
        then = f"map the records in {FILE_NAME}, then cxflow lint, cxflow run and cxflow kpis"
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
    where = "" if folder.resolve() == Path.cwd() else f"cd {folder}, "
    call.out.report(
        {"folder": str(folder.resolve()), "files": list(files)},
        *(f"wrote {folder / file}" for file in files),
        f"next: {where}{then}",
    )


def _configured_path(folder: Path, csv: Path) -> str:
    """A file's path for the configuration: relative if the file is in the project folder, else absolute."""
    there, home = csv.resolve(), folder.resolve()
    return there.relative_to(home).as_posix() if there.is_relative_to(home) else there.as_posix()
