"""The data sets: which file each stream reads, and how a file is counted and cut without cxflow."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from pyarrow import parquet
from real_project import RealProject

SLICE, REAL = EDITIONS = ("slice", "real")
"""Of each set: about fifty rows a file, invented in its shape, and the whole, kept outside the repository."""

_DELIVERED = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class RealSet:
    """A data set with a `cxflow.toml`."""

    name: str
    files: Mapping[str, str]
    """CONNECTION.STREAM to its file, seen from the folder of all sets."""
    halved: tuple[str, ...]
    """Streams whose file is cut in two to be loaded in halves."""
    beside: tuple[str, ...] = ()
    """Streams that the KPIs below need too; loaded whole, with the first halves."""
    shown: tuple[tuple[str, ...], ...] = ()
    """Arguments of `cxflow kpis` that show what depends on these streams alone."""
    refused: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """EDITION to streams of which records belong in quarantine: how many, by the rule that they break."""
    grouped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Streams that a query makes of a file's rows, one record of each group: by which columns."""
    first_rows: Mapping[str, int] = field(default_factory=dict)
    """Files of which, of the real set, only the beginning is taken: how much of it."""


@dataclass(frozen=True)
class Loaded:
    """A data set after its first run."""

    of: RealSet
    edition: str
    database: str
    project: RealProject
    outcome: dict[str, Any]
    """What that run answered."""

    @property
    def refused(self) -> Mapping[str, Mapping[str, int]]:
        """Streams of which records belong in quarantine: how many, by rule."""
        return self.of.refused.get(self.edition, {})


OLIST = RealSet(
    "olist",
    {
        "shop.orders": "olist_sample/olist_orders_dataset.csv",
        "shop.items": "olist_sample/olist_order_items_dataset.csv",
        "shop.payments": "olist_sample/olist_order_payments_dataset.csv",
        "shop.customers": "olist_sample/olist_customers_dataset.csv",
        "shop.reviews": "olist_sample/olist_order_reviews_dataset.csv",
        "catalogue.products": "olist_official/datasets/olist_products_dataset.csv",
        "catalogue.sellers": "olist_official/datasets/olist_sellers_dataset.csv",
        "crm.leads": "olist_funnel/olist_marketing_qualified_leads_dataset.csv",
        "crm.deals": "olist_funnel/olist_closed_deals_dataset.csv",
    },
    halved=("shop.orders", "shop.reviews"),
    beside=("shop.customers",),
    shown=(
        ("review_rating", "--grain", "day"),
        ("on_time_delivery_rate", "--grain", "day"),
        ("repeat_purchase_rate",),
        ("retention_rate",),
    ),
)

SFO = RealSet(
    "sfo",
    {
        f"sfo.survey_{year}": f"sfo/data/raw/{year}_SFO_Customer_Survey_20250817.csv"
        for year in (2014, 2015, 2016, 2017)
    },
    halved=("sfo.survey_2016",),
    shown=(("csat", "--since", "2016-05-01", "--until", "2016-06-01"),),
)

PWC = RealSet(
    "pwc",
    {"callcentre.calls": "pwc/01_Call-Center-Dataset.xlsx"},
    halved=("callcentre.calls",),
    shown=(("csat",), ("average_handle_time", "--grain", "day"), ("abandonment_rate", "--grain", "day")),
)

CDNOW = RealSet(
    "cdnow",
    {"shop.purchases": "cdnow/CDNOW_master.txt"},
    halved=("shop.purchases",),
    shown=(
        ("repeat_purchase_rate",),
        ("average_order_value", "--grain", "month"),
        ("retention_rate",),
    ),
)

COMCAST = RealSet(
    "comcast",
    {"complaints.tickets": "comcast/Comcast_telecom_complaints_data.csv"},
    halved=("complaints.tickets",),
)

SKYTRAX = RealSet(
    "skytrax",
    {"skytrax.lounges": "skytrax/lounge.csv", "skytrax.seats": "skytrax/seat.csv"},
    halved=("skytrax.lounges", "skytrax.seats"),
    shown=(("review_rating", "--grain", "month"),),
    refused={
        REAL: {"skytrax.seats": {"time_plausible": 26}},
        SLICE: {"skytrax.seats": {"time_plausible": 2}},
    },
)

RESTMEX = RealSet(
    "restmex",
    {"sights.reviews": "restmex2021/rest-mex_2021_Sentiment_data_train.csv"},
    halved=("sights.reviews",),
    shown=(("review_rating", "--grain", "day"),),
    refused={each: {"sights.reviews": {"time_not_in_future": 1}} for each in EDITIONS},
)

BPI13 = RealSet("bpi13", {"problems.events": "bpi13/BPI13C.csv"}, halved=("problems.events",))

WAZO = RealSet(
    "wazo",
    {"switchboard.calls": "wazo/cel_extracted.csv"},
    halved=("switchboard.calls",),
    shown=(("abandonment_rate",), ("average_handle_time", "--grain", "month")),
    grouped={"switchboard.calls": ("scenario", "linkedid")},
)

DUNNHUMBY = RealSet(
    "dunnhumby",
    {
        "tills.baskets": "dunnhumby/transactions.parquet",
        "shop.lines": "dunnhumby/transactions.parquet",
        "shop.products": "dunnhumby/products.parquet",
    },
    halved=("tills.baskets", "shop.lines"),
    shown=(("repeat_purchase_rate",), ("average_order_value", "--grain", "month"), ("retention_rate",)),
    grouped={"tills.baskets": ("basket_id",)},
)

A_MONTH_OF_DUNNHUMBY = replace(
    DUNNHUMBY,
    first_rows={"dunnhumby/transactions.parquet": 110_000, "dunnhumby/products.parquet": 10_000},
)
"""The whole is loaded in tests of its own: it would take the tests of all sets several minutes."""

SETS = {
    each.name: each
    for each in (OLIST, SFO, PWC, CDNOW, COMCAST, SKYTRAX, RESTMEX, BPI13, WAZO, A_MONTH_OF_DUNNHUMBY)
}
OFTEN = ("olist", "wazo")
"""Sets whose real edition every run of the tests loads on both databases, and again: of many streams, and of changed
rows. What is left out of the others is in `make test-long`; their slices are always loaded in every way."""


def records_of(path: Path, groups: tuple[str, ...] = ()) -> int:
    """How many records a file holds; or how many groups of them, by columns."""
    if path.suffix == ".parquet":
        return (
            len(pd.read_parquet(path, columns=list(groups)).drop_duplicates())
            if groups
            else (parquet.read_metadata(path).num_rows)
        )
    return (
        len(pd.read_csv(path, dtype=str)[list(groups)].drop_duplicates())
        if groups
        else len(rows_of(path)) - 1
    )


def rows_of(path: Path) -> list[tuple[object, ...]]:
    """The header and the records of a CSV file, a workbook or a file of fixed width, whose lines stay whole; a
    record may span lines."""
    if path.suffix == ".txt":
        return [(line,) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path, read_only=True)
        rows = [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        book.close()
        return rows
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


def begin(path: Path, rows: int) -> None:
    """Leave of a Parquet file its first rows."""
    parquet.write_table(parquet.read_table(path).slice(0, rows), path)


def cut(path: Path) -> tuple[Path, Path]:
    """Two files in its place with half of the records each, delivered a day after each other."""
    halves = []
    for number, part in enumerate(_halves(path)):
        half = path.with_stem(f"{path.stem}.half-{number}")
        _write(half, part)
        at = (_DELIVERED + timedelta(days=number)).timestamp()
        os.utime(half, (at, at))
        halves.append(half)
    path.unlink()
    return halves[0], halves[1]


def _halves(path: Path) -> tuple[Any, Any]:
    """A table of Arrow's, or rows below a header."""
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        return table.slice(0, len(table) // 2), table.slice(len(table) // 2)
    header, *records = rows_of(path)
    middle = len(records) // 2
    return (header, *records[:middle]), (header, *records[middle:])


def _write(path: Path, rows: Any) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(rows, path)
        return
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
        book.save(path)
        return
    if path.suffix == ".txt":
        with path.open("w", encoding="utf-8", newline="\r\n") as file:
            file.writelines(f"{line}\n" for (line,) in rows)
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
