"""What is read of a file and what it holds: compared with what was written, for files that are damaged at random."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bench import witness
from file_source import DAY, Drop, Landed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxflow.connect.files import records
from cxflow.connect.files.records import Notation
from cxflow.errors import CountError, SourceError
from cxflow.landing.files import BatchWriter
from cxflow.model.reading import Item, Query

CELLS = st.text(st.sampled_from("ab 7,;|\"'\r\n\tñ€\U0001f600\\{}[]"), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n"])
EXAMPLES = int(os.environ.get("CXFLOW_EXAMPLES", "0"))
FAST = settings(
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,  # `make test` tries the same files each time, a campaign always others
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def new_drop() -> Drop:
    """A drop folder for each example."""
    return Drop(Path(tempfile.mkdtemp(dir=new_drop.root)))  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    new_drop.root = tmp_path  # type: ignore[attr-defined]


def packed(content: bytes, compression: str) -> bytes:
    if compression == ".gz":
        return gzip.compress(content, 1)
    return pa.Codec("zstd").compress(content, asbytes=True) if compression == ".zst" else content


def everything(found: Landed) -> int:
    assert found.manifest.counted == found.manifest.records
    return len(found.records) + len(found.malformed)


@FAST
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=12),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    delimiter=st.sampled_from([",", ";", "|", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    compression=st.sampled_from(["", ".gz", ".zst"]),
)
def test_what_the_csv_module_writes_is_read_cell_for_cell(
    rows: list[tuple[str, str]], quoting: Any, end: str, delimiter: str, encoding: str, compression: str
) -> None:
    text = io.StringIO(newline="")
    # One that a space begins would be read without it if it were quoted behind the space.
    written = [(str(number), *(cell.strip(" ") for cell in row)) for number, row in enumerate(rows)]
    if end != "\r\n":  # the module then leaves the other one of these characters without quotes
        quoting = csv.QUOTE_ALL
    csv.writer(text, quoting=quoting, lineterminator=end, delimiter=delimiter).writerows(
        [("id", "b", "c"), *written]
    )
    drop = new_drop()
    drop.write(f"a.csv{compression}", packed(text.getvalue().encode(encoding), compression))
    found = drop.land(encoding=encoding, delimiter=delimiter)
    assert found.malformed == []
    assert [tuple(record.values()) for record in found.records] == [
        tuple(cell or None for cell in row) for row in written
    ]


@FAST
@given(
    good=st.lists(
        st.sampled_from(["x", '"y"', '"a ""b"""', '"l1\nl2"', '5" pipe', "ñ"]), min_size=4, max_size=40
    ),
    damage=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.sampled_from(
                [
                    "no-second-cell",
                    "a,b,c,d",
                    '7,"open',
                    '8,"junk" behind',
                    "9,half\rline",
                    '10,"a"b"',
                    "11,caf\udce9",
                ]
            ),
        ),
        max_size=6,
    ),
    end=ENDS,
)
def test_every_line_of_a_damaged_file_is_read_or_refused_whole(
    good: list[str], damage: list[tuple[int, str]], end: str
) -> None:
    lines = [f"{number},{cell}" for number, cell in enumerate(good)]
    for place, line in sorted(damage, reverse=True):
        lines.insert(min(place, len(lines)), line)
    content = ("id,b" + end + "".join(line + end for line in lines)).encode("utf-8", "surrogateescape")
    drop = new_drop()
    drop.write("a.csv", content)
    found = drop.land(max_rejected_share=1)
    assert everything(found) == len(lines), "a damaged line is one reject, and takes no other with it"
    assert sorted(payload for _, payload in found.malformed) == sorted(
        line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for _, line in damage
    )
    assert [record["id"] for record in found.records] == [str(number) for number in range(len(good))]


@FAST
@given(
    content=st.binary(max_size=80).map(
        lambda noise: b"id,b\n" + noise.translate(bytes(b'a,"\n\r 1;\xc3\xb1'[n % 10] for n in range(256)))
    )
)
def test_noise_is_counted_as_it_is_read(content: bytes) -> None:
    drop = new_drop()
    drop.write("a.csv", content)
    try:
        found = drop.land(max_rejected_share=1)
    except SourceError:
        return  # the file is refused: nothing is lost
    everything(found)


@FAST
@given(
    values=st.lists(
        st.dictionaries(CELLS, st.one_of(CELLS, st.integers(), st.lists(CELLS, max_size=2)), max_size=3),
        max_size=12,
    ),
    damage=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["[1]", "nul", '{"a": ', "3", '{"a":1}{"b":2}'])),
        max_size=4,
    ),
    blanks=st.lists(st.sampled_from(["", "  ", "\t"]), max_size=3),
    end=ENDS,
    compression=st.sampled_from(["", ".gz"]),
)
def test_every_line_of_json_is_read_or_refused(
    values: list[dict[str, Any]], damage: list[tuple[int, str]], blanks: list[str], end: str, compression: str
) -> None:
    lines = [json.dumps({"id": number, **value}, ensure_ascii=False) for number, value in enumerate(values)]
    good = list(lines)
    for place, line in damage:
        lines.insert(min(place, len(lines)), line)
    text = end.join([*blanks, *lines])
    drop = new_drop()
    drop.write(f"a.jsonl{compression}", packed(text.encode(), compression))
    found = drop.land()
    assert everything(found) == len(lines)
    assert found.payloads == good
    assert sorted(payload for _, payload in found.malformed) == sorted(line for _, line in damage)


@FAST
@given(
    values=st.lists(
        st.one_of(st.dictionaries(CELLS, CELLS, max_size=3), st.integers(), CELLS, st.none()), max_size=12
    ),
    indent=st.sampled_from([None, 0, 2]),
    nested=st.booleans(),
)
def test_every_item_of_a_document_is_read_or_refused(
    values: list[Any], indent: int | None, nested: bool
) -> None:
    tail = {"next": {"items": [{"no": 1}]}, "quote": '"]}'}
    document = {"meta": ["{[", {"items": 3}], "data": {"items": values}, **tail} if nested else values
    drop = new_drop()
    drop.write("a.json", json.dumps(document, indent=indent, ensure_ascii=False))
    found = drop.land(**({"records": "data.items"} if nested else {}))
    assert everything(found) == len(values)
    assert [json.loads(payload) for payload in found.payloads] == [
        each for each in values if isinstance(each, dict)
    ]
    assert [json.loads(payload) for _, payload in found.malformed] == [
        each for each in values if not isinstance(each, dict)
    ]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_no_alignment_of_records_and_slices_loses_one(
    monkeypatch: pytest.MonkeyPatch, quoted: bool, end: bytes
) -> None:
    monkeypatch.setattr(records, "_SLICE_BYTES", 64)
    notation = Notation(b",")
    for first in range(1, 80):
        lines = [
            b"x" * first,
            *(b"%d," % n + (b'"a""%s%d"' % (end, n) if quoted else b"b" * (n % 7)) for n in range(40)),
        ]
        for last in (end, b""):
            text = end.join(lines) + last
            found = list(records.slices(io.BytesIO(text), notation, 1 << 20))
            assert list(itertools.chain.from_iterable(each.texts() for each in found)) == lines
            assert b"".join(each.data for each in found) == text
            assert not any(each.faults for each in found)


@pytest.mark.parametrize("size", range(1, 70))
def test_a_record_by_record_reading_finds_what_the_quick_one_finds(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(records, "_SLICE_BYTES", size)
    text = b'1,"a\nb"\n2,"c ""d"""\r\n\n3,x\r\n4,"","y,z"\n"5",'
    quick = list(records.slices(io.BytesIO(text), Notation(b","), 1 << 20))
    monkeypatch.setattr(records._Scanner, "_by_parity", lambda *_: None)
    slow = list(records.slices(io.BytesIO(text), Notation(b","), 1 << 20))

    def seen(slices: list[records.Slice]) -> list[tuple[bytes, int]]:
        cells = [records.widths(each, Notation(b",")).tolist() for each in slices]
        return list(
            zip(itertools.chain(*(each.texts() for each in slices)), itertools.chain(*cells), strict=True)
        )

    assert seen(quick) == seen(slow) == [
        (b'1,"a\nb"', 2), (b'2,"c ""d"""', 2), (b"", 1), (b"3,x", 2), (b'4,"","y,z"', 3), (b'"5",', 2)
    ]  # fmt: skip


def test_a_reader_that_loses_a_row_lands_nothing(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    drop.write("a.csv", "id,b\n1,x\n2,y\n3,z\n")
    land = BatchWriter.land

    def lossy(self: BatchWriter, item: Item) -> None:
        if isinstance(item, Query):
            item.sql = f"SELECT * FROM ({item.sql}) WHERE id <> '2'"
        land(self, item)

    monkeypatch.setattr(BatchWriter, "land", lossy)
    with pytest.raises(CountError, match=r"a\.csv \(bytes 0 to 17\) holds 3 records .* 2 were read"):
        drop.land()
    assert not (drop.folder / "landing").exists()


def test_a_byte_that_is_no_text_is_kept_in_the_landing_zone(drop: Drop) -> None:
    drop.write("a.csv", b"id,b\n1,ok\n2,caf\xe9\n")
    drop.land()
    (file,) = (drop.folder / "landing").rglob("malformed-*.parquet")
    table = pq.read_table(file)
    assert table.column("raw").to_pylist() == [b"2,caf\xe9"]
    assert table.column("payload").to_pylist() == ["2,caf\\xe9"]


def test_a_long_line_that_is_refused_is_kept_whole(drop: Drop) -> None:
    line = "7," + "x" * 100_000 + ",too,many"
    drop.write("a.csv", f"id,b\n1,ok\n{line}\n")
    assert drop.land().malformed == [("too many columns in line 3", line)]


def test_rows_to_skip_are_rows_and_not_lines(drop: Drop) -> None:
    drop.write("title.csv", '"Survey\nexport",\nid,b\n1,x\n')
    assert drop.land("title.csv", skip_rows=1).records == [{"id": "1", "b": "x"}]
    labels = '"id","b"\n"Answer\nnumber","What\ndid you think?"\n"{""Import"": 1}","{""Import"": 2}"\n'
    drop.write("labels.csv", labels + '"1","fine\nthanks"\n"2","ok"\n')
    assert drop.land("labels.csv", skip_rows=3, columns=["id", "b"]).records == [
        {"id": "1", "b": "fine\nthanks"},
        {"id": "2", "b": "ok"},
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.jsonl.gz", "a.txt"])
def test_a_line_over_the_limit_refuses_the_file_and_says_where(drop: Drop, name: str) -> None:
    good = '{"id": 1}' if "json" in name else "1,x"
    long = '{"id": "' + "x" * 3000 + '"}' if "json" in name else "2," + "y" * 3000
    text = f"id,b\n{good}\n{long}\n" if name.startswith("a.csv") else f"{good}\n{long}\n"
    drop.write(name, packed(text.encode(), ".gz" if name.endswith(".gz") else ""))
    more = {"format": "fixed_width", "fields": {"id": [1, 3]}} if name == "a.txt" else {}
    with pytest.raises(SourceError, match=rf"{name}.* longer than 1,024 bytes .*max_record_bytes"):
        drop.land(max_record_bytes=1024, **more)
    assert not (drop.folder / "landing").exists()


def test_a_compressed_file_that_unpacks_to_too_much_is_refused(drop: Drop) -> None:
    drop.write("a.csv.gz", gzip.compress(b"id,b\n" + b"1,x\n" * 50_000))
    with pytest.raises(
        SourceError, match=r"a\.csv\.gz unpacks to more than 100,000 bytes .*max_expanded_bytes"
    ):
        drop.land(max_expanded_bytes=100_000)
    drop.write("b.csv.gz", gzip.compress(b"id,b\n" + b"1,x\n" * 10))
    assert len(drop.land("b.csv.gz", max_expanded_bytes=100_000).records) == 10


def test_a_header_of_too_many_columns_refuses_the_file(drop: Drop) -> None:
    drop.write("a.csv", ",".join(f"c{n}" for n in range(31)) + "\n" + "," * 30 + "\n")
    with pytest.raises(SourceError, match=r"a\.csv has 31 columns, more than 30 .*max_columns"):
        drop.land(max_columns=30)


def test_a_file_of_2000_columns_is_read_within_the_usual_memory(drop: Drop) -> None:
    names = ["id", *(f"column number {n}" for n in range(1999))]
    lines = [",".join([str(row), *("some text" for _ in range(1999))]) for row in range(2500)]
    drop.write("a.csv", "\n".join([",".join(names), *lines]))
    found = drop.land()
    assert found.ids == [str(row) for row in range(2500)]


def xlsx(drop: Drop, name: str, rows: list[list[Any]], dimension: str | None = None) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    if dimension:
        source = zipfile.ZipFile(buffer)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            for part in source.namelist():
                content = source.read(part)
                if part.endswith("sheet1.xml"):
                    begin = content.index(b"<dimension ref=")
                    end = content.index(b"/>", begin)
                    content = content[:begin] + b'<dimension ref="%s"' % dimension.encode() + content[end:]
                target.writestr(part, content)
    drop.write(name, buffer.getvalue())


@pytest.mark.parametrize("dimension", ["A1:B3", "A1", "A1:ZZ9999"])
def test_a_stale_dimension_of_a_sheet_hides_nothing(drop: Drop, dimension: str) -> None:
    xlsx(drop, "a.xlsx", [["id", "b"], *([n, f"x{n}"] for n in range(20))], dimension)
    found = drop.land()
    assert found.ids == [str(n) for n in range(20)]
    assert found.manifest.counted == 20


def test_cells_behind_the_last_column_of_a_sheet_are_refused_not_dropped(drop: Drop) -> None:
    xlsx(drop, "a.xlsx", [["id", "b"], [1, "x"], [2, "y", "more"]])
    found = drop.land()
    assert found.ids == ["1"]
    assert found.malformed == [("more cells than columns", "2\ty\tmore")]


def test_a_workbook_that_unpacks_to_too_much_is_refused(drop: Drop) -> None:
    xlsx(drop, "a.xlsx", [["id"], *([f"text number {n}"] for n in range(2000))])
    with pytest.raises(
        SourceError, match=r"a\.xlsx unpacks to [\d,]+ bytes, more than 20,000 .*max_workbook_bytes"
    ):
        drop.land(max_workbook_bytes=20_000)


def test_a_folder_named_like_a_column_is_none(drop: Drop) -> None:
    table = pa.table({"id": [1, 2], "note": ["own", "own"]})
    for folder in ("note=zzz", "id=9", "extra=1"):
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        drop.write(f"{folder}/a.parquet", buffer.getvalue())
        drop.write(f"{folder}/b.csv", "id,note\n1,own\n2,own\n")
        drop.write(f"{folder}/c.jsonl", '{"id": 1, "note": "own"}\n')
        for name in ("a.parquet", "b.csv"):
            found = drop.land(f"{folder}/{name}")
            assert [(str(each["id"]), each["note"], len(each)) for each in found.records] == [
                ("1", "own", 2),
                ("2", "own", 2),
            ]
        assert drop.land(f"{folder}/c.jsonl").payloads == ['{"id": 1, "note": "own"}']


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_numbers_keep_all_their_digits_as_they_are_landed(drop: Drop, name: str) -> None:
    record = '{"id": 1, "amount": 12345678901234567.123456789}'
    drop.write(name, f"[{record}]" if name == "a.json" else record)
    assert drop.land().payloads == [record]


def test_a_bare_carriage_return_costs_its_line_only(drop: Drop) -> None:
    drop.write("a.csv", "id,b\n1,x\n2,a\rb\n3,y\n")
    found = drop.land()
    assert found.ids == ["1", "3"]
    assert found.malformed == [("carriage return in line 3", "2,a\rb")]


@pytest.mark.parametrize(("text", "remark"), [("", []), ("id,b\n", ["a.csv"]), ("\n\n", ["a.csv"])])
def test_a_file_that_is_not_empty_and_has_no_record_is_remarked(
    drop: Drop, text: str, remark: list[str]
) -> None:
    drop.write("a.csv", text)
    assert drop.land().manifest.without_records == remark


@pytest.mark.parametrize("encoding", ["rot13", "hex", "base64", "zlib", "no-such"])
def test_an_encoding_of_no_text_is_refused_by_its_setting(drop: Drop, encoding: str) -> None:
    with pytest.raises(Exception, match=rf"streams\.reviews\.encoding: .*unknown encoding '{encoding}'"):
        drop.connector(encoding=encoding)


@pytest.mark.parametrize("name", ["b.jsonl", "b.json"])
def test_a_record_nested_too_deep_refuses_its_file_by_name(drop: Drop, name: str) -> None:
    drop.write("a.jsonl", '{"id": 1}\n')
    deep = '{"id": 1, "x": ' + '{"a": ' * 5_000 + "1" + "}" * 5_001
    drop.write(name, f"[{deep}]" if name == "b.json" else deep)
    with pytest.raises(
        SourceError, match=rf"{name} has a record that is nested 5,001 levels deep, more than 100"
    ):
        drop.land()
    drop.write(name, '{"id": 1, "x": ' + "[" * 99 + "]" * 99 + "}" if name == "b.jsonl" else "[]")
    assert "1" in {json.loads(each)["id"].__str__() for each in drop.land().payloads}


def test_utf_16_is_read_without_its_mark_being_a_cell(drop: Drop) -> None:
    drop.write("a.csv", codecs.BOM_UTF16_BE + "id,b\n1,x\n".encode("utf-16-be"))
    assert drop.land().records == [{"id": "1", "b": "x"}]


def test_a_line_that_is_no_object_is_refused_among_very_long_ones(drop: Drop) -> None:
    long = json.dumps({"id": 1, "note": "x" * 3_000_000})
    drop.write("a.jsonl", f"{long}\n[1]\n")
    found = drop.land()
    assert (found.payloads, found.malformed) == ([long], [("not a JSON object", "[1]")])


def test_rows_of_megabytes_are_read_and_refused_among_short_ones(drop: Drop) -> None:
    long = "y" * 3_000_000
    drop.write("a.csv", f'id,b\n1,{long}\n2,x,{long}\n3,"{long}"\n4,z\n')
    found = drop.land()
    assert [(each["id"], len(each["b"])) for each in found.records] == [
        ("1", 3_000_000),
        ("3", 3_000_000),
        ("4", 1),
    ]
    assert found.malformed == [("too many columns in line 3", f"2,x,{long}")]


def test_very_many_small_files_are_read_as_each_of_them(drop: Drop) -> None:
    for number in range(120):
        damage = b"7,caf\xe9\n8\n" if number == 60 else b""
        header = b"b,id\n" if number % 3 == 0 else b"id,b\n"
        row = b'"x\ny",%d\n' if number % 3 == 0 else b'%d,"x\ny"\r\n'
        drop.write(f"{number:03d}.csv", header + row % number + damage, DAY.replace(minute=number % 60))
    found = drop.land(null_values=["", "1", "60"])
    assert len(found.records) == 120
    assert {each["b"] for each in found.records} == {"x\ny"}
    by_origin = {
        path.name: at for path, at in zip(sorted(drop.exports.glob("*.csv")), range(120), strict=True)
    }
    assert set(found.origins) == set(by_origin)
    assert sorted(int(each["id"]) for each in found.records if each["id"]) == [
        number for number in range(120) if number not in (1, 60)
    ]
    assert found.malformed == [
        ("invalid encoding in line 4", "7,caf\\xe9"),
        ("missing columns in line 5", "8"),
    ]
    assert found.manifest.counted == 122


@pytest.mark.parametrize("text", ["3", "x", "3\n", "{"])
def test_a_file_of_a_byte_is_one_line_that_is_no_object(drop: Drop, text: str) -> None:
    drop.write("a.jsonl", text)
    drop.write("b.jsonl", '{"id": 1}')
    found = drop.land()
    assert (found.payloads, found.malformed) == (['{"id": 1}'], [("not a JSON object", text.strip())])


@pytest.mark.parametrize("kind", witness.WITNESSES)
def test_the_benchmark_times_a_part_of_the_extraction(kind: str) -> None:
    found = witness.measure(kind, 500)
    assert 0 < found["count_processor_seconds"] < found["extract_processor_seconds"]
