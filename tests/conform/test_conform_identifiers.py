"""What names the customer: normalised, hashed, counted where it cannot be used."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from trip_bench import conformed

from cxflow.conform.phone_numbers import e164
from cxflow.errors import ConfigError
from cxflow.settings import load

AT = "TIMESTAMPTZ '2026-03-01 10:00:00Z'"
STREAM = {"primary_key": ["id"], "to": {"support_case": {"case_id": "id", "opened_at": AT}}}


def found(
    folder: Path, namespace: str, values: list[Any], *, identity: str = "", country: str = "ES"
) -> tuple[list[Any], dict[str, Any]]:
    """The identity value of each raw one (kept clear), and the report."""
    (folder / "cxflow.toml").write_text(
        f'project = {{ country = "{country}" }}\nidentity = {{ store_values = "clear"{identity} }}\n'
        'connections = { shop = { connector = "files" }, crm = { connector = "files" } }\n'
    )
    records = [{"id": number, "x": value} for number, value in enumerate(values)]
    declaration = {**STREAM, "identifiers": {namespace: "x"}}
    with conformed(load(folder), folder, declaration, records) as scratch:
        assert scratch.refused == [], "an unusable identifier refuses nothing"
        by_row = dict(scratch.rows("SELECT _row, identity_value FROM identifier"))
        return [by_row.get(number) for number in range(1, len(values) + 1)], scratch.conformed.report


def test_e_mail_addresses_are_compared_in_lower_case_and_without_trimmings(tmp_path: Path) -> None:
    same = ["Ada@Example.org", " ada@example.org ", "mailto:ada@example.org", "MAILTO:ADA@EXAMPLE.ORG"]
    same += ["<ada@example.org>"]
    odd = [
        "ada",
        "ada@example",
        "ada@@example.org",
        "a b@example.org",
        "ada@example.org, bob@example.org",
        "@x.org",
    ]
    odd += ["ada@example.org."]
    values, report = found(tmp_path, "email", [*same, *odd, None, " "])
    assert values == ["ada@example.org"] * len(same) + [None] * (len(odd) + 2)
    assert report == {"unusable_identifiers": {"email": len(odd)}}


def test_telephone_numbers_are_compared_in_e164(tmp_path: Path) -> None:
    same = ["600 111 222", "+34 600-111-222", "0034600111222", "(+34) 600111222", "tel:+34600111222"]
    odd = ["anonymous", "112", "+34", "600111222600111222600"]
    values, report = found(tmp_path, "phone", [*same, "+351 912 345 678", *odd])
    assert values == ["+34600111222"] * len(same) + ["+351912345678"] + [None] * len(odd)
    assert report == {"unusable_identifiers": {"phone": len(odd)}}


@pytest.mark.parametrize(("country", "number"), [("ES", "+34912345678"), ("PT", "+351912345678")])
def test_a_national_number_belongs_to_the_country(country: str, number: str) -> None:
    assert e164("912 345 678", country) == number


def test_other_identifiers_are_taken_as_they_are(tmp_path: Path) -> None:
    values, report = found(tmp_path, "crm.contact_id", ["A1", "a1", " A1 ", 7, ""])
    assert values == ["A1", "a1", "A1", "7", None]
    assert report == {}


NOBODY = [
    "0",
    "000",
    "0.0",
    "-1",
    "NULL",
    "n/a",
    "None",
    "NaN",
    "-",
    "--",
    "?",
    "Unknown",
    "undefined",
    "(not set)",
]
NOBODY += ["00000000-0000-0000-0000-000000000000", "99999", "xxx"]
SOMEBODY = ["10", "A0", "0a", "9999", "-10", "x", "Nunes", "00000000-0000-0000-0000-000000000001", "n/a-7"]


def test_placeholders_name_nobody_and_are_counted(tmp_path: Path) -> None:
    values, report = found(tmp_path, "crm.contact_id", [*NOBODY, *SOMEBODY])
    assert values == [None] * len(NOBODY) + SOMEBODY
    assert report == {"placeholders": {"crm.contact_id": len(NOBODY)}}


def test_mailboxes_that_nobody_reads_name_nobody(tmp_path: Path) -> None:
    nobody = ["noreply@shop.example", "No-Reply+7@shop.example", "do_not_reply@shop.example", "none@x.org"]
    nobody += ["NULL@x.org", "noemail@marketplace.example", "mailer-daemon@x.org"]
    somebody = ["nora.reply@x.org", "na@x.org", "info@x.org", "noreplies@x.org", "ada@noreply.example"]
    values, report = found(tmp_path, "email", [*nobody, *somebody])
    assert values == [None] * len(nobody) + somebody
    assert report == {"placeholders": {"email": len(nobody)}}


def test_placeholders_can_be_taken_as_they_are(tmp_path: Path) -> None:
    values, report = found(tmp_path, "crm.contact_id", ["0", "N/A"], identity=", placeholders = false")
    assert values == ["0", "N/A"]
    assert report == {}


def test_telephone_numbers_must_be_valid_not_only_possible(tmp_path: Path) -> None:
    none = ["000-000-0000", "123-456-7890", "999 999 9999", "(111) 111-1111", "0000000000"]
    values, report = found(tmp_path, "phone", [*none, "(415) 555-2671"], country="US")
    assert values == [None] * len(none) + ["+14155552671"]
    assert report == {"unusable_identifiers": {"phone": len(none)}}


def test_the_extensions_of_a_switchboard_are_different_numbers(tmp_path: Path) -> None:
    same = ["415-555-2671 ext. 12", "+1 (415) 555-2671 x12", "tel:+1-415-555-2671;ext=12"]
    values, _ = found(tmp_path, "phone", [*same, "415-555-2671 ext 13", "415-555-2671"], country="US")
    assert values == ["+14155552671;ext=12"] * 3 + ["+14155552671;ext=13", "+14155552671"]


def several(folder: Path, namespace: str, lists: list[Any]) -> tuple[dict[int, list[str]], dict[str, Any]]:
    """The identity values of each record, whose raw value is a list."""
    (folder / "cxflow.toml").write_text(
        'identity = { store_values = "clear" }\nconnections = { shop = { connector = "files" } }\n'
    )
    records = [{"id": number, "x": values} for number, values in enumerate(lists, start=1)]
    with conformed(load(folder), folder, {**STREAM, "identifiers": {namespace: "x"}}, records) as scratch:
        rows = scratch.rows(
            "SELECT _row, list(identity_value ORDER BY identity_value) FROM identifier GROUP BY 1"
        )
        return dict(rows), scratch.conformed.report


def test_a_list_gives_several_identifiers(tmp_path: Path) -> None:
    lists = [
        ["Ada@x.org", "ada@x.org", "a.lovelace@x.org"],
        [],
        None,
        ["bob@x.org", None, "noreply@x.org", "bob"],
    ]
    values, report = several(tmp_path, "email", lists)
    assert values == {1: ["a.lovelace@x.org", "ada@x.org"], 4: ["bob@x.org"]}
    assert report == {"placeholders": {"email": 1}, "unusable_identifiers": {"email": 1}}


def test_a_list_beside_single_values_is_a_list_still(tmp_path: Path) -> None:
    mixed = ["ada@x.org", ["a.lovelace@x.org", "ada@x.org"], '["bob@x.org"]', "[bob", []]
    values, report = several(tmp_path, "email", mixed)
    assert values == {1: ["ada@x.org"], 2: ["a.lovelace@x.org", "ada@x.org"], 3: ["bob@x.org"]}
    assert report == {"unusable_identifiers": {"email": 1}}


def test_a_list_of_numbers_is_one_of_ids(tmp_path: Path) -> None:
    assert several(tmp_path, "merged", [[7, 8], [8]])[0] == {1: ["7", "8"], 2: ["8"]}


@pytest.mark.parametrize("value", [{"email": "ada@x.org"}, [{"email": "ada@x.org"}], [["ada@x.org"]]])
def test_an_identifier_that_is_no_value_is_refused_with_its_name(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"identifiers\.email is (an object|a list of objects or lists)"):
        several(tmp_path, "email", [value])


def test_a_namespace_of_an_unknown_connection_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"'crn.contact_id' belongs to a connection 'crn'.*did you mean 'crm'"
    ):
        found(tmp_path, "crn.contact_id", ["A1"])


def test_a_country_without_telephone_numbers_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no phone numbers are known for the country 'XQ'"):
        found(tmp_path, "phone", ["600 111 222"], country="XQ")


@pytest.mark.parametrize(
    ("namespace", "ignored", "values", "left"),
    [
        ("email", "<NoReply@Example.org>", ["noreply@example.org", "ada@example.org"], "ada@example.org"),
        ("phone", "900 123 456", ["+34900123456", "600111222"], "+34600111222"),
        ("shop.code", "WALK-IN", ["WALK-IN", "walk-in"], "walk-in"),
    ],
)
def test_ignored_values_name_nobody_however_they_are_written(
    tmp_path: Path, namespace: str, ignored: str, values: list[str], left: str
) -> None:
    kept, report = found(
        tmp_path, namespace, values, identity=f', ignore = {{ "{namespace}" = ["{ignored}"] }}'
    )
    assert kept == [None, left]
    assert report == {}


def test_hashes_are_keyed_by_salt_and_namespace_and_hold_no_clear_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJECT_SALT", "it's salt")
    (tmp_path / "cxflow.toml").write_text(
        'identity = { salt = { env = "PROJECT_SALT" } }\nconnections = { shop = { connector = "files" } }\n'
    )
    declaration = {**STREAM, "identifiers": {"email": "x", "code": "x"}}
    with conformed(load(tmp_path), tmp_path, declaration, [{"id": 1, "x": "Ada@example.org"}]) as scratch:
        rows = scratch.rows("SELECT namespace, identity_hash, identity_value FROM identifier ORDER BY 1")
    email = hashlib.sha256(b"it's salt\x1femail\x1fada@example.org").hexdigest()
    code = hashlib.sha256(b"it's salt\x1fshop.code\x1fAda@example.org").hexdigest()
    hashes = [UUID(whole[:32]) for whole in (email, code)]
    assert rows == [("email", hashes[0], None), ("shop.code", hashes[1], None)]


@pytest.mark.parametrize(
    ("version", "opened", "seen"),
    [("changed", "opened", "2026-03-01"), ("changed", "NULL", "2026-02-01"), (None, "NULL", "2026-03-02")],
)
def test_an_identifier_was_seen_at_the_event_else_at_the_version_else_at_delivery(
    conform: Any, version: str | None, opened: str, seen: str
) -> None:
    to = {"delivery": {"delivery_id": "id", "order_id": "id", "shipped_at": opened}}
    declaration = {"primary_key": ["id"], "to": to, "identifiers": {"email": "mail"}, "timezone": "UTC"}
    record = {"id": 1, "opened": "2026-03-01", "changed": "2026-02-01", "mail": "ada@example.org"}
    with conform({**declaration, **({"version": version} if version else {})}, [record]) as scratch:
        assert str(scratch.column("SELECT seen_at FROM identifier")[0]).startswith(seen)
