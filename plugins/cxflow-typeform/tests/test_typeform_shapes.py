"""The imitation answers in the shape of answers that are on file, in the folder `CXFLOW_VENDOR_EXAMPLES`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from cxflow_typeform.service import TOKEN

EXAMPLES = Path(os.environ.get("CXFLOW_VENDOR_EXAMPLES", "")) / "typeform"
pytestmark = pytest.mark.skipif(
    not os.environ.get("CXFLOW_VENDOR_EXAMPLES"), reason="no answers on file to compare with"
)


def keys(value: Any, at: str = "") -> set[str]:
    """Dotted keys of an answer; items of lists count together."""
    if isinstance(value, dict):
        inner = (keys(each, f"{at}{name}.") for name, each in value.items())
        return {f"{at}{name}" for name in value} | set().union(*inner)
    return set().union(*(keys(item, at) for item in value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(
    ("example", "path"),
    [
        ("forms", "/forms"),
        ("form_definition", "/forms/nps"),
        ("responses_page1", "/forms/nps/responses"),
        ("responses_partial", "/forms/nps/responses?response_type=partial"),
    ],
)
def test_an_answer_has_no_key_that_the_service_does_not_have(address: str, example: str, path: str) -> None:
    recorded = json.loads((EXAMPLES / f"{example}.json").read_text(encoding="utf-8"))
    with urlopen(Request(address + path, headers={"Authorization": f"Bearer {TOKEN}"})) as response:
        made = json.loads(response.read())
    own = {name for name in keys(made) if name.startswith("items.hidden.")}  # the form's own
    assert keys(made) - own - keys(recorded) == set()
    assert set(made) == set(recorded)
