"""The suite finds connectors that are broken on purpose."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

BROKEN = '''
from test_http_conformance import _desk
from invented_desk import TOKEN, InventedDesk
from cxflow import hookimpl, http
from cxflow.testing import conformance


class TakesErrorsForPages(InventedDesk):
    """An answer with status 500 has no records and no next page."""

    name = "takes_errors_for_pages"
    errors = http.Errors(rules=(http.Rule(500, http.Then.USE), http.Rule(418, http.Then.USE)))


class ResumesElsewhere(InventedDesk):
    """It goes on after the page after its checkpoint."""

    name = "resumes_elsewhere"

    def resume(self, stream, window, cursor, checkpoint):
        reading = super().resume(stream, window, cursor, checkpoint)
        next(reading, None), next(reading, None)
        return (yield from reading)


@hookimpl
def cxflow_connectors():
    return [TakesErrorsForPages, ResumesElsewhere]


def suite(name):
    return conformance(
        {"connector": name, "account": "acme", "token": {"env": "DESK_TOKEN"}},
        service=_desk,
        project={"plugins": ["test_broken_desks"]},
        environment={"DESK_TOKEN": TOKEN},
    )


TestErrors = suite("takes_errors_for_pages")
TestResumes = suite("resumes_elsewhere")
'''


def test_a_connector_that_loses_records_fails_where_it_loses_them(tmp_path: Path) -> None:
    (tmp_path / "test_broken_desks.py").write_text(BROKEN)
    here = Path(__file__).parent
    asked = ["-q", "-rf", "-p", "no:cacheprovider", "-k", "trouble or interrupted or accounted"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *asked, "test_broken_desks.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(tmp_path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = set(re.findall(r"^FAILED \S+::(Test\w+::\w+)", done.stdout, flags=re.MULTILINE))
    assert failed == {
        "TestErrors::test_trouble_that_passes_loses_and_doubles_nothing",
        "TestErrors::test_trouble_that_stays_ends_the_pull_and_loads_nothing",
        "TestResumes::test_an_interrupted_reading_resumes_after_its_last_checkpoint",
    }, done.stdout[-3000:]
