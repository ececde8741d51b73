"""A company's folder: its exports, its truth, and the project that reads them. Used by both commands."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from cxflow import ConfigError
from cxflow.settings import FILE_NAME

_MADE = ("exports", "landing", "warehouse.duckdb", "warehouse.duckdb.wal", ".cxflow", "truth.json")
"""What a demo creates in its folder, besides cxflow.toml."""


def project() -> str:
    """The `cxflow.toml` that comes with the demo."""
    return (resources.files("cxflow_demo") / FILE_NAME).read_text(encoding="utf-8")


def has_company(folder: Path) -> bool:
    """Whether a company was made in a folder."""
    return (folder / "truth.json").is_file()


def refuse_others(folder: Path) -> None:
    """Raise ConfigError for a folder that holds anything but a company."""
    if folder.is_dir() and any(folder.iterdir()) and not has_company(folder):
        raise ConfigError(f"{folder} holds something else", value=str(folder), fix="name another folder")


def clear(folder: Path) -> None:
    """Remove what was made of a company, except for `cxflow.toml`, which the user may have edited."""
    for name in _MADE:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


def configure(folder: Path, text: str) -> None:
    """Write `cxflow.toml`, unless there is one."""
    if not (folder / FILE_NAME).exists():
        (folder / FILE_NAME).write_text(text, encoding="utf-8")
