"""Writes those slices whose format is binary: a workbook and two Parquet files. Their rows stand below as text.

`python tests/real/binary_slices.py` writes them anew, after a row has changed.
"""

from __future__ import annotations

import csv
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

SLICES = Path(__file__).parent / "slices"

CALLS = """\
Call Id,Agent,Date,Time,Topic,Answered (Y/N),Resolved,Speed of answer in seconds,AvgTalkDuration,Satisfaction rating
ID9001,Aino,2021-01-04,09:00:00,Delivery,Y,Y,55,0:03:17,5
ID9002,Botond,2021-01-04,11:13:29,Warranty,Y,N,81,0:05:02,4
ID9003,Chidi,2021-01-04,13:26:58,Billing,Y,Y,21,0:02:50,4
ID9004,Dalia,2021-01-04,15:39:27,Installation,N,N,,,
ID9005,Aino,2021-01-04,17:52:56,Other,Y,Y,75,0:05:29,2
ID9006,Botond,2021-01-05,09:05:25,Delivery,Y,Y,27,0:02:23,5
ID9007,Chidi,2021-01-05,11:18:54,Warranty,Y,Y,69,0:05:56,4
ID9008,Dalia,2021-01-05,13:31:23,Billing,Y,N,33,0:01:56,3
ID9009,Aino,2021-01-05,15:44:52,Installation,N,N,,,
ID9010,Botond,2021-01-05,17:57:21,Other,Y,Y,103,0:03:23,1
ID9011,Chidi,2021-01-06,09:10:50,Delivery,Y,Y,39,0:01:29,5
ID9012,Dalia,2021-01-06,09:10:50,Warranty,Y,Y,97,0:03:50,4
ID9013,Aino,2021-01-06,13:36:48,Billing,Y,Y,45,0:01:02,3
ID9014,Botond,2021-01-06,15:49:17,Installation,N,N,,,
ID9015,Chidi,2021-01-06,17:02:46,Other,Y,Y,91,0:04:17,5
ID9016,Dalia,2021-01-07,09:15:15,Delivery,Y,Y,51,0:00:35,4
ID9017,Aino,2021-01-07,11:28:44,Warranty,Y,Y,85,0:04:44,4
ID9018,Botond,2021-01-07,13:41:13,Billing,Y,Y,17,0:03:08,2
ID9019,Chidi,2021-01-07,15:54:42,Installation,N,N,,,
ID9020,Dalia,2021-01-07,17:07:11,Other,Y,N,79,0:05:11,5
ID9021,Aino,2021-01-08,09:20:40,Delivery,Y,Y,23,0:02:41,4
ID9022,Botond,2021-01-08,11:33:09,Warranty,Y,Y,73,0:05:38,3
ID9023,Chidi,2021-01-08,13:46:38,Billing,Y,Y,29,0:02:14,1
ID9024,Dalia,2021-01-08,15:59:07,Installation,N,N,,,
ID9025,Aino,2021-01-08,17:12:36,Other,Y,Y,67,0:06:05,5
ID9026,Botond,2021-01-09,09:25:05,Delivery,Y,N,35,0:01:47,4
ID9027,Chidi,2021-01-09,11:38:34,Warranty,Y,Y,101,0:03:32,3
ID9028,Dalia,2021-01-09,13:51:03,Billing,Y,Y,41,0:01:20,5
ID9029,Aino,2021-01-09,15:04:32,Installation,N,N,,,
ID9030,Botond,2021-01-09,17:17:01,Other,Y,Y,95,0:03:59,4
ID9031,Chidi,2021-01-10,09:30:30,Delivery,Y,Y,47,0:00:53,3
ID9032,Dalia,2021-01-10,11:43:59,Warranty,Y,N,89,0:04:26,2
ID9033,Aino,2021-01-10,13:56:28,Billing,Y,Y,53,0:03:17,5
ID9034,Botond,2021-01-10,15:09:57,Installation,N,N,,,
ID9035,Chidi,2021-01-10,17:22:26,Other,Y,Y,83,0:04:53,4
ID9036,Dalia,2021-01-11,09:35:55,Delivery,Y,Y,19,0:02:59,3
ID9037,Aino,2021-01-11,11:48:24,Warranty,Y,Y,77,0:05:20,1
ID9038,Botond,2021-01-11,13:01:53,Billing,Y,N,25,0:02:32,4
ID9039,Chidi,2021-01-11,15:14:22,Installation,N,N,,,
ID9040,Dalia,2021-01-11,17:27:51,Other,Y,Y,71,0:05:47,4
ID9041,Aino,2021-01-12,09:40:20,Delivery,Y,Y,31,0:02:05,2
ID9042,Botond,2021-01-12,11:53:49,Warranty,Y,Y,65,0:03:23,5
ID9043,Chidi,2021-01-12,13:06:18,Billing,Y,Y,37,0:01:38,4
ID9044,Dalia,2021-01-12,15:19:47,Installation,N,N,,,
ID9045,Aino,2021-01-12,17:32:16,Other,Y,Y,99,0:03:41,3
ID9046,Botond,2021-03-30,09:45:45,Delivery,Y,Y,43,0:01:11,1
ID9047,Chidi,2021-03-30,11:58:14,Warranty,Y,Y,93,0:04:08,5
ID9048,Dalia,2021-03-30,13:11:43,Billing,Y,Y,49,0:00:44,4
ID9049,Aino,2021-03-30,15:24:12,Installation,N,N,,,
ID9050,Botond,2021-03-30,17:37:41,Other,Y,N,87,0:04:35,3
"""
"""A call centre's log."""

LINES = """\
household_id,store_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,week,transaction_timestamp
9001,801,99000000001,9000001,1,3.5,0,0,0,1,2017-01-01 11:05:00
9001,801,99000000001,9000002,2,6.0,0.5,0,0,1,2017-01-01 11:05:00
9001,801,99000000001,9000003,1,10.5,0,1.0,0.5,1,2017-01-01 11:05:00
9002,801,99000000002,9000004,10000,25.0,0,0,0,1,2017-01-01 12:30:15
9003,802,99000000003,9000005,3,12.0,1.5,0,0,1,2017-01-02 23:59:59
9003,802,99000000003,9000006,1,4.25,0,0,0,1,2017-01-02 23:59:59
9003,802,99000000003,9000007,1,8.75,0.25,0,0,1,2017-01-02 23:59:59
9001,801,99000000004,9000001,2,7.0,0,0,0,2,2017-01-09 10:00:00
9001,801,99000000004,9000008,1,13.0,2.0,0,0,2,2017-01-09 10:00:00
9001,801,99000000004,9000009,0,0.0,0,0,0,2,2017-01-09 10:00:00
9004,803,99000000005,9000010,1,20.0,0,5.0,0,2,2017-01-10 17:45:30
9004,803,99000000005,9000011,4,10.0,0,0,0,2,2017-01-10 17:45:30
9005,803,99000000006,9000099,0,0.0,0,0,0,3,2017-01-17 08:08:08
9005,803,99000000006,9000012,2,15.5,0,0,0,3,2017-01-17 08:08:08
9005,803,99000000006,9000013,1,4.5,0.5,0,0,3,2017-01-17 08:08:08
9006,802,99000000007,9000004,8000,16.0,0.8,0,0,3,2017-01-19 19:19:19
9006,802,99000000007,9000001,1,3.5,0,0,0,3,2017-01-19 19:19:19
9002,801,99000000008,9000002,1,3.0,0,0,0,5,2017-02-02 12:00:00
9002,801,99000000008,9000014,6,30.0,3.0,0,0,5,2017-02-02 12:00:00
9002,801,99000000008,9000003,1,12.0,0,0,0,5,2017-02-02 12:00:00
9007,804,99000000009,9000015,1,0.0,0,2.5,0.5,6,2017-02-08 09:30:00
9007,804,99000000009,9000016,1,25.0,0,0,0,6,2017-02-08 09:30:00
9003,802,99000000010,9000005,1,4.0,0.5,0,0,9,2017-03-01 00:00:00
9003,802,99000000010,9000017,2,11.0,0,0,0,9,2017-03-01 00:00:00
9008,804,99000000011,9000018,1,40.0,0,0,0,11,2017-03-14 14:14:14
9008,804,99000000011,9000019,5,15.0,0,0,0,11,2017-03-14 14:14:14
9008,804,99000000011,9000098,0,0.0,0,0,0,11,2017-03-14 14:14:14
9004,803,99000000012,9000010,1,18.0,2.0,0,0,14,2017-04-05 16:20:00
9004,803,99000000012,9000006,2,8.5,0,0,0,14,2017-04-05 16:20:00
9009,801,99000000013,9000020,1,9.99,0,0,0,18,2017-05-03 11:11:11
9009,801,99000000013,9000007,1,9.01,0,0,0,18,2017-05-03 11:11:11
9001,801,99000000014,9000001,3,10.5,0,0,0,23,2017-06-07 20:30:40
9001,801,99000000014,9000008,1,15.0,0,0,0,23,2017-06-07 20:30:40
9001,801,99000000014,9000021,1,4.440892098500626e-16,1.29,0,0,23,2017-06-07 20:30:40
9010,802,99000000015,9000022,2,22.0,0,0,0,27,2017-07-05 07:00:00
9010,802,99000000015,9000097,1,2.0,0,0,0,27,2017-07-05 07:00:00
9005,803,99000000016,9000012,1,7.75,0,0,0,31,2017-08-02 18:00:00
9005,803,99000000016,9000013,2,9.25,1.0,0,0,31,2017-08-02 18:00:00
9011,804,99000000017,9000023,1,50.0,0,0,0,36,2017-09-06 13:37:00
9011,804,99000000017,9000002,2,6.0,0.5,0,0,36,2017-09-06 13:37:00
9012,801,99000000018,9000004,12000,36.0,0,0,0,40,2017-10-04 21:00:00
9012,801,99000000018,9000024,1,2.5,0,0,0,40,2017-10-04 21:00:00
9013,802,99000000019,9000019,3,9.0,0,0,0,44,2017-11-01 10:10:10
9013,802,99000000019,9000021,1,1.29,0,0,0,44,2017-11-01 10:10:10
9013,802,99000000019,9000011,1,2.71,0,0.5,0.5,44,2017-11-01 10:10:10
9006,802,99000000020,9000014,2,10.0,1.0,0,0,48,2017-11-29 19:00:00
9006,802,99000000020,9000096,0,0.0,0,0,0,48,2017-11-29 19:00:00
9006,802,99000000020,9000022,1,11.0,0,0,0,48,2017-11-29 19:00:00
9014,803,99000000021,9000016,1,27.5,0,0,0,52,2017-12-27 15:00:00
9014,803,99000000021,9000015,1,2.220446049250313e-16,2.5,0,0,52,2017-12-27 15:00:00
9015,804,99000000022,9000018,1,38.0,2.0,0,0,53,2018-01-01 04:00:30
9015,804,99000000022,9000017,1,5.5,0,0,0,53,2018-01-01 04:00:30
9015,804,99000000022,9000024,2,5.0,0,0,0,53,2018-01-01 04:00:30
"""
"""Lines of baskets."""

PRODUCTS = """\
product_id,manufacturer_id,department,brand,product_category,product_type,package_size
9000001,9101,DRUG GM,National,DRINK,OAT DRINK,
9000002,9102,PRODUCE,National,PULSES,CANNED PEAS,4 OZ
9000003,9103,MEAT,Private,PIE,FROZEN PIE,5 OZ
9000004,9101,KIOSK-GAS,Private,COUPON/MISC ITEMS,GASOLINE-REG UNLEADED,
9000005,9105,DRUG GM,National,LOAVES,RYE LOAF,
9000006,9106,PRODUCE,Private,BARS,SOAP BARS,8 OZ
9000007,9100,MEAT,National,BULBS,LAMP BULBS,9 OZ
9000008,9101,GROCERY,National,COFFEE,COFFEE BEANS DARK,10 OZ
9000009,9102,DRUG GM,Private,CUPS,PAPER CUPS,
9000010,9103,PRODUCE,National,LOTION,SKIN LOTION,12 OZ
9000011,9104,MEAT,National,POME FRUIT,RED APPLES,13 OZ
9000012,9105,GROCERY,Private,SLICED,CHEESE SLICED,14 OZ
9000013,9106,DRUG GM,National,WALNUTS,WALNUTS,
9000014,9100,PRODUCE,National,WATER,SPARKLING WATER,16 OZ
9000015,9101,MEAT,Private,CUPS,YOGURT CUPS,17 OZ
9000016,9102,GROCERY,National,ROASTS,SUNDAY ROAST,18 OZ
9000017,9103,DRUG GM,National,TEA,HERBAL TEA,
9000018,9104,PRODUCE,Private,WHOLE,TURKEY WHOLE,20 OZ
9000019,9105,MEAT,National,ORANGES,ORANGES,21 OZ
9000020,9106,GROCERY,National,CARD,GREETING CARD,22 OZ
9000021,9100,DRUG GM,Private,SALT,SALT,
9000022,9101,PRODUCE,National,OILS,OIL OF OLIVES,24 OZ
9000023,9102,MEAT,National,PAN,CAST IRON PAN,25 OZ
9000024,9103,GROCERY,Private,BATTERY,BATTERY PACK,26 OZ
9000025,9102,MISCELLANEOUS,National,,,
9000026,9103,GROCERY,Private,JAM,PLUM JAM,12 OZ
"""
"""The catalogue, without the products 9000096 to 9000099."""

_TYPES = {
    **dict.fromkeys(("household_id", "store_id", "basket_id", "product_id", "quantity", "week"), pa.int64()),
    **dict.fromkeys(("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"), pa.float64()),
    "manufacturer_id": pa.int64(),
    "transaction_timestamp": pa.timestamp("ns"),
}
"""Columns that are no text."""

_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"

_WORKBOOK = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_CONTENT}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_CONTENT}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}"><fonts><font/></fonts><fills><fill><patternFill/></fill></fills>'
    "<borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs>"
    '<cellXfs><xf/><xf numFmtId="21" applyNumberFormat="1"/><xf/></cellXfs>'
    '<cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}
"""The files of a workbook but for its sheet. Style 1 is a time of the day."""


def write_calls(path: Path) -> None:
    """A workbook as that of the set is: text inline, times as fractions of a day, the cells at a row's end missing."""
    rows = []
    for number, row in enumerate(csv.reader(CALLS.splitlines()), start=1):
        cells = (_cell(f"{chr(65 + at)}{number}", at, text) for at, text in enumerate(row) if text)
        rows.append(f'<row r="{number}">{"".join(cells)}</row>')
    sheet = f'<worksheet xmlns="{_SHEET}"><sheetData>{"".join(rows)}</sheetData></worksheet>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in {**_WORKBOOK, "xl/worksheets/sheet1.xml": sheet}.items():
            # Of a fixed day, so that the same rows are the same file.
            book.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _cell(place: str, column: int, text: str) -> str:
    """A cell: columns 3 and 8 are times, 7 and 9 numbers; the header and the others are text."""
    if column in (3, 8) and ":" in text:
        hours, minutes, seconds = map(int, text.split(":"))
        return f'<c r="{place}" s="1"><v>{(3600 * hours + 60 * minutes + seconds) / 86_400:.19f}</v></c>'
    if column in (7, 9) and text.isdigit():
        return f'<c r="{place}" s="2"><v>{text}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def write_table(text: str, path: Path) -> None:
    """A Parquet file as those of the set are: format 1.0, Snappy, times as INT96; an empty cell is null."""
    rows = list(csv.DictReader(text.splitlines()))
    columns = {
        name: pa.array([_value(row[name], _TYPES.get(name)) for row in rows], _TYPES.get(name, pa.string()))
        for name in rows[0]
    }
    parquet.write_table(
        pa.table(columns), path, version="1.0", compression="snappy", use_deprecated_int96_timestamps=True
    )


def _value(text: str, of: pa.DataType | None) -> Any:
    if not text or of is None:
        return text or None
    if pa.types.is_timestamp(of):
        return datetime.fromisoformat(text)
    return int(text) if pa.types.is_integer(of) else float(text)


def write(folder: Path) -> None:
    """Write all of them, each to its place below a folder."""
    for name in ("pwc", "dunnhumby"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_calls(folder / "pwc" / "01_Call-Center-Dataset.xlsx")
    write_table(LINES, folder / "dunnhumby" / "transactions.parquet")
    write_table(PRODUCTS, folder / "dunnhumby" / "products.parquet")


if __name__ == "__main__":
    write(SLICES)
