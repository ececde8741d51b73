"""CSV and TSV as they come: every cell as it was written, every line accounted for."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pytest
from file_source import DAY, Drop

from cxflow.errors import ConfigError, SourceError


def test_cells_stay_text_as_they_were_written(drop: Drop) -> None:
    drop.write("a.csv", "id,score,day,big\n007,1.50,2026-03-01,12345678901234567890123\n")
    found = drop.land()
    assert found.records == [
        {"id": "007", "score": "1.50", "day": "2026-03-01", "big": "12345678901234567890123"}
    ]
    assert found.manifest.raw_columns == {
        "id": "VARCHAR",
        "score": "VARCHAR",
        "day": "VARCHAR",
        "big": "VARCHAR",
    }


def test_records_keep_their_order_origin_and_time_of_delivery(drop: Drop) -> None:
    drop.write("b.csv", "id\n3\n4\n", DAY)
    drop.write("a.csv", "id\n5\n", DAY.replace(day=3))
    drop.write("c.csv", "id\n1\n2\n", DAY.replace(day=1))
    found = drop.land()
    assert found.ids == ["1", "2", "3", "4", "5"]
    assert found.origins == ["c.csv", "b.csv", "a.csv"]
    assert found.received == [DAY.replace(day=day) for day in (1, 1, 2, 2, 3)]


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8", "UTF-8", "utf_8_sig"]
)
def test_a_declared_encoding_is_read(drop: Drop, encoding: str) -> None:
    drop.write("a.csv", "id,café\n1,piñón ü\n".encode(encoding))
    assert drop.land(encoding=encoding).records == [{"id": "1", "café": "piñón ü"}]


def test_the_euro_sign_tells_cp1252_from_latin_1(drop: Drop) -> None:
    drop.write("a.csv", b"id,price\n1,\x80 5\n")
    assert drop.land(encoding="cp1252").records[0]["price"] == "€ 5"
    assert drop.land(encoding="latin-1").records[0]["price"] == "\x80 5"


@pytest.mark.parametrize("header", ["id,b", '"id",b', '"id","b"'])
def test_a_byte_order_mark_is_no_part_of_the_first_name(drop: Drop, header: str) -> None:
    drop.write("a.csv", f"\ufeff{header}\n1,2\n")
    assert drop.land().records == [{"id": "1", "b": "2"}]


def test_a_byte_order_mark_is_no_part_of_the_first_cell(drop: Drop) -> None:
    drop.write("a.csv", "\ufeff1,2\n")
    drop.write("b.csv", "\ufeff3,4\r\n".encode("utf-16-le"))
    assert drop.land("a.csv", columns=["id", "b"]).records == [{"id": "1", "b": "2"}]
    assert drop.land("b.csv", columns=["id", "b"], encoding="utf-16-le").records == [{"id": "3", "b": "4"}]


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "||", "§"])
def test_any_delimiter_separates(drop: Drop, delimiter: str) -> None:
    drop.write("a.csv", delimiter.join(("id", "amount")) + "\n" + delimiter.join(("1", "2,50")) + "\n")
    assert drop.land(delimiter=delimiter).records == [{"id": "1", "amount": "2,50"}]


def test_a_tsv_is_separated_by_tabs_unless_declared_otherwise(drop: Drop) -> None:
    drop.write("a.tsv", "id\tb\n1\tx,y\n")
    assert drop.land("a.tsv").records == [{"id": "1", "b": "x,y"}]
    drop.write("b.tsv", "id,b\n1,x\ty\n")
    assert drop.land("b.tsv", delimiter=",").records == [{"id": "1", "b": "x\ty"}]


@pytest.mark.parametrize("inside", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_quoted_line_break_is_content_whatever_ends_the_lines(drop: Drop, end: str, inside: str) -> None:
    text = end.join(("id,comment", f'1,"one{inside}two"', "2,plain", ""))
    drop.write("a.csv", text)
    assert drop.land().records == [{"id": "1", "comment": f"one{inside}two"}, {"id": "2", "comment": "plain"}]


def test_lines_that_end_in_two_ways_are_all_read(drop: Drop) -> None:
    drop.write("a.csv", 'id,b\r\n1,x\n2,"y\r\nz"\r\n3,z\n')
    found = drop.land()
    assert found.records == [{"id": "1", "b": "x"}, {"id": "2", "b": "y\r\nz"}, {"id": "3", "b": "z"}]
    assert found.malformed == []


def test_line_ends_are_unified_across_the_blocks_of_a_large_file(drop: Drop) -> None:
    lines = [f'{number},"{"x" * (number % 50)}\r\n"' for number in range(60_000)]
    text = "id,b\r\n" + "".join(line + ("\r\n" if number % 3 else "\n") for number, line in enumerate(lines))
    assert len(text) > 2 * (1 << 20)
    drop.write("a.csv", text)
    found = drop.land()
    assert found.malformed == []
    assert found.ids == [str(number) for number in range(60_000)]
    assert [record["b"] for record in found.records] == [
        "x" * (number % 50) + "\r\n" for number in range(60_000)
    ]


def test_doubled_quotes_are_one(drop: Drop) -> None:
    drop.write("a.csv", 'id,b\n1,"say ""hi"""\n2,5" pipe\n')
    assert [record["b"] for record in drop.land().records] == ['say "hi"', '5" pipe']


def test_quotes_mean_nothing_when_turned_off(drop: Drop) -> None:
    drop.write("a.csv", 'id,"b"\n1,"open\n2,5" pipe\n')
    assert drop.land(quote="").records == [{"id": "1", '"b"': '"open'}, {"id": "2", '"b"': '5" pipe'}]


def test_header_names_keep_blanks_and_stars_within_and_lose_them_around(drop: Drop) -> None:
    drop.write("a.csv", "id, Ort * (m) ,%,\n1,2,3,4\n")
    assert drop.land().records == [{"id": "1", "Ort * (m)": "2", "%": "3", "column_4": "4"}]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("id,b,b,b", ["id", "b", "b_2", "b_3"]),
        ("id,b_2,b,b", ["id", "b_2", "b", "b_3"]),
        ("id,b_x,b, b ", ["id", "b_x", "b", "b_2"]),
        ("_row,_payload,_Origin,id", ["_row_2", "_payload_2", "_Origin_2", "id"]),
        ("id,_received_at,_cxflow_file,_path", ["id", "_received_at_2", "_cxflow_file_2", "_path"]),
    ],
)
def test_repeated_and_reserved_header_names_get_a_number(drop: Drop, header: str, names: list[str]) -> None:
    drop.write("a.csv", f"{header}\n1,2,3,4\n")
    found = drop.land()
    assert found.records == [dict(zip(names, ("1", "2", "3", "4"), strict=True))]
    assert found.manifest.layout == "columns"


@pytest.mark.parametrize("header", ["id,score,Score,x", 'id,"score", Score ,x', "id,SCORE,x,score"])
def test_header_names_that_differ_in_case_alone_are_refused(drop: Drop, header: str) -> None:
    drop.write("a.csv", f"{header}\n1,2,3,4\n")
    with pytest.raises(
        SourceError, match=r"a\.csv has the columns '(score|SCORE)' and '(Score|score)'.*skip_rows = 1"
    ):
        drop.land()
    found = drop.land(columns=["id", "given", "asked", "x"], skip_rows=1)
    assert found.records == [{"id": "1", "given": "2", "asked": "3", "x": "4"}]


def test_a_line_break_within_a_header_name_is_kept(drop: Drop) -> None:
    drop.write("a.csv", 'id,"rating\n(1-5)"\n1,4\n')
    assert drop.land().records == [{"id": "1", "rating\n(1-5)": "4"}]


def test_declared_columns_read_a_file_without_header(drop: Drop) -> None:
    drop.write("a.csv", "1,x\n2,y\n")
    assert drop.land(columns=["id", "b"]).records == [{"id": "1", "b": "x"}, {"id": "2", "b": "y"}]


@pytest.mark.parametrize("columns", [["id", "ID"], ["id", "_row"], ["id", " b"]])
def test_declared_columns_that_sql_cannot_tell_apart_are_refused(drop: Drop, columns: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"streams\.reviews\.columns: column names"):
        drop.connector(columns=columns)


def test_rows_before_the_header_are_skipped(drop: Drop) -> None:
    drop.write("a.csv", 'Report "March\n;;\nid,b\n1,2\n')
    assert drop.land(skip_rows=2).records == [{"id": "1", "b": "2"}]
    assert drop.land(skip_rows=3, columns=["id", "b"]).records == [{"id": "1", "b": "2"}]


@pytest.mark.parametrize("blank", ["\n", "\r\n", "\n\n  \n", "\ufeff\n"])
def test_blank_lines_before_the_header_do_not_hide_the_file(drop: Drop, blank: str) -> None:
    drop.write("a.csv", f"{blank}id,b\n1,2\n")
    drop.write("b.csv", "id,b\n3,4\n")
    assert drop.land().ids == ["1", "3"]


def test_blank_lines_are_no_records(drop: Drop) -> None:
    drop.write("one.csv", "id\n1\n\n2\n\n")
    drop.write("two.csv", "id,b\n\n3,x\n\n")
    found = drop.land()
    assert found.ids == ["1", "2", "3"]
    assert found.manifest.records == 3


def test_null_values_are_no_value_quoted_or_not(drop: Drop) -> None:
    drop.write("a.csv", 'id,b,c,d\n1,NULL,"-",\n2,null,"",x\n')
    assert drop.land(null_values=["", "NULL", "-"]).records == [
        {"id": "1", "b": None, "c": None, "d": None},
        {"id": "2", "b": "null", "c": None, "d": "x"},
    ]


def test_files_of_different_headers_land_side_by_side(drop: Drop) -> None:
    drop.write("a.csv", "id,b\n1,x\n")
    drop.write("b.csv", "c,id\ny,2\n", DAY.replace(day=3))
    assert drop.land().records == [{"id": "1", "b": "x", "c": None}, {"id": "2", "b": None, "c": "y"}]


def test_lines_with_too_few_or_too_many_cells_are_malformed_and_counted(drop: Drop) -> None:
    drop.write("a.csv", "id,b\n1\n2,x\n4,5,6\n7,y\n")
    drop.write("b.csv", "id,b\n8\n", DAY.replace(day=3))
    found = drop.land()
    assert found.ids == ["2", "7"]
    assert found.malformed == [
        ("missing columns in line 2", "1"),
        ("too many columns in line 4", "4,5,6"),
        ("missing columns in line 2", "8"),
    ]
    assert (found.manifest.records, found.manifest.malformed) == (5, 3)


def test_an_open_quote_costs_its_line_and_swallows_nothing(drop: Drop) -> None:
    rest = "".join(f"{number},x\n" for number in range(3, 100))
    drop.write("a.csv", f'id,b\n1,x\n2,"cut\n{rest}')
    found = drop.land()
    assert found.ids == ["1", *(str(number) for number in range(3, 100))]
    assert found.malformed == [("open quote in line 3", '2,"cut')]


def test_a_quote_that_the_next_row_closes_costs_its_own_line_only(drop: Drop) -> None:
    drop.write("a.csv", 'id,b\n1,"x"\n2,"open\n3,"fine"\n4,"y"\n')
    found = drop.land()
    assert found.ids == ["1", "3", "4"]
    assert found.malformed == [("open quote in line 3", '2,"open')]


def test_an_open_quote_refuses_the_file_where_that_is_declared(drop: Drop) -> None:
    drop.write("a.csv", 'id,b\n1,x\n2,"open\n3,x\n')
    with pytest.raises(SourceError, match=r"a\.csv has an open quote in line 3"):
        drop.land(open_quote="stop")
    assert not (drop.folder / "landing").exists()


def test_a_stray_quote_costs_its_line_only(drop: Drop) -> None:
    drop.write("a.csv", 'id,b\n1,"a"b"\n2,x\n')
    found = drop.land()
    assert found.ids == ["2"]
    assert found.malformed == [("unquoted value in line 2", '1,"a"b"')]


def test_bytes_that_are_no_utf_8_cost_their_line_only(drop: Drop) -> None:
    drop.write("a.csv", b"id,b\n1,ok\n2,caf\xe9\n3,ok\n")
    found = drop.land()
    assert found.ids == ["1", "3"]
    [(reason, payload)] = found.malformed
    assert reason == "invalid encoding in line 3"
    assert payload.startswith("2,caf")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_byte_order_mark_tells_the_encoding_where_none_is_declared(
    drop: Drop, encoding: str, name: str
) -> None:
    content = 'id,café\r\n1,"piñón\nü"\r\n'.encode(encoding)
    assert content[:2] in (b"\xff\xfe", b"\xfe\xff")
    drop.write(name, gzip.compress(content) if name.endswith(".gz") else content)
    assert drop.land().records == [{"id": "1", "café": "piñón\nü"}]


def test_a_header_in_another_encoding_is_an_error_that_says_so(drop: Drop) -> None:
    drop.write("a.csv", "id,año\n1,2\n".encode("latin-1"))
    with pytest.raises(SourceError, match=r"the header of .*a\.csv is not utf-8 .*encoding = ") as caught:
        drop.land()
    assert str(caught.value.value).endswith("a.csv")


def test_bytes_that_are_none_of_the_declared_encoding_are_an_error(drop: Drop) -> None:
    drop.write("a.csv", b"id,b\n1,\x81\n")
    with pytest.raises(SourceError, match=r"a\.csv is not (cp1252|charmap): .* at byte 7"):
        drop.land(encoding="cp1252")


def test_an_encoding_that_does_not_exist_is_an_error(drop: Drop) -> None:
    drop.write("a.csv", "id\n1\n")
    with pytest.raises(ConfigError, match="unknown encoding 'utf-99'"):
        drop.land(encoding="utf-99")


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "id,b", "id,b\n"])
def test_a_file_without_records_lands_none(drop: Drop, content: str) -> None:
    drop.write("a.csv", content)
    found = drop.land()
    assert (found.manifest.records, found.records, found.malformed) == (0, [], [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(b"id,b\n1,x\n") + gzip.compress(b"2,y\n")),
        ("a.CSV.GZ", gzip.compress(b"id,b\n1,x\n2,y\n")),
        ("a.csv.zst", pa.Codec("zstd").compress(b"id,b\n1,x\n2,y\n", asbytes=True)),
    ],
    ids=["gzip in two members", "gzip in capitals", "zstd"],  # gzip holds the time: no name for a test
)
def test_compressed_files_are_read_like_plain_ones(drop: Drop, name: str, content: bytes) -> None:
    drop.write(name, content)
    assert drop.land().records == [{"id": "1", "b": "x"}, {"id": "2", "b": "y"}]


def test_compressed_files_of_another_encoding_are_read(drop: Drop) -> None:
    text = "id,b\n1,señor\n".encode("cp1252")
    drop.write("a.csv.gz", gzip.compress(text))
    drop.write("b.csv.zst", pa.Codec("zstd").compress(text, asbytes=True))
    assert [record["b"] for record in drop.land(encoding="cp1252").records] == ["señor", "señor"]
