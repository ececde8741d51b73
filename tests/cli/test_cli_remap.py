"""`cxflow remap`, and how a changed mapping is noticed and tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_runner import cxflow, edit

pytestmark = pytest.mark.usefixtures("database")

OLD, NEW = 'rating_value = "score"', "rating_value = \"CASE WHEN score = '10' THEN 'ten' ELSE score END\""


def test_a_changed_mapping_is_noticed_by_run_status_and_lint(own: Path) -> None:
    for command in (("lint",), ("status",), ("run", "--no-kpis")):
        assert "earlier mapping;" not in cxflow(*command, project=own).out
    edit(own, OLD, NEW)
    said = "19 loaded records were made by an earlier mapping; `cxflow remap surveys.answers` maps them anew"
    for command in (("lint",), ("status",), ("run", "--no-kpis")):
        answer = cxflow(*command, project=own)
        assert answer.code == 0
        assert said in " ".join(answer.out.split())
    assert cxflow("lint", "--json", project=own).json["outdated"] == {"surveys.answers": 19}
    (stream,) = cxflow("status", "--json", project=own).json["streams"]
    assert stream["outdated"] == 19


def test_a_changed_mapping_can_be_tried_on_landed_records(own: Path) -> None:
    edit(own, OLD, NEW)
    exports = own / "exports"
    exports.rename(own / "gone")
    (plan,) = cxflow("run", "--dry-run", "--landed", "--json", project=own).json
    assert plan["tried"]["records"] == 20
    assert plan["tried"]["reasons"]["cast of survey_response.rating_value"] > 0


def test_landed_records_are_tried_only_with_a_dry_run(loaded: Path) -> None:
    answer = cxflow("run", "--landed", project=loaded)
    assert answer.code == 78
    assert "--landed goes with --dry-run" in answer.err


def test_nothing_landed_cannot_be_tried(fresh: Path) -> None:
    answer = cxflow("run", "--dry-run", "--landed", project=fresh)
    assert answer.code == 78
    assert "nothing has been loaded yet" in answer.err


def test_remap_maps_what_an_earlier_mapping_made_without_the_source(own: Path) -> None:
    assert cxflow("remap", "--json", project=own).json["streams"] == []
    edit(own, OLD, NEW)
    (own / "cxflow.toml").write_text(
        (own / "cxflow.toml").read_text() + "[quality]\nmax_rejected_share = 1\n"
    )
    (own / "exports").rename(own / "gone")
    answer = cxflow("remap", "--json", project=own)
    assert answer.code == 0
    (load,) = answer.json["streams"]
    assert (load["mode"], load["counts"]["extracted"]) == ("remap", 20)
    assert load["withdrawn"] > 0
    assert load["withdrawn"] + load["counts"]["unchanged"] == 19
    assert answer.json["kpis"]["published"] > 0
    assert cxflow("lint", "--json", project=own).json["outdated"] == {}


def test_remap_needs_a_warehouse(fresh: Path) -> None:
    answer = cxflow("remap", project=fresh)
    assert answer.code == 78
    assert "the warehouse has no tables yet" in answer.err
