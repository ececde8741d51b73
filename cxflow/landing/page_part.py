"""A Parquet part that grows page by page."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Record = Mapping[str, Any] | bytes

_SCHEMA = pa.schema(
    [
        ("_payload", pa.string()),
        ("_origin", pa.string()),
        ("_received_at", pa.timestamp("us", tz="UTC")),
    ]
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
GROUP_RECORDS = 40_960
"""Records per row group, which one DuckDB thread compresses at a time: a third of its default, with which the threads
of a small machine wait for each other."""
_GROUP_BYTES = 32 << 20
"""A row group is written as soon as so much is held, in records or in bytes: groups of one page each would make the
file larger and all that reads it slower."""


class PagePart:
    """Records as JSON texts, with the origin and the time of receipt of their page. Close it to finish the file."""

    def __init__(self, path: Path) -> None:
        # Each payload is another: a dictionary of them, or their least and greatest, would be built in vain.
        self._file = pq.ParquetWriter(
            path,
            _SCHEMA,
            compression="zstd",
            use_dictionary=["_origin", "_received_at"],
            write_statistics=["_origin", "_received_at"],
        )
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self._held_records = 0
        self._thread = ThreadPoolExecutor(1, "cxflow-landing")
        self._writing: Future[None] | None = None

    def add(self, records: Sequence[Record], origin: str, received_at: datetime) -> None:
        """Add the records of a page."""
        count = len(records)
        payloads = _payloads(records)
        origins = _texts([origin.encode()] * count)
        microseconds = array("q", [(received_at - _EPOCH) // timedelta(microseconds=1)]) * count
        times = pa.Array.from_buffers(
            _SCHEMA.field("_received_at").type, count, [None, pa.py_buffer(microseconds)]
        )
        self._held.append(pa.table([payloads, origins, times], schema=_SCHEMA))
        self._held_bytes += payloads.nbytes
        self._held_records += count
        if self._held_records >= GROUP_RECORDS or self._held_bytes >= _GROUP_BYTES:
            self._write()

    def close(self) -> None:
        """Finish the file."""
        try:
            self._write()
            self._written()
        finally:
            self._thread.shutdown()
            self._file.close()

    def _write(self) -> None:
        """Compress and write what is held, while the next page is fetched; one group at a time, so that memory is
        bounded."""
        self._written()
        if self._held:
            self._writing = self._thread.submit(self._file.write_table, pa.concat_tables(self._held))
        self._held, self._held_bytes, self._held_records = [], 0, 0

    def _written(self) -> None:
        """Wait for the group that is being written. Raises what its writing raises."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()


def _payloads(records: Sequence[Record]) -> pa.Array:
    """Records as JSON texts."""
    return _texts([record if isinstance(record, bytes) else _as_json(record) for record in records])


def _texts(encoded: Sequence[bytes]) -> pa.Array:
    """Texts from their UTF-8. Made of buffers, because all else that makes an Arrow array of Python's values imports
    pandas first, to ask whether they are its own."""
    ends = array("i", accumulate(map(len, encoded), initial=0))
    joined = b"".join(encoded)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(joined)]
    if joined.isascii():
        return pa.Array.from_buffers(pa.string(), len(encoded), buffers)
    return pa.Array.from_buffers(pa.binary(), len(encoded), buffers).cast(pa.string())  # checks the UTF-8


def _as_json(record: Mapping[str, Any]) -> bytes:
    """A record as JSON that DuckDB reads, in UTF-8: numbers that are none (NaN, infinity) as text, which a cast refuses
    with its reason; halves of a character as U+FFFD."""
    try:
        text = json.dumps(record, ensure_ascii=False, allow_nan=False, default=_text)
    except ValueError:
        text = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False, default=_text)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _text(value: object) -> str:
    """JSON has no times: they land in ISO 8601."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
