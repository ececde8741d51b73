"""Progress on a real terminal, and none elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from cxflow.cli import main; main()"]


def on_a_terminal(*arguments: str) -> str:
    """What a command draws on a terminal."""
    mine, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=its, stdout=its, stderr=its, env=environment
    ) as process:
        os.close(its)
        drawn = b""
        while True:
            try:
                block = os.read(mine, 1 << 16)
            except OSError:  # Linux: nobody has the terminal open any more
                break
            if not block:
                break
            drawn += block
    os.close(mine)
    assert process.returncode == 0, drawn.decode()
    return drawn.decode()


def test_a_run_shows_stream_stage_records_and_kpis_on_a_terminal(fresh: Path) -> None:
    drawn = on_a_terminal("run", "--project", str(fresh))
    assert "surveys.answers" in drawn
    assert " 20 records" in drawn, "of a batch in a stage"
    assert "computing: " in drawn
    assert " KPIs" in drawn


def test_a_quiet_run_draws_nothing(fresh: Path) -> None:
    assert on_a_terminal("run", "--quiet", "--no-kpis", "--project", str(fresh)) == ""


def test_a_run_without_a_terminal_writes_nothing_to_stderr(fresh: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "run", "--no-kpis", "--project", str(fresh)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
