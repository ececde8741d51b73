"""Puts what tasks read and write (`lineage`) into OpenLineage's terms, for the events of Airflow's provider.

Imported only when the provider asks an operator: it is an extra, and DAG files are parsed without it.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from cxflow.airflow.lineage import Io, Lineage
from cxflow.model.dataset import Dataset

QUARANTINED = "quarantined"
"""The assertion about all records of a batch; each rule that refused some has one more."""


def of(lineage: Lineage) -> Any:
    """What the provider's extractor wants of an operator."""
    first = lineage.inputs[0].dataset if lineage.inputs else None
    return OperatorLineage(
        inputs=[
            InputDataset(
                io.dataset.namespace, io.dataset.name, facets=_facets(io), inputFacets=_input_facets(io)
            )
            for io in lineage.inputs
        ],
        outputs=[
            OutputDataset(
                io.dataset.namespace,
                io.dataset.name,
                facets={**_facets(io), **_column_lineage(io, first)},
                outputFacets=_output_facets(io),
            )
            for io in lineage.outputs
        ],
    )


def _facets(io: Io) -> dict[str, DatasetFacet]:
    found: dict[str, DatasetFacet] = {
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(datasetType=io.kind)
    }
    if io.columns:
        found["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[
                schema_dataset.SchemaDatasetFacetFields(
                    name=each.name, type=each.kind, description=each.description
                )
                for each in io.columns
            ]
        )
    if io.version is not None:
        found["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=io.version)
    return found


def _input_facets(io: Io) -> dict[str, InputDatasetFacet]:
    found: dict[str, InputDatasetFacet] = {}
    if io.rows is not None:
        found["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=io.rows, fileCount=io.files
        )
    if io.refused is not None:
        # Without a number: a record may break several rules.
        everything = data_quality_assertions_dataset.Assertion(
            assertion=QUARANTINED, success=not io.refused, severity="warn"
        )
        rules = [
            data_quality_assertions_dataset.Assertion(
                assertion=rule,
                success=False,
                severity="warn",
                expected="0",
                actual=str(records),
                description="records that this rule sent to quarantine",
            )
            for rule, records in io.refused.items()
        ]
        found["dataQualityAssertions"] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
            assertions=[everything, *rules]
        )
    return found


def _output_facets(io: Io) -> dict[str, Any]:
    if io.rows is None:
        return {}
    return {
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=io.rows, fileCount=io.files
        )
    }


def _column_lineage(io: Io, source: Dataset | None) -> dict[str, DatasetFacet]:
    if not io.made_of or source is None:
        return {}
    fields = {
        column: column_lineage_dataset.Fields(
            inputFields=[
                column_lineage_dataset.InputField(namespace=source.namespace, name=source.name, field=name)
                for name in raw
            ]
        )
        for column, raw in io.made_of.items()
    }
    return {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields)}
