"""Which columns an extractor works on: those that are named, or all of a type but some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from ladle import Columns, FeatureExtractor, OptionError
from pydantic import Field, model_validator

if TYPE_CHECKING:
    import pyarrow as pa
    from ladle import Rows
    from ladle.columns import ColumnType


class ColumnExtractor(FeatureExtractor):
    """What extractors share that learn something of each of several columns: `state` has it by column name."""

    form = "arrow"

    takes: ClassVar[tuple[ColumnType, ...]]
    """Types that a named column may have."""
    takes_all: ClassVar[tuple[ColumnType, ...]]
    """Types whose columns are taken where none is named."""

    # the option cannot be an attribute `columns`: that is the method by which a component declares its columns
    names: list[str] = Field(
        default=[], alias="columns", description="The columns to work on; all that are suitable if none is named."
    )
    except_for: list[str] = Field(
        default=[], description="Columns to leave alone, where `columns` names none, such as the label."
    )

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> ColumnExtractor:
        if self.names and self.except_for:
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
        for name in self.names:
            given.need(name, *self.takes, option="columns")
        if self.names:
            return list(dict.fromkeys(self.names))
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

    def chosen_of(self, rows: Rows) -> list[str]:
        """The columns to work on, of those that `rows` have: their types may not have been known before.

        Raises OptionError as `chosen` does, and for a column of a type that has no name in recipes.
        """
        import pyarrow as pa
        from ladle.rows import column_type

        arrow = {name: rows.schema.field(name).type for name in rows.columns}
        names = self.chosen(Columns({name: column_type(type_) for name, type_ in arrow.items()}))
        for name in names:
            # a column without any value is `any` too, and does no harm
            if column_type(arrow[name]) == "any" and not pa.types.is_null(arrow[name]):
                raise OptionError(
                    f"column `{name}` holds {arrow[name]}, expected {' or '.join(self.takes)}", option="columns"
                )
        return names

    def learnt(self, batch: pa.RecordBatch) -> Iterator[tuple[str, Any]]:
        """Each column and what was learnt of it; rows to predict may lack some, such as the label."""
        return ((name, learnt) for name, learnt in self.state.items() if name in batch.schema.names)


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with a column added, or replaced where it stands."""
    position = batch.schema.get_field_index(name)
    return batch.append_column(name, values) if position < 0 else batch.set_column(position, name, values)
