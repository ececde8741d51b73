"""The declaration of an expectation: its rule name, its table and its condition."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from cxflow.model.frozen import Frozen


class Expectation(Frozen):
    """One rule on a canonical table: either SQL that must hold for each row, or a Great Expectations type.

    `{table = "order_header", rule = "total_not_negative", sql = "price_total >= 0"}`, or
    `{table = "review", rule = "language_known", type = "expect_column_values_to_be_in_set",
    with = {column = "language", value_set = ["es", "en"]}}`.
    """

    model_config = ConfigDict(populate_by_name=True)

    table: str
    """The canonical table."""
    rule: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """The rule name under which records are refused."""
    sql: str | None = None
    """A condition over the table's columns. A row for which it is false is refused; null passes."""
    type: str | None = None
    """A Great Expectations expectation, in snake_case."""
    with_: dict[str, Any] = Field(default_factory=dict, validation_alias="with")
    """Its arguments; `with` in TOML, a word that Python keeps for itself."""
    level: Literal["row", "table"] = "row"
    """row: records that break it are quarantined; table: the batch is stopped."""
    says: str = ""
    """A one-line description."""

    @model_validator(mode="after")
    def _one_form(self) -> Expectation:
        if (self.sql is None) == (self.type is None):
            raise ValueError(f"expectation {self.rule!r} needs either sql or type")
        if self.sql is not None and self.level == "table":
            raise ValueError(
                f'expectation {self.rule!r}: sql applies to rows; use a type for level = "table"'
            )
        return self
