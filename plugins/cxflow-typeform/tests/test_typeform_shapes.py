"""The imitation's answers, beside examples of real ones."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from cxflow.testing import answers

from cxflow_typeform.service import TOKEN


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
    real = answers.example("typeform", f"{example}.json")
    with urlopen(Request(address + path, headers={"Authorization": f"Bearer {TOKEN}"})) as response:
        made = json.loads(response.read())
    assert answers.differences(made, real, "items.hidden.") == []  # which ones is the form's own
    assert set(made) == set(real)


@pytest.mark.parametrize(("scheme", "status"), [("Bearer", 200), ("bearer", 200), ("Basic", 401)])
def test_a_scheme_is_one_in_either_case(address: str, scheme: str, status: int) -> None:
    # Typeform's own client for Python writes it small.
    asked = Request(f"{address}/forms", headers={"Authorization": f"{scheme} {TOKEN}"})
    try:
        answered = urlopen(asked)
    except HTTPError as problem:
        answered = problem
    with answered:
        assert answered.status == status
