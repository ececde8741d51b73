"""The docs are tested: what the code offers is in them, what they show works, what is made is fresh."""

from __future__ import annotations

import json
import re
import threading
import tomllib
import types
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import sqlalchemy as sa
import structlog
from typer.main import get_command
from typer.testing import CliRunner

from cxflow import hookspecs, sources
from cxflow import settings as configuration
from cxflow.cli.app import app
from cxflow.cli.outcome import notes
from cxflow.cli.reference import documents
from cxflow.connect import commands, registry
from cxflow.connect.files.connector import Files
from cxflow.errors import ConfigError, TransientError
from cxflow.kpis import catalogue
from cxflow.kpis.calculator import compute
from cxflow.kpis.read import values
from cxflow.kpis.slicing import check
from cxflow.model.expectation import Expectation
from cxflow.settings import Settings
from cxflow.testing import TestProject
from cxflow.warehouse.tables import interaction, metadata

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    (
        *DOCS.glob("**/*.md"),
        *ROOT.glob("*.md"),
        *ROOT.glob("plugins/*/README.md"),
        ROOT / "warehouse" / "DECISIONS.md",
    )
)


def snippets(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


MADE = documents(DOCS)


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.name)
def test_what_is_made_from_the_code_is_fresh(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == MADE[path], "run `make docs`"


def test_every_connector_of_the_repository_has_its_page_and_no_other_page_is_left() -> None:
    declared = {"files", "sql"}
    for plugin in ROOT.glob("plugins/*/src/**/*.py"):
        text = plugin.read_text()
        declared |= set(re.findall(r'^    name(?:: ClassVar\[str\]) = "(\w+)"$', text, flags=re.MULTILINE))
    assert len(declared) > 10
    assert {path.stem for path in (DOCS / "connectors").glob("*.md")} == declared
    page = (DOCS / "connectors" / "zendesk.md").read_text()
    assert "| `subdomain` | text, here or where the secrets are | required |" in page
    assert "| look-back | 60 days |" in page, "of ratings"
    assert "| version | `coalesce(to_timestamp(generated_timestamp::BIGINT), " in page
    assert "| fills `support_case` | `case_id`" in page


def test_every_hook_is_documented() -> None:
    text = (DOCS / "connectors.md").read_text()
    hooks = [name for name in vars(hookspecs) if name.startswith("cxflow_")]
    assert hooks
    assert [name for name in hooks if f"`{name}`" not in text] == []


def test_every_command_is_documented() -> None:
    text = (DOCS / "cli.md").read_text()
    commands = list(get_command(app).commands)  # type: ignore[attr-defined]
    assert len(commands) > 10
    assert [name for name in commands if f"cxflow {name}" not in text] == []


def test_every_dependency_says_why_it_is_here() -> None:
    text = (DOCS / "dependencies.md").read_text().lower()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[\[<>=]", item)[0] for item in project["dependencies"]}
    for extra in project["optional-dependencies"].values():
        names |= {re.split(r"[\[<>=]", item)[0] for item in extra}
    spelt = {name: name.removeprefix("apache-").split("-driver")[0].replace("-", " ") for name in names}
    assert [name for name, spelling in spelt.items() if spelling not in text and name not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_files_that_contributing_tells_to_touch_are_there() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text().partition("## Recipes")[2].splitlines()
    named = [
        name for line in lines if line[:3] == "| `" for name in re.findall("`([^`]+)`", line.split("|")[1])
    ]
    assert len(named) > 20
    assert [name for name in named if not any(ROOT.glob(re.sub("<[^>]+>", "*", name)))] == []


def test_ci_runs_what_people_run() -> None:
    command = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert command == "make test"
    assert f"- run: {command}\n" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()


def test_the_project_of_the_mapping_page_is_valid(tmp_path: Path) -> None:
    (tmp_path / configuration.FILE_NAME).write_text(snippets("mapping.md", "toml")[0])
    settings = configuration.load(tmp_path)
    connector = registry.open_connection(settings, "exports")
    assert isinstance(connector, Files)
    assert set(connector.stream("reviews").to) == {"touchpoint", "review"}


def test_the_templates_of_the_mapping_page_make_what_it_says(tmp_path: Path) -> None:
    project = TestProject(
        tmp_path, next(text for text in snippets("mapping.md", "toml") if "[templates" in text)
    )
    (tmp_path / "exports").mkdir()
    for name, mark, score in (("madrid", ";", 4), ("lisbon", ",", 9)):
        lines = (("review_id", "created", "score", "comment"), (name, "2026-03-01 12:00", str(score), "fine"))
        text = "".join(f"{mark.join(line)}\n" for line in lines)
        (tmp_path / "exports" / f"{name}-1.csv").write_text(text)
    project.run()
    assert project.rows("review", "review_id", "rating_value", "date_published") == [
        ("shops:lisbon", 4.5, datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("shops:madrid", 4.0, datetime(2026, 3, 1, 11, tzinfo=UTC)),
    ]


def test_the_places_of_the_sources_page_are_valid(tmp_path: Path) -> None:
    stream = next(text for text in snippets("sources.md", "toml") if 'path = "answers' in text)
    text = f'[connections.shop]\nconnector = "files"\ntimezone = "Europe/Madrid"\n{stream}'
    project = TestProject(tmp_path, text)
    (tmp_path / "answers" / "web").mkdir(parents=True)
    answers = tmp_path / "answers" / "web" / "2026-03.csv"
    answers.write_text("answered\n2026-03-01 12:00\n2026-03-01 12:00\n")
    project.run()
    assert project.rows("touchpoint", "source_record_id", "channel") == [
        ("answers/web/2026-03.csv|1", "web"),
        ("answers/web/2026-03.csv|2", "web"),
    ]


def test_the_expectations_of_their_page_are_valid() -> None:
    tree = tomllib.loads(next(text for text in snippets("expectations.md", "toml") if ".expect]]" in text))
    declared = tree["connections"]["shop"]["streams"]["orders"]["expect"]
    assert [Expectation.model_validate(item).rule for item in declared] == [
        "discount_within_total",
        "status_known",
        "not_empty",
    ]


class Desk(BaseHTTPRequestHandler):
    """The invented help desk of the connectors page, in two pages."""

    asked: ClassVar[list[str]] = []
    broken: ClassVar[set[str]] = set()
    """Paths that it answers with an error, once."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in self.broken:
            self.broken.remove(path)
            self.send_error(503)
            return
        self.asked.append(path)
        ticket = {
            "id": 1,
            "status": "open",
            "reason": "late",
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T11:00:00Z",
            "via": {"channel": "email"},
            "requester": {"email": "ada@example.org"},
            "subject": "Where is it?",
        }
        if "second" in self.path:
            page = {"tickets": [{**ticket, "id": 2}]}
        else:
            host = f"http://{self.headers['Host']}"
            page = {"tickets": [ticket], "next": f"{host}/tickets/second"}
        if self.headers["Authorization"] != "Bearer an-invented-token":
            self.send_error(401)
            return
        body = json.dumps(page).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def desk() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_plugin_of_the_connectors_page_runs(
    desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs_desk.py").write_text(snippets("connectors.md", "python")[0])
    monkeypatch.setenv("DESK_TOKEN", "an-invented-token")
    connection = {"connector": "desk", "url": desk, "token": {"env": "DESK_TOKEN"}}
    project = TestProject(tmp_path, {"plugins": ["docs_desk"], "connections": {"help": connection}})

    report = project.run()["help.tickets"]

    assert (report.counts.extracted, report.counts.inserted) == (2, 2)
    assert project.rows("support_case", "case_id") == [("help:1",), ("help:2",)]


def test_the_plugin_of_the_connectors_page_resumes(
    desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs_desk_resumed.py").write_text(snippets("connectors.md", "python")[0])
    monkeypatch.setenv("DESK_TOKEN", "an-invented-token")
    connection = {"connector": "desk", "url": desk, "token": {"env": "DESK_TOKEN"}}
    tree = {"plugins": ["docs_desk_resumed"], "landing": {"checkpoint_seconds": 0}}
    project = TestProject(tmp_path, {**tree, "connections": {"help": connection}})
    monkeypatch.setattr(Desk, "broken", {"/tickets/second"})
    with pytest.raises(TransientError, match="the desk asks to wait"):
        project.run()
    monkeypatch.setattr(Desk, "asked", [])

    report = project.run()["help.tickets"]

    assert Desk.asked == ["/tickets", "/tickets/second"], "the first is only `check`"
    assert (report.counts.extracted, report.counts.inserted) == (2, 2)
    assert report.notes == {"resumed_at": 1}
    assert notes(report.notes) == ["resumed an interrupted pull (1 records kept)"]


def test_the_plugin_of_the_connectors_page_tells_a_wrong_token(
    desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs_desk_refused.py").write_text(snippets("connectors.md", "python")[0])
    monkeypatch.setenv("DESK_TOKEN", "a-wrong-token")
    connection = {"connector": "desk", "url": desk, "token": {"env": "DESK_TOKEN"}}
    project = TestProject(tmp_path, {"plugins": ["docs_desk_refused"], "connections": {"help": connection}})
    with pytest.raises(ConfigError, match=r"help\.tickets: the desk refuses the token \(it needs the right"):
        sources.doctor(project.settings, "help", "tickets")
    with pytest.raises(ConfigError, match="the desk refuses the token"):
        project.run()


def test_the_command_of_the_connectors_page_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points = tomllib.loads(snippets("connectors.md", "toml")[1])["project"]["entry-points"]
    assert entry_points == {"cxflow.commands": {"desk": "cxflow_desk.commands"}}
    info = tmp_path / "cxflow_desk-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cxflow-desk\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cxflow.commands]\ndesk = cxflow_desk.commands\n")
    (tmp_path / "cxflow_desk").mkdir()
    (tmp_path / "cxflow_desk" / "commands.py").write_text(snippets("connectors.md", "python")[2])
    desk = '[connections.{}]\nconnector = "desk"\nurl = "http://{}.example"\n'
    (tmp_path / configuration.FILE_NAME).write_text(desk.format("old", "a") + desk.format("new", "b"))
    monkeypatch.syspath_prepend(tmp_path)
    commands.plugins.cache_clear()
    try:
        answer = CliRunner().invoke(app, ["desks", "--at", "b.", "--json", "--project", str(tmp_path)])
    finally:
        commands.plugins.cache_clear()
        structlog.reset_defaults()
    assert json.loads(answer.stdout) == {"new": "http://b.example"}


def test_the_kpi_of_the_kpis_page_is_one() -> None:
    module = types.ModuleType("docs_kpi")
    exec(snippets("kpis.md", "python")[0], vars(module))
    [kpi] = module.cxflow_kpis()
    assert kpi.estimator(Settings()).method == "exact binomial, over customers"
    settings = Settings.model_validate({"kpis": {"min_n": 1, "dimensions": ["length"]}})
    row = {"source_system": "desk", "source_object": "calls", "is_deleted": False, "run_id": "run"}
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with sa.create_engine("duckdb:///:memory:").connect() as warehouse:
        metadata.create_all(warehouse)
        for number, (answered, seconds, transfers) in enumerate(
            ((noon, 60, 1), (noon, 900, 0), (None, None, 1))
        ):
            call = {"answered_at": answered, "talk_seconds": seconds, "transfer_count": transfers}
            key = {"interaction_id": f"{number}", "source_record_id": f"{number}", "offered_at": noon}
            warehouse.execute(sa.insert(interaction), row | key | call | {"loaded_at": noon})
        compute(warehouse, settings, {kpi.name: kpi}, noon)
        (whole,) = values(warehouse, kpi.name)
        assert (whole.n, whole.value) == (2, 0.5)
        by_length = {each.dimension_value: each.value for each in values(warehouse, kpi.name, by="length")}
        assert by_length == {"short": 1, "long": 0}


@pytest.mark.parametrize("number", range(2))
def test_the_slices_of_the_kpis_page_are_offered(number: int) -> None:
    kpis = tomllib.loads(snippets("kpis.md", "toml")[number])["kpis"]
    check(catalogue.of_project(Settings()), Settings.model_validate({"kpis": kpis}))


def test_the_calendar_and_the_agreement_of_the_kpis_page_are_valid() -> None:
    assert Settings.model_validate(tomllib.loads(snippets("kpis.md", "toml")[3])).kpis.sla.priorities
    declared = Settings.model_validate(tomllib.loads(snippets("kpis.md", "toml")[2]))
    assert declared.connections["desk"]["calendar"] in declared.calendars


def test_the_project_speaks_of_no_registry_and_no_machine() -> None:
    words = re.compile(r"pypi\.org|pythonhosted\.org|npmjs\.|deb\.debian\.org|/(?:work|root|home)/")
    found = []
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        ours = not parts[0].startswith(".") and parts[0] != "demo" and path.name != "test_docs.py"
        text = path.suffix in (".py", ".md", ".toml", ".txt", ".sql", ".json")
        if ours and text and words.search(path.read_text()):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_the_database_of_the_sources_page_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_URL", "sqlite:///erp.db")
    page = snippets("sources.md", "toml")
    (tmp_path / configuration.FILE_NAME).write_text(next(text for text in page if "ERP_URL" in text))
    assert sources.lint(configuration.load(tmp_path), "erp") == ["erp.orders"]


def test_the_baskets_of_the_sources_page_are_made_of_lines(tmp_path: Path) -> None:
    page = snippets("sources.md", "toml")
    connection = '[connections.till]\nconnector = "files"\ntimezone = "UTC"\n'
    lines = "1,2026-03-01 10:00,tea,1.10\n2,2026-03-01 10:05,tea,1.10\n1,2026-03-01 10:01,milk,2\n"
    (tmp_path / "lines-1.csv").write_text(f"basket,time,product,price\n{lines}")
    project = TestProject(tmp_path, connection + next(text for text in page if "group_by" in text))
    (report,) = project.run().values()
    assert (report.counts.extracted, report.counts.inserted) == (2, 2)
