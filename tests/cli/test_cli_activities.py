"""An activity that no KPI knows is told, with the nearest one that they know."""

from __future__ import annotations

from pathlib import Path

from cli_runner import cxflow

TOML = """
[connections.shop]
connector = "files"
timezone = "UTC"
[connections.shop.streams.visits]
path = "visits.csv"
primary_key = ["id"]
version = "day"
deleted = "what = 'cancelled'"
[connections.shop.streams.visits.to.touchpoint]
activity = "{activity}"
channel = "'web'"
occurred_at = "day"
"""


def project(folder: Path, activity: str) -> Path:
    (folder / "cxflow.toml").write_text(TOML.format(activity=activity))
    (folder / "visits.csv").write_text(
        "id,day,what\n1,2026-03-01,visited_shop\n2,2026-03-01,called_support\n"
    )
    return folder


def test_lint_names_an_unknown_activity_and_the_nearest_one(tmp_path: Path) -> None:
    answer = cxflow("lint", "--json", project=project(tmp_path, "'called_suport'"))
    (remark,) = answer.json["remarks"]["shop.visits"]
    assert answer.json["ok"]
    assert "'called_suport' is none that cxflow knows; did you mean 'called_support'?" in remark


def test_lint_says_nothing_of_a_known_one_or_of_one_that_the_data_tells(tmp_path: Path) -> None:
    for activity in ("'called_support'", "what"):
        assert cxflow("lint", "--json", project=project(tmp_path, activity)).json["remarks"] == {}


def test_a_load_counts_touchpoints_with_an_unknown_activity(tmp_path: Path) -> None:
    said = cxflow("run", project=project(tmp_path, "what")).out
    assert "the activity 'visited_shop' is none that cxflow knows" in said
    assert "(1 touchpoints)" in said
