"""A raw column tagged as personal is shown nowhere in clear, unless the stream says so for that place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trip_bench import Bench
from typer.testing import CliRunner

from cxflow import flow
from cxflow.cli.app import app
from cxflow.conform.projection import check
from cxflow.errors import ConfigError
from cxflow.model.stream import Stream

CASE = {"case_id": "id", "opened_at": "t"}
REVIEW = {"review_id": "id", "rating_value": "score", "date_published": "t"}


def declared(to: dict[str, Any], **more: Any) -> Stream:
    return Stream.model_validate(
        {"name": "things", "primary_key": ["id"], "pii": ["email", "who.name", "notes"], "to": to, **more}
    )


def checked(stream: Stream) -> None:
    check(stream)


SHOWN = {
    "email": "email",
    "EMAIL": "EMAIL",
    '"Email"': "Email",
    "raw.email": "raw.email",
    "lower(trim(email))": "email",
    "coalesce(md5(email), email)": "email",
    "md5(id) || email": "email",
    "CASE WHEN email LIKE '%@example.org' THEN 'a' END": "email",
    "who.name": "who.name",
    "who": "who",
    "who['name']": "who",
    "struct_extract(who, 'name')": "who",
    "notes[1].text": "notes",
    "len(notes)": "notes",
    "list_transform(notes, lambda n: md5(n))": "notes",
    "list_filter(['a'], lambda x: x = email)[1]": "email",
    "to_json(raw)": "*",
    "#1": "*",
    "struct_pack(a := id, b := COLUMNS('ema.*'))": "*",
    "id_of('shop', email)": "email",
}


@pytest.mark.parametrize("expression", SHOWN)
def test_a_personal_column_in_an_unmasked_one_is_refused(expression: str) -> None:
    with pytest.raises(ConfigError, match=r"^support_case\.reason: ") as caught:
        checked(declared({"support_case": {**CASE, "reason": expression}}))
    assert f"shows the personal column {SHOWN[expression]!r}" in caught.value.message
    assert "the views do not mask support_case.reason" in caught.value.message
    assert 'in_clear = { "support_case.reason" = "…" }' in str(caught.value.fix)


HIDDEN = (
    "md5(email)",
    "sha256(lower(email))",
    "left(sha256('salt' || email), 16)",
    "hash(who)",
    "md5_number_lower(notes::VARCHAR)",
    "email IS NULL",
    "CASE WHEN email IS NOT NULL THEN 'member' ELSE 'guest' END",
    "who.role",
    "emails",
    '"raw"',
    "other.email",
    "'email'",
    "list_transform(['a'], lambda email: email)",
)


@pytest.mark.parametrize("expression", HIDDEN)
def test_a_hash_and_other_columns_pass(expression: str) -> None:
    checked(declared({"support_case": {**CASE, "reason": expression}}))


def test_a_masked_column_an_identifier_and_a_condition_may_use_it() -> None:
    checked(
        declared(
            {
                "review": {**REVIEW, "review_body": "email || who.name", "where": "email IS NOT NULL"},
                "customer_profile": {"profile_id": "email", "email": "email"},
            },
            identifiers={"email": "email", "contact": "who.name"},
            deleted="email = 'gone'",
            version="who.name::TIMESTAMPTZ",
        )
    )


def test_a_key_in_clear_is_refused_and_a_hashed_one_passes() -> None:
    with pytest.raises(
        ConfigError, match=r"^primary_key_2: 'email' shows.*keys of records are stored in clear.*md5"
    ):
        checked(declared({"support_case": CASE}, primary_key=["id", "email"]))
    checked(declared({"support_case": CASE}, primary_key=["id", "md5(email)"]))
    checked(declared({"support_case": CASE}, primary_key=["email"], in_clear={"primary_key_1": "a mailbox"}))


def test_the_items_of_a_personal_list_are_personal() -> None:
    items = {"case_id": "id || item_no", "opened_at": "t", "for_each": "notes"}
    checked(declared({"support_case": items}))
    checked(declared({"support_case": {**items, "reason": "md5(item.text)"}}))
    checked(declared({"support_case": {**items, "for_each": "lines", "reason": "item.text"}}))
    with pytest.raises(
        ConfigError, match=r"support_case\.reason: 'item\.text' shows the personal column 'item\.text'"
    ):
        checked(declared({"support_case": {**items, "reason": "item.text"}}))


@pytest.mark.parametrize(
    ("tag", "expression", "shown"),
    [
        ("lines.text", "item.at", None),
        ("lines.text", "item.text", "item.text"),
        ("LINES.text", "item.TEXT", "item.TEXT"),
        ("lines.text.full", "item.text", "item.text"),
        ("lines.text", "item", "item"),
        ("lines.text", "to_json(item)", "item"),
        ("lines", "item.at", "item.at"),
        ("order.lines.text", "item.text", None),
    ],
)
def test_of_the_items_of_a_list_only_what_is_tagged_is_personal(
    tag: str, expression: str, shown: str | None
) -> None:
    items = {"case_id": "id || item_no", "opened_at": "t", "for_each": "lines", "reason": expression}
    stream = declared({"support_case": items}, pii=[tag])
    if shown is None:
        checked(stream)
        return
    with pytest.raises(ConfigError, match=f"shows the personal column '{shown}'"):
        checked(stream)


def test_of_a_list_that_is_computed_all_items_are_personal() -> None:
    items = {"case_id": "id || item_no", "opened_at": "t", "reason": "item.at"}
    made = "list_transform(lines, l -> {'at': l.text})"
    with pytest.raises(ConfigError, match=r"shows the personal column 'item\.at'"):
        checked(declared({"support_case": {**items, "for_each": made}}, pii=["lines.text"]))


def test_a_masked_column_of_the_table_is_named_as_a_way_out() -> None:
    with pytest.raises(ConfigError, match=r"map it to a masked column \(review_title, review_body\)"):
        checked(declared({"review": {**REVIEW, "language": "email"}}))


def test_a_use_that_is_declared_passes_alone() -> None:
    to = {"support_case": {**CASE, "reason": "email", "priority": "who.name"}}
    with pytest.raises(ConfigError, match=r"^support_case\.priority: "):
        checked(declared(to, in_clear={"support_case.reason": "a mailbox"}))
    checked(declared(to, in_clear={"support_case.reason": "a mailbox", "support_case.priority": "a level"}))


def test_a_declaration_without_a_use_or_a_reason_is_refused() -> None:
    stale = declared(
        {"support_case": {**CASE, "reason": "id"}}, in_clear={"support_case.reason": "a mailbox"}
    )
    with pytest.raises(
        ConfigError, match=r"in_clear names 'support_case\.reason', where no personal column is shown"
    ):
        checked(stale)
    with pytest.raises(ValueError, match="in_clear"):
        declared({"support_case": CASE}, in_clear={"support_case.reason": ""})


def test_lint_and_a_run_refuse_it_before_anything_is_kept(tmp_path: Path) -> None:
    to = {"support_case": {**CASE, "reason": "email"}}
    bench = Bench(tmp_path / "project", {"things": {"primary_key": ["id"], "pii": ["email"], "to": to}})
    record = {"id": "1", "t": "2026-03-01T10:00:00Z", "email": "ada@example.org"}
    (bench.folder / "things.jsonl").write_text(json.dumps(record) + "\n")
    for command in (["lint"], ["run"], ["run", "--dry-run"]):
        answer = CliRunner().invoke(app, ["--project", str(bench.folder), *command])
        assert answer.exit_code == 78
        assert "shop.things: support_case.reason: 'email' shows the personal column" in answer.output
    with pytest.raises(ConfigError, match="shows the personal column"):
        flow.prepare(bench.settings, bench.land([record]))
    assert bench.query("SELECT count(*) FROM support_case") == [(0,)]
