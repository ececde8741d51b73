"""Where each edition of the data sets lies, and the fixtures that tests ask for one: conftest.py makes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import pytest
from binary_slices import SLICES
from real_project import VARIABLE, RealProject
from real_sets import REAL, SLICE, Loaded, RealSet

of_the_slice = pytest.mark.parametrize("edition", [SLICE], indirect=True, scope="session")
"""Marks tests that say record by record what becomes of a slice."""


class Home(Protocol):
    """Makes a project of an edition of a set on a database, with a copy of its data that a test may touch."""

    def __call__(self, of: RealSet, database: str, edition: str) -> RealProject: ...


class Load(Protocol):
    """Loads an edition of a set into a database, once."""

    def __call__(self, of: RealSet, database: str, edition: str) -> Loaded: ...


class Source(Protocol):
    """Gives the file that a stream of a set reads."""

    def __call__(self, of: RealSet, stream: str) -> Path: ...


class Figure(Protocol):
    """Picks what to expect: of the real set, as published or counted, or of its slice, worked out by hand."""

    def __call__(self, *, real: Any, slice: Any) -> Any: ...


def folder_of(edition: str) -> Path:
    """The folder of all sets of an edition. Skips the test where the real ones are missing."""
    if edition == SLICE:
        return SLICES
    outside = os.environ.get(VARIABLE)
    folder = Path(outside or "").resolve()
    if not outside or not folder.is_dir():
        pytest.skip(f"the real data sets are kept outside the repository; {VARIABLE} says where")
    return folder


def file_of(of: RealSet, stream: str, edition: str) -> Path:
    """The file that a stream reads. Skips the test where a real one is missing; a slice never is."""
    folder = folder_of(edition)
    file = folder / of.files[stream]
    if edition == REAL and not file.is_file():
        pytest.skip(f"{folder} has no {of.files[stream]}")
    return file
