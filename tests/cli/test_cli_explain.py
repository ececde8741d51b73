"""`cxflow explain` and `cxflow kpis --changes`: from a value to its raw records, over a project that was run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_runner import cxflow, edit

pytestmark = pytest.mark.usefixtures("database")


def explained(loaded: Path, *arguments: str) -> Any:
    answer = cxflow("explain", *arguments, "--json", project=loaded)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_a_value_goes_down_to_the_rows_of_its_files(loaded: Path) -> None:
    found = explained(loaded, "nps", "--rows", "3")
    published = json.loads(cxflow("kpis", "nps", "--json", project=loaded).out)[0]
    assert found["adds_up"], found["checks"]
    assert found["value"]["n"] == published["n"] == found["counts"]["events"]
    assert len(found["events"]) == min(3, published["n"])
    assert sum(place["events"] for place in found["places"]) <= published["n"]
    first = found["events"][0]
    assert Path(first["file"]).name in {path.name for path in loaded.rglob("*") if path.is_file()}
    assert first["row"] >= 1
    assert "raw" not in first


def test_raw_records_are_shown_only_on_request(loaded: Path) -> None:
    hidden = cxflow("explain", "nps", project=loaded)
    assert hidden.code == 0
    assert "--reveal" in hidden.err
    first = explained(loaded, "nps", "--reveal", "--rows", "1")["events"][0]
    raw = json.loads(first["raw"])
    assert first["record"] in map(str, raw.values())
    assert first["raw"] not in hidden.out


def test_a_slice_and_its_parts_are_explained(loaded: Path) -> None:
    whole = explained(loaded, "nps")
    source = whole["events"][0]["connection"]
    part = explained(loaded, "nps", "--by", f"source={source}")
    assert part["adds_up"]
    assert part["value"]["dimension_value"] == source


OPAQUE = """
from cxflow import Kpi, Share, fact, hookimpl, survey_response
from sqlalchemy import Integer, column


class Opaque(Share):
    behind = None


rating = survey_response.c.rating_value
happy = Opaque(fact(survey_response, rating=rating), column("rating", Integer) > 8)


@hookimpl
def cxflow_kpis():
    return [Kpi(name="happy", title="Happy", unit="share", better="higher", formula="9–10 ÷ all", of=happy)]
"""


def test_where_no_events_are_declared_it_says_what_can_be_seen_instead(own: Path) -> None:
    (own / "opaque_kpis.py").write_text(OPAQUE)
    edit(own, "[project]", 'plugins = ["opaque_kpis"]\n\n[project]')
    assert cxflow("run", project=own).code == 0
    found = explained(own, "happy")
    assert (found["events"], found["adds_up"]) == (None, True)
    shown = cxflow("explain", "happy", project=own).out
    assert "numerator" in shown
    assert "`cxflow kpis happy --by DIMENSION`" in shown


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("npx",), "there is no KPI 'npx'"),
        (("nps", "--by", "weather=rain"), "not sliced by 'weather'"),
        (("nps", "--by", "source"), "names no value"),
        (("nps", "--by", "source=nowhere"), "no value of whole time for source=nowhere"),
        (("nps", "--period", "soon"), "not a period"),
        (("nps", "--period", "2031-03"), "no value of 2031-03"),
        (("nps", "--against", "2031-03"), "--period is missing"),
        (("nps", "--period", "2031", "--against", "2031-03"), "--period a year"),
    ],
)
def test_bad_input_gets_a_clear_answer(loaded: Path, arguments: tuple[str, ...], why: str) -> None:
    answer = cxflow("explain", *arguments, project=loaded)
    assert answer.code != 0
    assert why in answer.err


def test_late_data_changes_what_is_known_and_says_which_load_brought_it(own: Path) -> None:
    def history(*arguments: str) -> Any:
        answer = cxflow("kpis", "nps", "--history", "--json", *arguments, project=own)
        assert answer.code == 0, answer.err
        return json.loads(answer.out)

    (first,) = history()
    assert first["restated_because"] is None
    header, line = (own / "exports/answers.csv").read_text().splitlines()[:2]
    late = line.replace(line.split(",")[0], "L1").replace(line.split(",")[1], "late@example.com")
    (own / "exports/late.csv").write_text(f"{header}\n{late}\n")
    assert cxflow("run", project=own).code == 0
    before, now = history()
    assert (before, now["n"]) == (first, first["n"] + 1)
    assert now["restated_because"].startswith("load of surveys.answers, run ")
    found = json.loads(cxflow("kpis", "nps", "--as-of", before["as_of"], "--json", project=own).out)
    assert [value["n"] for value in found] == [first["n"]]
    assert explained(own, "nps")["adds_up"]
    assert "that of one KPI" in cxflow("kpis", "--history", project=own).err


def test_what_changed_is_compared_and_what_is_not_says_why(loaded: Path) -> None:
    answer = cxflow("kpis", "--changes", "--json", project=loaded)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert found["compared"] == sum(each["change"] is not None for each in found["comparisons"])
    assert all((each["change"] is None) == bool(each["not_compared"]) for each in found["comparisons"])
    assert cxflow("kpis", "--changes", "--year-ago", "--by", "channel", project=loaded).code == 0
    refused = cxflow("kpis", "--changes", "--since", "2026-01-01", project=loaded)
    assert "--since" in refused.err
