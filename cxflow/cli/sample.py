"""What `cxflow init` writes without a file: a first project, with invented answers."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

IGNORED = "warehouse.duckdb*\nwarehouse.marts.duckdb*\nlanding/\n.cxflow/\n"
"""The .gitignore: generated files, and files with personal data."""

HEAD = """\
# A cxflow project. `cxflow lint` checks this file, `cxflow connectors files` explains its settings.

[project]
name = "{name}"
timezone = "UTC"       # in which days, weeks, … of KPIs begin: "Europe/Madrid", "America/Sao_Paulo"
currency = "EUR"       # of amounts without a currency
country = "US"         # of telephone numbers without a country code

"""
"""The beginning of every `cxflow.toml`."""

SAMPLE_TOML = (
    HEAD
    + """\
[connections.surveys]
connector = "files"
timezone = "UTC"       # of times without a zone

[connections.surveys.streams.answers]
title = "Answers to one question: would you recommend us?"
path = "exports/*.csv"
primary_key = ["response_id"]
identifiers = {{ email = "email" }}   # identifies the customer: the same address elsewhere is the same person
pii = ["email", "comment"]          # personal: map them to columns that the views mask, or not at all

# What a record means. Left: the warehouse's column. Right: DuckDB SQL over the file's columns.
[connections.surveys.streams.answers.to.touchpoint]
activity = "'answered_survey'"
channel = "channel"
occurred_at = "answered_at"

[connections.surveys.streams.answers.to.survey_response]
response_id = "response_id"
question_id = "'recommend'"
metric_type = "'nps'"               # its scale, 0 to 10, is known
rating_value = "score"
response_text = "comment"
responded_at = "answered_at"
"""
)

SAMPLE_CSV = """\
response_id,email,channel,score,comment,answered_at
A001,ana@example.com,email,10,Arrived early,2026-01-12T09:15:00Z
A002,ben@example.com,email,9,,2026-01-13T17:40:00Z
A003,chloe@example.com,web,7,Fine but slow,2026-01-13T20:05:00Z
A004,dinesh@example.com,web,10,Helped me at once,2026-01-14T08:30:00Z
A005,eva@example.com,email,3,Nobody answered for a week,2026-01-15T11:00:00Z
A006,farid@example.com,phone,8,,2026-01-16T15:20:00Z
A007,greta@example.com,email,9,Would order again,2026-01-19T10:45:00Z
A008,hugo@example.com,web,6,The box was open,2026-01-20T18:10:00Z
A009,ines@example.com,email,10,,2026-01-21T07:55:00Z
A010,jonas@example.com,web,9,"Good price, good shoes",2026-01-22T13:25:00Z
A011,kaja@example.com,phone,2,Third call about one order,2026-01-23T16:35:00Z
A012,liam@example.com,email,8,,2026-01-26T09:05:00Z
A013,mara@example.com,email,10,Thank you!,2026-01-27T12:50:00Z
A014,nikos@example.com,email,9,,2026-01-28T19:30:00Z
A015,ana@example.com,email,9,Second order just as good,2026-02-02T09:20:00Z
A016,olga@example.com,web,11,A score that cannot be,2026-02-03T14:15:00Z
A017,pablo@example.com,web,7,,2026-02-04T10:10:00Z
A018,quinn@example.com,email,10,,2026-02-05T21:45:00Z
A019,rosa@example.com,phone,4,Too expensive to send back,2026-02-06T11:30:00Z
A020,sami@example.com,email,9,Simple,2026-02-09T08:40:00Z
"""
"""Invented answers. One score is outside its scale on purpose, to show the quarantine."""


def project_name(folder: Path) -> str:
    """A project name derived from the name of its folder."""
    plain = unicodedata.normalize("NFKD", folder.name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"^[^a-z]+", "", re.sub(r"[^a-z0-9_-]+", "-", plain)).strip("-") or "project"
