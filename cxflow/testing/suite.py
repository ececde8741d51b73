"""The conformance suite for connectors, as a pytest class. Called by plugins' tests.

Each check runs the connector on a sample source that the plugin's author provides; what they need is read and loaded
once for the class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

import pytest

from cxflow.testing.declaration_checks import DeclarationChecks
from cxflow.testing.reading_checks import ReadingChecks
from cxflow.testing.sample import Kit, NewWarehouse, Sample, Source, opened
from cxflow.testing.service_checks import ServiceChecks
from cxflow.testing.warehouse_checks import WarehouseChecks

__all__ = ["NewWarehouse", "Source", "conformance"]


def conformance(
    connection: Mapping[str, Any] | Callable[[str], Mapping[str, Any]],
    source: Source = lambda _: None,
    *,
    service: Callable[[], Any] | None = None,
    project: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    end: datetime | None = None,
) -> type:
    """A pytest class that tests a connector.

    `connection` is its table in `cxflow.toml`, `project` further tables, `environment` the environment variables that
    it needs. `source` is called once per project that a check makes. `service` makes an ASGI application, one for the
    class, which is served on loopback: its address becomes the connection's `base_url`, or `connection` makes the table
    from it. The sample must have at least one record per stream. `end` is the end of all windows, for a sample of which
    nothing is new; unset: now.
    """
    parts = Kit(connection, source, service, project or {}, environment or {}, end)

    class Conformance(DeclarationChecks, ReadingChecks, WarehouseChecks, ServiceChecks):
        """The suite, for one connector."""

        kit: ClassVar[Kit] = parts

        @pytest.fixture(scope="class")
        @classmethod
        def new_warehouse(cls) -> NewWarehouse:
            """The `[warehouse]` of each project: a DuckDB file, unless a subclass overrides it."""
            return dict

        @pytest.fixture(scope="class")
        @classmethod
        def sample(
            cls, tmp_path_factory: pytest.TempPathFactory, new_warehouse: NewWarehouse
        ) -> Iterator[Sample]:
            """What the checks share."""
            with opened(cls.kit, lambda: tmp_path_factory.mktemp("conformance"), new_warehouse) as found:
                yield found

    return Conformance
