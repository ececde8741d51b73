"""`cxflow plugins`, `connectors`, `schema`, `doctor`; what starting costs; the shared options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runner import cxflow, edit

HEAVY = ("duckdb", "sqlalchemy", "great_expectations", "airflow", "pydantic", "numpy", "pyarrow", "alembic")


def test_plugins_are_listed_with_their_hooks(loaded: Path) -> None:
    by_name = {each["name"]: each for each in cxflow("plugins", "--json", project=loaded).json}
    assert by_name["files"]["hooks"] == ["cxflow_connectors"]
    assert by_name["kpis"]["hooks"] == ["cxflow_kpis"]


def test_a_projects_own_plugin_is_listed(fresh: Path) -> None:
    (fresh / "cli_test_plugin.py").write_text("")
    edit(fresh, "[project]", 'plugins = ["cli_test_plugin"]\n\n[project]')
    names = [each["name"] for each in cxflow("plugins", "--json", project=fresh).json]
    assert "cli_test_plugin" in names


def test_every_setting_of_the_files_connector_is_explained() -> None:
    said = cxflow("connectors", "files", "--json").json
    by_name = {each["setting"]: each for each in said["stream"]}
    assert by_name["path"]["default"] == "required"
    assert by_name["decimal"]["default"] == '"."'
    assert "dotted path" in by_name["records"]["means"]
    assert {each["setting"] for each in said["connection"]} >= {"connector", "timezone", "root"}


def test_connectors_need_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "files" in [each["name"] for each in cxflow("connectors", "--json").json]


def test_the_nearest_parent_with_a_project_is_meant(loaded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loaded / "exports")
    assert cxflow("lint", "--json").json["checked"] == ["surveys.answers"]


def test_shared_options_stand_before_or_after_the_command(loaded: Path) -> None:
    before = cxflow("--json", "--project", loaded, "state", "list")
    after = cxflow("state", "list", "--json", "--project", loaded)
    assert before.json == after.json


def test_the_doctor_finds_a_healthy_project(loaded: Path) -> None:
    answer = cxflow("doctor", "--json", project=loaded)
    assert answer.code == 0
    found = {each["subject"]: each["state"] for each in answer.json}
    assert {
        found[name] for name in ("Python", "plugins", "warehouse", "landing zone", "surveys.answers")
    } == {"ok"}
    assert found["identity salt"] == "note"


def test_the_doctor_names_what_is_ill_and_the_fix(fresh: Path) -> None:
    edit(fresh, "exports/*.csv", "elsewhere/*.csv")
    edit(fresh, "[connections.surveys]", '[landing]\nurl = "nowhere://x"\n\n[connections.surveys]')
    answer = cxflow("doctor", project=fresh)
    assert answer.code == 78
    assert "✗ surveys.answers: no file matches" in answer.out
    assert "✗ landing zone: " in answer.out
    assert "fix: fix the path, or set optional = true" in answer.out
    assert not (fresh / "warehouse.duckdb").exists()


def test_the_doctor_asks_for_the_extras_that_a_project_needs(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxflow.cli import examination

    monkeypatch.setitem(examination.EXTRAS, "excel", ("no_such_module",))
    edit(fresh, "exports/*.csv", "exports/*.xlsx")
    answer = cxflow("doctor", project=fresh)
    assert "✗ extra excel" in answer.out
    assert "pip install 'cxflow-framework[excel]'" in answer.out


def test_the_doctor_looks_at_the_machine_where_there_is_no_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cxflow("doctor", "--json")
    assert answer.code == 0
    assert answer.json[-1]["subject"] == "project"


def process(
    *arguments: object, code: str = "from cxflow.cli import main; main()"
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, json\nfrom cxflow.cli import main\ntry:\n    main()\n"
        "finally:\n    sys.stderr.write(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = process("--help", code=code)
    assert done.returncode == 0
    assert "quarantine" in done.stdout
    assert not set(HEAVY) & set(json.loads(done.stderr))


def test_importing_cxflow_costs_nothing() -> None:
    done = process(code="import cxflow, sys; print(sorted(name for name in sys.modules if 'cxflow' in name))")
    assert done.stdout.strip() == "['cxflow']"


def test_a_real_process_answers_in_json_and_nothing_else(own: Path) -> None:
    done = process("run", "--json", "--project", own)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["errors"] == []


def test_a_real_process_ends_with_the_code_of_its_error(tmp_path: Path) -> None:
    done = process("status", "--project", tmp_path)
    assert done.returncode == 78
    assert done.stdout == ""
    assert done.stderr.startswith("error: there is no cxflow.toml in ")


def test_a_usage_error_ends_with_2() -> None:
    assert cxflow("rum").code == 2


@pytest.mark.parametrize("words", [("rum",), ("kpis", "--foo"), ("read",), ("kpis", "--grain", "hour")])
def test_with_json_a_usage_error_is_json(words: tuple[str, ...]) -> None:
    for said in (("--json", *words), (*words, "--json")):
        done = process(*said)
        assert (done.returncode, done.stdout) == (2, "")
        told = json.loads(done.stderr)
        assert (told["error"], told["exit_code"]) == ("UsageError", 2)
        assert told["message"]


def test_flags_have_no_type() -> None:
    for command in ((), ("kpis",), ("run",)):
        told = cxflow(*command, "--help").out
        assert "--json" in told
        assert "bool" not in told


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("cxflow run s", ["surveys", "surveys.answers"]),
        ("cxflow --json lint surveys.", ["surveys.answers"]),
        ("cxflow read x", []),
        ("cxflow kpis npss", []),
        ("cxflow kpis nps", ["nps", "nps_weighted"]),
    ],
)
def test_the_shell_completes_names(loaded: Path, words: str, completed: list[str]) -> None:
    assert completions(words, loaded) == completed


def test_nothing_is_completed_without_a_project(tmp_path: Path) -> None:
    assert completions("cxflow run s", tmp_path) == []


def completions(words: str, folder: Path) -> list[str]:
    """What bash is offered after these words."""
    asked = {"_CXFLOW_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [Path(sys.executable).with_name("cxflow")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, **asked},
        cwd=folder,
    )
    assert not done.stderr
    return done.stdout.split()


def test_the_version_is_told() -> None:
    assert cxflow("--version").out.startswith("cxflow ")
