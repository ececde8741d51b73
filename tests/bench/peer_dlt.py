"""Loading alone with dlt: JSON lines into DuckDB, merged by key, identifiers as they are.

python peer_dlt.py records|arrow FILE FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt


def records(file: Path) -> Iterator[list[dict[str, Any]]]:
    """Ten thousand records at a time."""
    chunk: list[dict[str, Any]] = []
    with file.open() as lines:
        for line in lines:
            chunk.append(json.loads(line))
            if len(chunk) == 10_000:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


def arrow(file: Path) -> Iterator[Any]:
    """As Arrow reads them, the nested object as text: dlt takes none."""
    import duckdb

    with duckdb.connect() as database:
        yield from database.execute(
            "SELECT * REPLACE (to_json(customer)::VARCHAR AS customer) "
            f"FROM read_ndjson('{file}', sample_size = 100000)"
        ).to_arrow_reader(100_000)


if __name__ == "__main__":
    how, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    resource = dlt.resource(
        (arrow if how == "arrow" else records)(source),
        name="touchpoint",
        primary_key="id",
        write_disposition="merge",
    )
    pipeline = dlt.pipeline(
        "bench", pipelines_dir=str(folder), destination=dlt.destinations.duckdb(str(folder / "peer.duckdb"))
    )
    pipeline.run(resource)
