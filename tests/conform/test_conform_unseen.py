"""A first batch in which a list is empty or an object null everywhere is no fault of the mapping."""

from __future__ import annotations

from typing import Any

import pytest

from cxflow.errors import ConfigError

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
STREAM = {
    "primary_key": ["id"],
    "identifiers": {"email": "requester.address.email"},
    "to": {
        "refund": {
            "for_each": "list_filter(returns, r -> r.kind = 'money')",
            "where": "item.amount IS NOT NULL",
            "refund_id": "item.id",
            "order_id": "id",
            "refund_total": "item.amount",
            "refunded_at": "item.times.at",
        },
        "order_line": {
            "for_each": "lines",
            "order_id": "id",
            "line_no": "item.no",
            "quantity": "item.pieces",
        },
        "support_case": {
            "case_id": "id",
            "opened_at": AT,
            "reason": "coalesce(via.reason, 'unknown')",
            "public_replies": "len(list_filter(comments, comment -> comment.author.role = 'agent'))",
        },
    },
}
NOTHING = [
    {"returns": [], "lines": [], "requester": None, "via": {}, "comments": []},
    {"returns": None, "lines": None, "requester": {}, "via": None, "comments": None},
    {
        "returns": [None],
        "lines": [{}],
        "requester": {"address": None},
        "via": {"reason": None},
        "comments": [{}],
    },
]


@pytest.mark.parametrize("nothing", NOTHING, ids=["empty", "null", "hollow"])
def test_what_has_never_been_seen_reads_as_null_and_does_not_become_known(
    conform: Any, nothing: dict[str, Any]
) -> None:
    declaration = {**STREAM, "to": {**STREAM["to"]}}
    if nothing["lines"] == [{}]:
        declaration["to"].pop("order_line")  # an item that is there needs its key
    with conform(declaration, [{"id": 1, **nothing}]) as scratch:
        assert scratch.refused == []
        assert scratch.column("SELECT count(*) FROM refund") == [0]
        assert scratch.column("SELECT reason FROM support_case") == ["unknown"]
        assert scratch.column("SELECT count(*) FROM identifier") == [0]
        assert "kind" not in str(scratch.conformed.raw_columns)


@pytest.mark.parametrize("record", [{"id": 1}, {"id": 1, "basket": None}, {"id": 1, "basket": {}}])
def test_a_list_inside_of_what_a_record_may_lack_is_empty(conform: Any, record: dict[str, Any]) -> None:
    lines = {"for_each": "basket.lines", "order_id": "id", "line_no": "item.no", "quantity": "item.pieces"}
    declaration = {"primary_key": ["id"], "may_lack": ["basket.lines"], "to": {"order_line": lines}}
    with conform(declaration, [record]) as scratch:
        assert scratch.refused == []
        assert scratch.column("SELECT count(*) FROM order_line") == [0]
        assert "pieces" not in str(scratch.conformed.raw_columns)


def test_what_is_seen_later_is_read(conform: Any) -> None:
    full = {
        "id": 2,
        "returns": [{"id": 7, "kind": "money", "amount": 5, "times": {"at": "2026-03-01T10:00:00Z"}}],
        "lines": [{"no": 1, "pieces": 3}],
        "requester": {"address": {"email": "ada@example.org"}},
        "via": {"reason": "late"},
        "comments": [{"author": {"role": "agent"}}],
    }
    known = {
        "id": "VARCHAR",
        "returns": ["NULL"],
        "lines": "NULL",
        "requester": "NULL",
        "via": {},
        "comments": "NULL",
    }
    with conform(STREAM, [full, {"id": 1, **NOTHING[0]}], known=known) as scratch:
        assert scratch.refused == []
        assert scratch.rows("SELECT refund_id, refund_total::INTEGER FROM refund") == [("shop:7", 5)]
        assert scratch.rows("SELECT line_no, quantity FROM order_line") == [("1", 3.0)]
        assert scratch.rows("SELECT reason, public_replies FROM support_case ORDER BY _row") == [
            ("late", 1),
            ("unknown", 0),
        ]


def test_a_misspelt_name_in_what_is_known_is_still_named(conform: Any) -> None:
    to = {"support_case": {"case_id": "id", "opened_at": AT, "reason": "via.raeson"}}
    with (
        pytest.raises(ConfigError, match=r"'raeson', which does not exist; did you mean 'via\.reason'"),
        conform({"primary_key": ["id"], "to": to}, [{"id": 1, "via": {"reason": None}}]),
    ):
        pass
