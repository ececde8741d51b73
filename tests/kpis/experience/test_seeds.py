"""The seed tables: what cxflow ships is sound, and a company's own file is read or refused by its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxflow import settings as configuration
from cxflow.errors import ConfigError
from cxflow.kpis.experience import seeds
from cxflow.settings import Settings

PLACES = "kind,name,stage,control\n"
REASONS = "reason,answer,preventable\n"
RULES = "rule,evidence,name,value,worst,best,from,to,polarity,intensity\n"


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str, str | bytes], Settings]:
    """Settings of a project with its own seed table."""

    def made(table: str, content: str | bytes) -> Settings:
        (tmp_path / "own.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        (tmp_path / "cxflow.toml").write_text(f'[kpis.seeds]\n{table} = "own.csv"\n')
        return configuration.load(tmp_path)

    return made


def test_the_tables_of_cxflow_judge_as_they_are_documented() -> None:
    by_name = seeds.rules_by_name(seeds.polarity(Settings()), "rating")
    answers = {
        # Points at the edges of each rule, on the rule's own scale.
        "nps": (0, 10, {0: -1, 6: -1, 7: 0, 8: 0, 9: 1, 10: 1}),
        "csat": (1, 5, {1: -1, 2: -1, 3: 0, 4: 1, 5: 1}),
        "ces": (1, 7, {1: -1, 3: -1, 4: 0, 5: 0, 6: 1, 7: 1}),
        "review": (1, 5, {1: -1, 2: -1, 2.5: 0, 3: 0, 3.9: 0, 4: 1, 5: 1}),
    }
    for metric, (worst, best, expected) in answers.items():
        for points, polarity in expected.items():
            place = (points - worst) / (best - worst)
            rule = next(rule for rule in by_name[metric] if rule.first <= place + 1e-9 <= rule.last + 2e-9)
            assert rule.polarity == polarity, (metric, points)
    events = seeds.event_rules(seeds.polarity(Settings()))
    assert {name: rule.polarity for name, rule in events.items()} == {
        "abandoned_call": -1,
        "late_delivery": -1,
        "refund": -1,
        "reopened_case": -1,
        "repeated_contact": -1,
        "early_delivery": 1,
    }
    assert {rule.intensity for rule in events.values()} == {0.5}


def test_every_answer_of_price_and_jaffe_has_reasons() -> None:
    reasons = seeds.contact_reasons(Settings())
    assert {each.answer for each in reasons} == {"eliminate", "automate", "simplify", "leverage"}
    assert all(each.is_preventable == (each.answer == "eliminate") for each in reasons)


def test_a_company_replaces_a_table_and_the_fingerprint_changes(project: Any) -> None:
    own = project("contact_reasons", f"{REASONS}Where is  it,eliminate,yes\n\nQ-1,leverage,no\n")
    assert seeds.contact_reasons(own) == (
        seeds.ContactReason("where_is__it", "eliminate", True),
        seeds.ContactReason("q_1", "leverage", False),
    )
    assert seeds.fingerprint(own, "contact_reasons") != seeds.fingerprint(Settings(), "contact_reasons")
    assert seeds.fingerprint(own, "polarity") == seeds.fingerprint(Settings(), "polarity")


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("polarity", "", "begins with nothing"),
        ("polarity", "rule,polarity\n", "begins with rule,polarity"),
        ("polarity", RULES, "has no rows"),
        ("polarity", f"{RULES}a,rating,nps\n", "line 2: 3 cells instead of 10"),
        (
            "polarity",
            f"{RULES}a,feeling,nps,,0,10,0,6,-1,\n",
            "line 2, evidence: 'feeling' is none of rating",
        ),
        ("polarity", f"{RULES}a,rating,nps,,0,10,0,6,2,\n", "line 2, polarity: '2' is none of -1, 0, 1"),
        ("polarity", f"{RULES}a,rating,nps,,0,ten,0,6,1,\n", "line 2, best: 'ten' is no number"),
        ("polarity", f"{RULES}a,rating,nps,,0,nan,0,6,1,\n", "line 2, best: nan is not from"),
        ("polarity", f"{RULES}a,rating,nps,,5,5,5,5,1,\n", "line 2, best: the scale has no length"),
        ("polarity", f"{RULES}a,rating,nps,,0,10,6,0,1,\n", "6 to 0 does not run from worst to best"),
        ("polarity", f"{RULES}a,rating,nps,,0,10,0,11,1,\n", "0 to 11 does not run from worst to best"),
        ("polarity", f"{RULES}A b,rating,nps,,0,10,0,6,1,\n", "'A b' is not in snake_case"),
        ("polarity", f"{RULES}a,event,late_delivry,,,,,,-1,.5\n", "did you mean 'late_delivery'"),
        ("polarity", f"{RULES}a,event,refund,,,,,,-1,\n", "line 2, intensity: an event has none"),
        ("polarity", f"{RULES}a,event,refund,,,,,,-1,2\n", "line 2, intensity: 2 is not from 0 to 1"),
        ("polarity", f"{RULES}a,event,refund,,0,,,,-1,.5\n", "line 2, worst: it means nothing here"),
        ("polarity", f"{RULES}a,signal,sentiment,,,,,,-1,\n", "line 2, value: it is empty"),
        (
            "polarity",
            f"{RULES}a,event,refund,,,,,,-1,.5\na,event,refund,,,,,,1,.5\n",
            "line 3, rule: 'a' stands twice",
        ),
        ("polarity", b"rule\xff", "is not UTF-8"),
        ("polarity", f'{RULES}"a,rating', "is not CSV"),
        ("polarity", " " * 1_000_001, "has more than 1,000,000 bytes"),
        ("contact_reasons", f"{REASONS}late,prevent,yes\n", "'prevent' is none of eliminate, automate"),
        ("contact_reasons", f"{REASONS}late,eliminate,true\n", "'true' is none of yes, no"),
        ("contact_reasons", f"{REASONS},eliminate,yes\n", "line 2, reason: it is empty"),
        ("contact_reasons", f"{REASONS}Late,eliminate,yes\nlate ,simplify,no\n", "'late' stands twice"),
        ("journey", f"{PLACES}channel,phone,,owned\n", "no row says who controls a channel"),
        ("journey", f"{PLACES}channel,*,later,owned\n", "line 2, stage: 'later' is none of before"),
        ("journey", f"{PLACES}place,*,,owned\n", "line 2, kind: 'place' is none of activity, channel"),
    ],
)
def test_a_wrong_table_is_refused_by_file_line_and_column(
    project: Any, table: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        getattr(seeds, table)(project(table, content))
    assert message in str(refused.value)
    assert "own.csv" in str(refused.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "cxflow.toml").write_text('[kpis.seeds]\njourney = "no.csv"\n')
    with pytest.raises(ConfigError, match=r"no\.csv cannot be read: No such file"):
        seeds.journey(configuration.load(tmp_path))
