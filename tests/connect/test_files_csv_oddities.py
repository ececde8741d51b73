"""What spreadsheets and exports do to CSV: read as it is meant, or refused with the file's name and a fix."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from file_source import DAY, Drop

from cxflow.errors import SourceError

ROWS = [{"id": "1", "b": "x,y"}, {"id": "2", "b": "z"}]


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("a.csv", "sep=;\n"),
        ("a.csv", "SEP=;\r\n"),
        ("a.csv", '"sep=;"\n'),
        ("a.csv", "\ufeffsep=;\n"),
        ("a.tsv", "sep=;\n"),
    ],
)
@pytest.mark.parametrize("declared", [{}, {"delimiter": ";"}])
def test_a_first_line_may_tell_the_delimiter(
    drop: Drop, name: str, begin: str, declared: dict[str, Any]
) -> None:
    drop.write(name, f"{begin}id;b\n1;x,y\n2;z\n")
    found = drop.land(name, **declared)
    assert (found.records, found.malformed, found.manifest.counted) == (ROWS, [], 2)


def test_a_tsv_among_csv_files_is_separated_by_tabs(drop: Drop) -> None:
    drop.write("a.csv", "id,b\n1,x\n")
    drop.write("b.tsv", "id\tb\n2\ty\n")
    expected = [{"id": "1", "b": "x"}, {"id": "2", "b": "y"}]
    for path in ("*", ["*.csv", "*.tsv"], ["*.tsv", "*.csv"]):
        assert sorted(drop.land(path).records, key=lambda record: str(record["id"])) == expected


def test_it_may_be_told_in_any_encoding_and_above_declared_columns(drop: Drop) -> None:
    drop.write("a.csv", "sep=|\r\nid|b\r\n1|x,y\r\n2|z\r\n".encode("utf-16"))
    assert drop.land("a.csv").records == ROWS
    drop.write("b.csv", "sep=\t\n1\tx,y\n2\tz\n")
    assert drop.land("b.csv", columns=["id", "b"]).records == ROWS
    drop.write("c.csv", "sep=;\nid;b\n1;x,y\n2;z\n")
    assert drop.land("c.csv", skip_rows=1).records == ROWS  # as it had to be read so far


def test_a_delimiter_that_is_told_otherwise_than_declared_is_refused(drop: Drop) -> None:
    drop.write("a.csv", "sep=;\nid;b\n1;x\n")
    with pytest.raises(SourceError, match=r'a\.csv says .* separated by ";".*by "\|".*remove delimiter'):
        drop.land(delimiter="|")


@pytest.mark.parametrize("many", [1, 60])
def test_files_that_tell_different_delimiters_are_read_in_one_batch(drop: Drop, many: int) -> None:
    for number in range(many):
        drop.write(f"a{number:02}.csv", f"sep=;\nid;b\n{number};x\n")
        drop.write(f"b{number:02}.csv", f"id,b\n{number + 100},y\n")
        drop.write(f"c{number:02}.csv", f"sep=|\nid|b\n{number + 200}|z\n")
    found = drop.land()
    assert {(int(record["id"]) // 100, record["b"]) for record in found.records} == {
        (0, "x"),
        (1, "y"),
        (2, "z"),
    }
    assert (len(found.records), found.malformed) == (3 * many, [])


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize(
    "packed", [gzip.compress, lambda text: pa.Codec("zstd").compress(text, asbytes=True)]
)
def test_a_compressed_file_is_told_by_its_first_bytes(drop: Drop, name: str, packed: Any) -> None:
    text = {"a.csv": b"id,b\n1,x\n", "a.tsv": b"id\tb\n1\tx\n", "a.jsonl": b'{"id": "1", "b": "x"}\n'}[name]
    drop.write(name, packed(text))
    found = drop.land()
    assert (found.records, found.payloads) in (
        ([{"id": "1", "b": "x"}], []),
        ([{}], ['{"id": "1", "b": "x"}']),
    )
    assert found.origins == [name]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.csv.gz"])
def test_a_zip_archive_of_another_name_is_refused_with_the_way_to_read_it(drop: Drop, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside.csv", "id,b\n1,x\n")
    drop.write(name, buffer.getvalue())
    with pytest.raises(SourceError, match=rf"{name} is a ZIP archive, not text .*zip://"):
        drop.land()


def test_a_workbook_named_as_csv_is_refused_with_its_format(drop: Drop) -> None:
    buffer = io.BytesIO()
    openpyxl.Workbook().save(buffer)
    drop.write("a.csv", buffer.getvalue())
    with pytest.raises(SourceError, match=r'a\.csv is an XLSX workbook, not text .*format = "xlsx"'):
        drop.land()


@pytest.mark.parametrize(
    ("broken", "pieces"),
    [
        ("2,li\nne\r\n", ["2,li", "ne"]),
        ("2,l\n\nine\r\n", ["2,l", "ine"]),
        ("2,l\ni\nne\r\n", ["2,l", "i", "ne"]),
        ("li\nne,2\r\n", ["li", "ne,2"]),
    ],
)
def test_a_line_that_an_unquoted_line_feed_breaks_is_refused_whole(
    drop: Drop, broken: str, pieces: list[str]
) -> None:
    drop.write("a.csv", f"id,b\r\n1,x\r\n{broken}3,y\r\n4,z\r\n5,z\r\n6,z\r\n")
    found = drop.land()
    assert found.ids == ["1", "3", "4", "5", "6"]
    assert [text for _, text in found.malformed] == pieces
    assert {reason.split(" in line")[0] for reason, _ in found.malformed} <= {
        "line break without a carriage return",
        "missing columns",
    }
    assert found.manifest.records == found.manifest.counted == 5 + len(pieces)


def test_a_line_that_ends_in_a_line_feed_alone_is_read(drop: Drop) -> None:
    drop.write("a.csv", "id,b\r\n1,x\r\n2,y\n3,z\r\n4\r\n5,z\r\n6,z\n")
    found = drop.land()
    assert found.ids == ["1", "2", "3", "5", "6"]
    assert found.malformed == [("missing columns in line 5", "4")]


def test_in_a_file_of_line_feeds_a_short_line_costs_no_other(drop: Drop) -> None:
    drop.write("a.csv", "id,b\r\n1,x\n2\n3,z\n4,z\n")
    found = drop.land()
    assert (found.ids, [text for _, text in found.malformed]) == (["1", "3", "4"], ["2"])


@pytest.mark.parametrize("shift", range(0, 24, 3))
def test_a_broken_line_is_found_across_the_slices_of_a_large_file(drop: Drop, shift: int) -> None:
    size = (1 << 20) - len("id,b\r\n") - shift
    first = f"1,{'x' * (size - 12)}\r\n"
    drop.write("a.csv", f"id,b\r\n{first}2,yy\r\n3,li\nne\r\n4,z\r\n5,z\n6,z\r\n")
    found = drop.land()
    assert found.ids == ["1", "2", "4", "5", "6"]
    assert [text for _, text in found.malformed] == ["3,li", "ne"]


@pytest.mark.parametrize("header", ["id;score;why", '"id";"score"', "id\tscore", "id|score, in points"])
def test_a_file_with_another_delimiter_among_many_is_named_with_it(drop: Drop, header: str) -> None:
    drop.write("a.csv", "id,score\n1,2\n")
    drop.write("b.csv", f"{header}\n1;2\n", DAY.replace(day=3))
    mark = next(repr(mark)[1:-1] for mark in ";\t|" if mark in header)
    if "," in header:
        assert drop.land().malformed  # two names: a header like any other
        return
    with pytest.raises(SourceError) as caught:
        drop.land()
    assert str(caught.value.value).endswith("b.csv")
    assert f'contains "{mark}"' in str(caught.value)
    assert f'delimiter = "{mark}"' in str(caught.value)


def test_a_single_name_that_the_mapping_speaks_of_may_contain_a_delimiter(drop: Drop) -> None:
    drop.write("a.csv", "id;b\n1;2\n")
    assert drop.land(primary_key=["split_part(\"id;b\", ';', 1)"]).records == [{"id;b": "1;2"}]
    drop.write("a.csv", "Name; first\n1\n")
    assert drop.land(delimiter="|", primary_key=['"name; first"']).records == [{"Name; first": "1"}]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "id,größe\n1,2\n"), ("a.tsv", "id\tb\n"), ("a.jsonl", '{"id": 1}\n')]
)
def test_utf_16_without_a_mark_is_told(drop: Drop, name: str, text: str, encoding: str) -> None:
    drop.write(name, text.encode(encoding))
    with pytest.raises(SourceError, match=rf"{name} is not UTF-8: .*{encoding}.*encoding = \"{encoding}\""):
        drop.land()


def test_a_zero_byte_within_utf_8_is_no_sign_of_utf_16(drop: Drop) -> None:
    drop.write("a.csv", "id,b\n1,\x00\n2,\x00\x00\x00\n")
    assert drop.land().ids == ["1", "2"]
