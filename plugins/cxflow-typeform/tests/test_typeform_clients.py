"""Typeform's own client for Python, of 2019, reads the imitation: the same records as the connector lands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cxflow.testing import TestProject, clients

from cxflow_typeform.service import TOKEN

pytestmark = pytest.mark.long

READ = """
import json, sys
import typeform.client

address, token = sys.argv[1:]
typeform.client.API_BASE_URL = address
client, read = typeform.Typeform(token), {}
for form in client.forms.list()["items"]:
    read[form["id"]], before = [], None
    while True:
        page = client.responses.list(form["id"], pageSize=2, before=before)["items"]
        if not page:
            break
        read[form["id"]] += page
        before = page[-1]["token"]
print(json.dumps(read))
"""


def test_typeforms_client_reads_what_the_connector_lands(
    tmp_path: Path, address: str, project: TestProject
) -> None:
    python = clients.environment(tmp_path / "typeform", "typeform==1.1.0")
    read = clients.answered(python, READ, address, TOKEN)
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    landed = clients.landed(project, "forms", "responses", start, end)
    found = {each["token"]: each for form in read.values() for each in form}
    assert len(found) == 6
    assert found.keys() == {each["token"] for each in landed}
    for each in landed:
        assert {name: each[name] for name in found[each["token"]]} == found[each["token"]]
