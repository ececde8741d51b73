"""Control characters of a source reach no terminal and no log: whatever prints them, they are shown as text."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from cli_runner import cxflow
from rich.panel import Panel
from rich.text import Text

from cxflow.cli import logs
from cxflow.cli.output import Output, table
from cxflow.errors import SourceError
from cxflow.visible import in_json, one_line, visible

ESC = "\x1b]0;owned\x07\x1b[2J"
EVIL = f"{ESC}\x7f\x9b31m\u202egnp.exe\u2066\u2028\r"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x7f\x9b31m\u202egnp.exe\u2066\u2028\x0d"
MARKUP = "[red]x[/red] [link=https://example.org]y[/link] :smile:"


def controls(text: str) -> set[str]:
    """The control characters of a text, but line feeds, and what reorders it."""
    bidi = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return {
        each
        for each in text
        if (unicodedata.category(each) in ("Cc", "Zl", "Zp") and each != "\n")
        or unicodedata.bidirectional(each) in bidi
    }


def test_every_control_character_is_shown_and_no_other_character_changes() -> None:
    for code in range(0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        assert not controls(one_line(chr(code))), hex(code)
        if not controls(chr(code)) and chr(code) not in "\n\u061c":
            assert one_line(chr(code)) == visible(chr(code)) == chr(code)


def test_control_characters_are_written_as_in_python() -> None:
    assert visible(EVIL) == SHOWN
    assert visible("a\tb\nc") == "a\tb\nc"
    assert one_line("a\tb\nc") == r"a\tb\nc"
    assert visible("\udce9") == r"\udce9"


def test_json_stays_json_and_means_the_same() -> None:
    text = json.dumps({EVIL: [EVIL, "ñ"]}, ensure_ascii=False)
    assert json.loads(in_json(text)) == {EVIL: [EVIL, "ñ"]}
    assert controls(in_json(text)) == set()


Printed = Callable[[], io.StringIO]


@pytest.fixture(params=["a file", "a terminal"])
def printed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Printed:
    """From its call on, standard output and error, which are a file or a terminal."""

    def begin() -> io.StringIO:  # in the test: pytest puts its own streams in place between set-up and test
        stream = io.StringIO()
        stream.isatty = lambda: request.param == "a terminal"  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    monkeypatch.setenv("TERM", "xterm-256color")
    return begin


WAYS: dict[str, Any] = {
    "a text": lambda out, evil: out.answer(None, f"a {evil} b"),
    "a cell": lambda out, evil: out.answer(None, table("", ("a", "b"), [(evil, 1)])),
    "a title": lambda out, evil: out.answer(None, table(evil, (evil, "b"), [(1, 1)])),
    "a list in a cell": lambda out, evil: out.answer(None, table("", ("a",), [([evil, "x"],)])),
    "a note": lambda out, evil: out.note(evil),
    "an error": lambda out, evil: out.error(f"a\n{evil}", evil),
    "what a plugin renders": lambda out, evil: out.answer(None, Panel(Text(evil), title="x")),
}
OWN = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_prints_can_forget_it(printed: Printed, way: str) -> None:
    stream = printed()
    WAYS[way](Output(), EVIL)
    said = OWN.sub("", stream.getvalue())
    assert controls(said) == set()
    assert r"\x1b]0;owned" in said.replace("\n", "")


@pytest.mark.parametrize("way", [name for name in WAYS if name != "a list in a cell"])
def test_markup_is_printed_as_it_is(printed: Printed, way: str) -> None:
    stream = printed()
    WAYS[way](Output(), MARKUP)
    said = re.sub(r"\s+", " ", OWN.sub("", stream.getvalue()))
    assert MARKUP in said
    assert "\x1b]8" not in stream.getvalue()


def test_a_cell_with_a_line_feed_fakes_no_row() -> None:
    shown = table("", ("a", "b"), [("x\n✓ all is well", 1)])
    assert list(shown.columns[0].cells) == [r"x\n✓ all is well"]


def test_a_step_of_a_progress_bar_is_escaped(printed: Printed) -> None:
    stream = printed()
    with Output().progress(2) as step:
        step(f"a {ESC}")
        step("b")
    assert "\x1b]0;owned" not in stream.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
def test_log_lines_are_escaped(printed: Printed, as_json: bool) -> None:
    stream = printed()
    logs.configure(verbose=True, as_json=as_json)
    try:
        log = structlog.get_logger("cxflow")
        try:
            raise ValueError(EVIL)
        except ValueError:
            log.warning(f"read {EVIL}", origin=EVIL, origins=[EVIL], path=Path(EVIL), exc_info=True)
    finally:
        structlog.reset_defaults()
    said = OWN.sub("", stream.getvalue())
    assert controls(said) == set()
    assert said.count("x1b]0;owned") + said.count(r"\u001b]0;owned") >= 4
    if as_json:
        assert json.loads(said)["origin"] == EVIL


def test_the_warnings_of_libraries_are_escaped(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.configure(verbose=False, as_json=False)
    library = logging.getLogger("some.library")
    monkeypatch.setattr(library, "propagate", False)  # pytest's own handlers are above it
    stream = printed()
    library.warning("cannot read %s", EVIL)
    assert stream.getvalue() == f"cannot read {SHOWN}\n"


def test_an_error_carries_no_control_characters_anywhere() -> None:
    problem = SourceError(f"there is no file {EVIL}", fix=f"remove {EVIL}")
    assert controls(str(problem)) == set()
    assert SHOWN in problem.message


EVIL_NAME = "export-\x1b[31m\u202e.csv"
PROJECT = """
[kpis]
min_n = 1
[connections.s]
connector = "files"
timezone = "UTC"
[connections.s.streams.a]
path = "*.csv"
primary_key = ["id"]
[connections.s.streams.a.to.touchpoint]
activity = "'answered_survey'"
channel = "channel"
occurred_at = "t"
[connections.s.streams.a.to.survey_response]
response_id = "id"
question_id = "'q'"
metric_type = "'nps'"
rating_value = "score"
responded_at = "t"
"""


def test_no_command_prints_what_a_source_contains_raw(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_text(PROJECT)
    channel, key = "web\x1b[2J\u202e[red]x[/red]", "k\x1b]0;t\x07\x9b"
    rows = [f"{number},{channel},2026-01-01,9" for number in range(12)]
    (tmp_path / EVIL_NAME).write_text(
        "\n".join(["id,channel,t,score", *rows, f"{key},{channel},2026-01-01,x", ""])
    )
    (tmp_path / "empty\x1b[1m.csv").write_text("id,channel,t,score\n")
    said = {}
    for command in (
        "run --dry-run",
        "run",
        "status",
        "state list",
        "kpis nps --by channel",
        "quarantine list",
        "quarantine list --entries",
        "doctor",
    ):
        answer = cxflow(*command.split(), project=tmp_path)
        said[command] = answer.out + answer.err
        as_json = cxflow(*command.split(), "--json", project=tmp_path)
        assert controls(as_json.out + as_json.err) == set(), command
        assert as_json.out == "" or as_json.json is not None
    entry = cxflow("quarantine", "list", "--entries", "--json", project=tmp_path).json[0]["quarantine_id"]
    for more in ((), ("--reveal",)):
        answer = cxflow("quarantine", "show", entry, *more, project=tmp_path)
        said[f"show {more}"] = answer.out + answer.err
    (tmp_path / EVIL_NAME).write_text("id;channel\n")
    answer = cxflow("run", project=tmp_path)
    said["an error"] = answer.out + answer.err
    assert {command: controls(text) for command, text in said.items() if controls(text)} == {}
    assert r"web\x1b[2J\u202e[red]x[/red]" in said["kpis nps --by channel"]
    assert r"k\x1b]0;t\x07\x9b" in said["quarantine list --entries"]
    assert r'"channel":"web\u001B[2J\u202e[red]x[/red]"' in said["show ('--reveal',)"]
