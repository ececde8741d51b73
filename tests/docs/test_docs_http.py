"""The connector of the HTTP page reads an invented service."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from cxflow import sources
from cxflow.testing import TestProject
from cxflow.testing.service import served

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http.md").read_text()
sys.path.insert(0, str(ROOT / "tests" / "connect" / "http"))

from invented_desk import TOKEN, Desk, ticket  # noqa: E402


def test_the_connector_of_the_page_reads_tickets_and_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    toml, own = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "docs_help_desk.py").write_text(code)
    monkeypatch.setenv("DESK_TOKEN", TOKEN)
    service = Desk([ticket(number, number, custom={"reason": "late"}) for number in range(1, 9)])
    service.comments = {3: [{"id": "a", "written_at": "2026-03-10T00:00:00Z", "text": "thanks"}]}
    tree = tomllib.loads(toml + own)
    with served(service.application()) as url:
        tree["connections"]["desk"] |= {"base_url": url, "private_network": True}
        project = TestProject(tmp_path, {"plugins": ["docs_help_desk"], **tree})
        sources.lint(project.settings, "desk")
        assert service.asked == [], "lint asks nothing"
        sources.doctor(project.settings, "desk", "tickets")
        assert len(service.asked) == 1
        project.run()
    assert project.query("SELECT count(*), count(DISTINCT reason) FROM support_case") == [(8, 1)]
    assert project.query("SELECT count(*) FROM touchpoint WHERE activity = 'wrote_message'") == [(1,)]


def test_every_class_of_the_page_is_there() -> None:
    from cxflow import http

    named = set(re.findall(r"^\| `(\w+)[`(]", PAGE, flags=re.MULTILINE))
    classes = {name for name in named if name[0].isupper() or name == "bearer"}
    assert len(classes) > 12
    assert [name for name in classes if not hasattr(http, name)] == []
    pagings = {
        kind.__name__ for kind in http.Paging.__subclasses__() if kind.__module__.startswith("cxflow.")
    }
    assert pagings <= classes
