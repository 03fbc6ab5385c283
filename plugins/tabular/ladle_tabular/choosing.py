"""Which columns an extractor works on: those that are named, or all of a type but some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from ladle import Columns, FeatureExtractor, OptionError

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle.columns import ColumnType


class ColumnExtractor(FeatureExtractor):
    """What extractors share that learn something of each of several columns: `state` has it by column name."""

    form = "arrow"

    takes: ClassVar[tuple[ColumnType, ...]]
    """Types that a named column may have."""
    takes_all: ClassVar[tuple[ColumnType, ...]]
    """Types whose columns are taken where none is named."""

    columns: list[str] = Field(
        default=[], description="The columns to work on; all that are suitable if none is named."
    )
    except_for: list[str] = Field(
        default=[], description="Columns to leave alone, where `columns` names none, such as the label."
    )

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> ColumnExtractor:
        if self.columns and self.except_for:
            raise OptionError(
                "`columns` says which columns to take, so `except_for` has nothing to leave out",
                option="except_for",
                help="keep one of the two",
            )
        return self

    def chosen(self, given: Columns) -> list[str]:
        """The columns to work on, of those given.

        Raises OptionError for a column that is missing or of the wrong type, and if there is nothing to work on.
        """
        for name in self.except_for:
            given.fresh().need(name, option="except_for")  # a log of its own: the column is not read
        for name in self.columns:
            given.need(name, *self.takes, option="columns")
        if self.columns:
            return list(dict.fromkeys(self.columns))
        found = [name for name in given.of_type(*self.takes_all) if name not in self.except_for]
        for name in found:
            given.need(name)
        if given.known and not found:
            raise OptionError(
                f"no {' or '.join(self.takes_all)} column to work on",
                option="except_for" if self.except_for else None,
                help=f"the columns here are: {', '.join(f'{name} ({type_})' for name, type_ in given.items())}",
            )
        return found

    def learnt(self, batch: pa.RecordBatch) -> Iterator[tuple[str, Any]]:
        """Each column and what was learnt of it; rows to predict may lack some, such as the label."""
        return ((name, learnt) for name, learnt in self.state.items() if name in batch.schema.names)
