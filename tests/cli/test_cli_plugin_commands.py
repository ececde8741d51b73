"""Commands that plugins bring: what they can do, what loading them costs, and who is told of a broken one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_runner import cxflow

from cxflow.connect import commands

GREET = '''
"""An invented plugin."""

from typing import Annotated

import typer

from cxflow import Call, ConfigError, hookimpl, table


def greet_all(call: Call, who: str, loudly: Annotated[bool, typer.Option("--loudly")] = False) -> None:
    """Greet somebody."""
    if who == "nobody":
        raise ConfigError("nobody is there", value=who, fix="name somebody")
    said = f"hello {who}".upper() if loudly else f"hello {who}"
    call.out.answer({"said": said}, table("Greetings", ("said",), [(said,)]))


@hookimpl
def cxflow_commands():
    return [greet_all]
'''
RUN = '''
from cxflow import Call, hookimpl


def run(call: Call) -> None:
    """Run away."""
    raise SystemExit("the plugin's command ran")


@hookimpl
def cxflow_commands():
    return [run]
'''
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a plugin of one module with commands; gives the folder that it is in."""
    modules = set(sys.modules)

    def do(text: str, name: str = "invented") -> Path:
        folder = tmp_path / f"site-{name}"
        info = folder / f"cxflow_{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cxflow-{name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[cxflow.commands]\n{name} = cxflow_{name}_commands\n")
        (folder / f"cxflow_{name}_commands.py").write_text(text)
        monkeypatch.syspath_prepend(folder)
        commands.plugins.cache_clear()
        return folder

    yield do
    commands.plugins.cache_clear()
    for module in set(sys.modules) - modules:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[module]


def test_a_plugins_command_is_one_of_cxflows(install: Install) -> None:
    install(GREET)
    shown = cxflow("--help")
    assert (shown.code, shown.err) == (0, "")
    assert "Added by plugins" in shown.out
    assert "greet-all" in shown.out
    assert "Greet somebody." in shown.out


def test_it_has_the_options_of_all_commands_and_its_own(install: Install) -> None:
    install(GREET)
    assert cxflow("greet-all", "Ada", "--loudly", "--json").json == {"said": "HELLO ADA"}
    assert cxflow("--json", "greet-all", "Ada").json == {"said": "hello Ada"}
    assert "hello Ada" in cxflow("greet-all", "Ada").out
    assert "--verbose" in cxflow("greet-all", "--help").out


def test_its_errors_are_told_like_all_others(install: Install) -> None:
    install(GREET)
    answer = cxflow("greet-all", "nobody")
    assert answer.code == 78
    assert answer.err == "error: nobody is there\nfix: name somebody\n"


def test_a_plugin_with_commands_is_listed(install: Install) -> None:
    install(GREET)
    found = {each["name"]: each for each in cxflow("plugins", "--json").json}
    assert found["invented"] == {
        "name": "invented",
        "distribution": "cxflow-invented",
        "version": "1.2",
        "hooks": ["cxflow_commands"],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('elsewhere')", "SystemExit: elsewhere"),
        ("", "cxflow_invented_commands has no hook cxflow_commands"),
        (GREET.replace("@hookimpl", ""), "cxflow_invented_commands has no hook cxflow_commands"),
        (GREET.replace("return [greet_all]", "return ['greet_all']"), "'greet_all' is not a function"),
        (GREET.replace("return [greet_all]", "raise ValueError('late')"), "ValueError: late"),
        (GREET + "\n@hookimpl\ndef cxflow_comands(): ...\n", "unknown hook 'cxflow_comands'"),
        (
            GREET + "\n@hookimpl\ndef cxflow_kpis(): return []\n",
            "has the hook cxflow_kpis, which belongs in another module, in the entry point group 'cxflow'",
        ),
    ],
)
def test_a_broken_plugin_is_told_and_the_rest_works(
    install: Install, loaded: Path, text: str, says: str
) -> None:
    install(text)
    install(GREET.replace("greet_all", "wave"), "healthy")

    shown = cxflow("--help")
    assert shown.code == 0
    assert {"quarantine", "wave"} <= set(shown.out.split())
    assert shown.err.startswith("error: the commands of the plugin 'invented' cannot be loaded: ")
    assert says in shown.err
    assert "fix: fix or uninstall cxflow-invented" in shown.err

    assert cxflow("wave", "Ada", "--json").json == {"said": "hello Ada"}
    own = cxflow("status", project=loaded)
    assert (own.code, own.err) == (0, "")


def test_an_unknown_command_may_be_one_of_a_broken_plugin(install: Install) -> None:
    install("import no_such_library")
    by_its_name = cxflow("invented")
    assert by_its_name.code == 78
    assert "the commands of the plugin 'invented' cannot be loaded" in by_its_name.err
    other = cxflow("--json", "greet-all")
    assert other.code == 2
    told, usage = other.err.split("\n", 1)
    assert '"value": "invented"' in told
    assert "No such command 'greet-all'" in usage


def test_the_doctor_and_the_list_of_plugins_name_a_broken_one(install: Install, loaded: Path) -> None:
    install("import no_such_library")
    examined = cxflow("doctor", project=loaded)
    assert examined.code == 78
    assert "✗ plugins: the commands of the plugin 'invented' cannot be loaded" in examined.out
    listed = cxflow("plugins", "--json")
    assert listed.code == 78
    assert [each["value"] for each in listed.errors] == ["invented"]
    assert "files" in [each["name"] for each in listed.json]


def test_a_command_of_cxflow_stays_its_own(install: Install, fresh: Path) -> None:
    install(RUN)
    says = "cxflow-invented adds a command 'run', which is built in"
    assert says in cxflow("--help").err
    assert says in cxflow("doctor", project=fresh).out
    assert cxflow("plugins").code == 78
    assert cxflow("run", "--json", project=fresh).json["streams"]


def test_a_command_that_two_plugins_bring_is_neither_ones(install: Install) -> None:
    install(GREET, "one")
    install(GREET, "two")
    says = "the command 'greet-all' is added twice, by cxflow-one and cxflow-two"
    shown = cxflow("--help")
    assert shown.code == 0
    assert says in shown.err
    assert "greet-all" not in shown.out
    typed = cxflow("greet-all", "Ada")
    assert typed.code == 78
    assert f"error: {says}\nfix: uninstall cxflow-two" in typed.err


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        ("()", "TypeError: its first parameter must be a cxflow.Call"),
        ("(call: Call, what: int | str)", "AssertionError: Typer"),
        ("(call: Cal)", "NameError: name 'Cal' is not defined"),
    ],
)
def test_a_function_that_can_be_no_command_is_told(install: Install, signature: str, says: str) -> None:
    head = "from __future__ import annotations\nfrom cxflow import Call, hookimpl\n"
    install(f"{head}def odd{signature}: ...\n@hookimpl\ndef cxflow_commands(): return [odd]\n")
    shown = cxflow("--help")
    assert shown.code == 0
    assert f"the command 'odd' of the plugin 'invented' cannot be used: {says}" in shown.err


def process(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with the plugin of a folder."""
    return subprocess.run(
        [sys.executable, "-c", "from cxflow.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
    )


def test_a_command_of_cxflow_loads_no_plugins_commands(install: Install, loaded: Path) -> None:
    folder = install("import sys; sys.stderr.write('the plugin was loaded')" + GREET)
    done = process(folder, "status", "--project", str(loaded))
    assert (done.returncode, done.stderr) == (0, "")
    assert "the plugin was loaded" in process(folder, "--help").stderr


def test_shells_complete_a_plugins_command(install: Install) -> None:
    folder = install(GREET)
    asked = {"_CXFLOW_COMPLETE": "complete_bash", "COMP_WORDS": "cxflow gre", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'cxflow'; from cxflow.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder), **asked},
    )
    assert done.stdout.split() == ["greet-all"]
    assert done.stderr == ""
