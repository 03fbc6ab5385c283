"""A data set that starts from another one of the recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, PrivateAttr

from ..components import DataSource
from ..options import DataName

if TYPE_CHECKING:
    import pyarrow as pa

    from ..columns import Columns
    from ..rows import Rows


class OtherData(DataSource):
    """The rows of another data set of this recipe, as they are at its end; ids and splits stay."""

    name: DataName = Field(description="The data set to start from.")

    _rows: Any = PrivateAttr(default=None)

    def reading(self, data: Mapping[str, Rows]) -> OtherData:
        copy = self.model_copy()
        copy._rows = data[self.name]
        return copy

    def columns_of(self, data: Mapping[str, Columns]) -> Columns:
        return data[self.name]

    def read(self) -> Iterator[pa.RecordBatch]:
        return self._rows.whole_batches()
