"""Where a command writes what its caller wants: what is said when it cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cli_runner import cxflow

from cxflow import private_files
from cxflow.cli import output_file
from cxflow.errors import ConfigError, TransientError


def fail(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Files cannot be written, for the reason with this number."""

    def replace(path: Path, content: bytes) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(private_files, "replace", replace)


def test_a_file_that_cannot_be_written_is_named_with_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, errno.EACCES)
    with pytest.raises(ConfigError, match=r"a\.csv cannot be written: Permission denied") as problem:
        output_file.write(Path("a.csv"), b"")
    assert problem.value.fix == "name another file with --output"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_the_same_command_may_succeed_later(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fail(monkeypatch, number)
    with pytest.raises(TransientError, match=r"the disk of a\.csv is full") as problem:
        output_file.write(Path("a.csv"), b"")
    assert problem.value.exit_code == 75


def test_a_report_on_a_full_disk_ends_as_transient(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, errno.ENOSPC)
    answer = cxflow("report", "--output", loaded / "page.html", project=loaded)
    assert answer.code == 75
    assert "page.html is full" in answer.err
    assert not (loaded / "page.html").exists()
