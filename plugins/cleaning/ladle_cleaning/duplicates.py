"""Dropping rows that say the same as another row, or nearly the same."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reads, Reject, Usual

from .arrays import as_text, collapsed, is_text, plain, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows, Sample

    from .copies import Choice, Near

_COMPARED = ("text", "integer", "number", "boolean", "time", "vector")  # that may be near to each other
_FEW = 4  # times as many words as a shingle has


class Shingle(BaseModel):
    """What texts are cut into, to see how much of it they share."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    words: int | None = Field(default=None, ge=1, description="Runs of so many words.")
    characters: int | None = Field(
        default=None, ge=1, description="Runs of so many characters: for short texts, and for scripts without spaces."
    )

    @model_validator(mode="after")
    def _one_unit(self) -> Shingle:
        if (self.words is None) == (self.characters is None):
            raise OptionError(
                "shingles are runs of words or of characters", help="write { words = 5 } or { characters = 5 }"
            )
        return self

    @property
    def unit(self) -> Literal["words", "characters"]:
        return "characters" if self.words is None else "words"

    @property
    def length(self) -> int:
        return self.words or self.characters or 0

    def __str__(self) -> str:
        return f"shingles of {self.length} {self.unit}"


class Best(BaseModel):
    """A column that tells which of several rows is the best one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    best: str = Field(
        description="The column: the largest value, or the latest, is the best, and a missing one the worst."
    )


Keep = Annotated[
    Annotated[Literal["lowest-id", "first", "last", "longest"], Tag("name")] | Annotated[Best, Tag("Best")],
    Discriminator(lambda value: "Best" if isinstance(value, dict | Best) else "name"),  # or each mistake is told twice
]


class Deduplicate(Cleaner):
    """Drop rows that are equal to another row, or nearly so, in some columns or in all.

    Rows that are duplicates of each other, or of rows between them, are a cluster, of which one row stays: one of the
    test split before one of the validation split before one of the train split, so that nothing is trained on that is
    measured on; then the one that `keep` names. Each dropped row tells which one stays, and how alike it is to that.
    Missing values are equal to each other.

    With `near`, rows are duplicates as well whose texts share so much: the Jaccard similarity of two texts is the
    number of different shingles that both have by the number that either has. Texts that may be near enough are found
    by MinHash in bands (Broder 1997, Indyk and Motwani 1998), a pair of just that similarity with probability 0.99,
    more alike ones more surely; how alike they are is then counted. Of a column of vectors, `near` is the cosine
    between two of them.

    The order of rows does not change what stays, unless `keep` says `first` or `last`. Memory holds no text, but for
    each row hashes of about 60 bytes, and with `near` 8 bytes more for each band, 96 at a similarity of 0.8. Up to
    100,000 vectors each is compared with each, in a time that grows with the square of their number; of more, those
    that lie on the same sides of random planes (Charikar 2002), which find pairs with the same probability.
    """

    form = "arrow"

    columns: Annotated[list[str], Reads()] = Field(
        default=[], description="Columns in which duplicates are equal, or near to each other; empty: all columns."
    )
    near: Annotated[float | None, Usual(0.3, 1, "most rows of one subject are that much alike")] = Field(
        default=None,
        ge=0.1,
        le=1,
        description="How alike near duplicates are at least: 0.8, for example. Left out, duplicates are equal.",
    )
    shingle: Shingle = Field(
        default=Shingle(words=5),
        description="What texts share that are near to each other: { words = 5 }, for example.",
    )
    keep: Keep = Field(
        default="lowest-id",
        description="Which row of a cluster stays: the one with the lowest id, the same one in whatever order the rows "
        'are; the first or the last; the one whose texts are longest; or { best = "score" }, the one with the largest '
        "value in that column. Among equally good ones the lowest id decides.",
    )
    ignore_case: bool = Field(default=False, description="Whether texts that differ only in case are equal.")
    ignore_space: bool = Field(
        default=False,
        description="Whether texts are equal that differ only in white space at their ends and in its amount between.",
    )

    @model_validator(mode="after")
    def _near_has_columns(self) -> Deduplicate:
        if self.near is not None and not self.columns:
            raise OptionError("`near` needs `columns`", option="near", help='name the text columns: columns = ["text"]')
        if self.near is None and "shingle" in self.model_fields_set:
            raise OptionError("equal rows need no `shingle`", option="shingle", help="give `near` as well: near = 0.8")
        return self

    def columns_after(self, given: Columns) -> Columns:
        for name in self.columns or given:
            given.need(name, option="columns")
        if self.near is not None:
            self._check_near(given)
        if isinstance(self.keep, Best):
            given.need(self.keep.best, "number", "integer", "boolean", "time", option=("keep", "best"))
        if self.keep == "longest" and given.known and not self._texts(given):
            raise OptionError("there is no text to be the longest", option="keep")
        return given

    def _check_near(self, given: Columns) -> None:
        types = {name: given.need(name, *_COMPARED, option="columns") for name in self.columns}
        vectors = [name for name in self.columns if types[name] == "vector"]
        if vectors and len(self.columns) > 1:
            raise OptionError(
                "near duplicates are found by texts, or by one column of vectors",
                option="columns",
                item=vectors[0],
                help=f'name texts alone, or columns = ["{vectors[0]}"]',
            )
        if vectors and "shingle" in self.model_fields_set:
            raise OptionError(f"`{vectors[0]}` holds vectors, which have no shingles", option="shingle")

    def _texts(self, given: Columns) -> list[str]:
        return [name for name in self.columns or given if given.get(name) in ("text", "any")]

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        if self.near is None or self.shingle.unit != "words":
            return
        counts = [
            sum(len(value.split()) for name in self.columns if isinstance(value := row.get(name), str))
            for row in sample.rows
        ]
        if counts and 0 < (words := statistics.median(counts)) < _FEW * self.shingle.length:
            yield OptionError(
                f"half of {sample} have at most {words:g} words: if one of them differs, so do most {self.shingle}",
                option="shingle" if "shingle" in self.model_fields_set else "near",
                help="short texts are better compared by shingle = { characters = 4 }",
            )

    def clean_data(self, data: Rows) -> Iterable[Cleaned]:
        from .copies import Copies, between, numbered

        columns = self.columns or data.columns
        dropped = Copies(data, columns, self._comparable, self._near(data)).found(self._choice(data))
        where = quoted(self.columns) or "in every column"
        for start, batch in numbered(data.batches("arrow")):
            here = between(dropped, start, start + batch.num_rows)
            yield Cleaned(batch, {row - start: self._reject(where, *told) for row, *told in here.iter_rows()})

    def _reject(self, where: str, stays: str, likeness: float | None) -> Reject:
        if likeness is None:
            return Reject(rule="duplicate", reason=f"the same {where} as row {stays}", stays=stays)
        reason = f"similarity {likeness:.2f} in {where} to row {stays}"
        if likeness < self.near:
            reason += ", through rows between them"
        return Reject(rule="near-duplicate", reason=reason, stays=stays)

    def _comparable(self, batch: pa.RecordBatch) -> list[pa.Array]:
        from ladle.rows import ID

        return [self._comparable_column(batch[name]) for name in batch.schema.names if name != ID]

    def _comparable_column(self, column: pa.Array) -> pa.Array:
        import pyarrow.compute as pc

        column = plain(column)
        if not is_text(column):
            return column
        if self.ignore_case:
            column = pc.utf8_lower(pc.utf8_upper(column))  # both ways, for several small letters may share a capital
        return pc.utf8_trim_whitespace(collapsed(column)) if self.ignore_space else column

    def _near(self, data: Rows) -> Near | None:
        from ladle import columns_of

        if self.near is None:
            return None
        if columns_of(data.schema)[self.columns[0]] == "vector":
            from .near_vectors import NearVectors

            return NearVectors(self.near, self.columns[0])
        from .near_texts import NearTexts

        return NearTexts(self.near, self.shingle.unit, self.shingle.length)

    def _choice(self, data: Rows) -> Choice:
        from ladle import columns_of

        from .copies import Choice

        if self.keep == "longest":
            return Choice(columns=self._texts(columns_of(data.schema)), worth=_length)
        if isinstance(self.keep, Best):
            return Choice(columns=[self.keep.best], worth=_value)
        return Choice(place={"first": 1, "last": -1}.get(self.keep, 0))


def _length(texts: list[pa.Array]) -> pa.Array:
    """How many characters there are in all texts of each row."""
    import pyarrow.compute as pc

    lengths = [pc.fill_null(pc.utf8_length(as_text(column)), 0) for column in texts]
    return reduce(pc.add, (length.cast("int64") for length in lengths))


def _value(columns: list[pa.Array]) -> pa.Array:
    """The values of a column, without those that are no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    [column] = columns
    return pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column
