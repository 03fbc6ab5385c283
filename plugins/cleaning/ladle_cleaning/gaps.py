"""What to do where values are missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ladle import Cleaned, Cleaner, Columns, OptionError, Reject

from . import extras
from .arrays import is_text, plain, positions, quoted, unmarked
from .values import check_value, fits, held, is_missing, shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows, Sample

_CATEGORIES = ("text", "integer", "number", "boolean")
_FILLS: dict[str, tuple[Any, ...]] = {
    "median": ("integer", "number"),
    "most-frequent": (*_CATEGORIES, "time"),
    "neighbours": _CATEGORIES,
    "model": _CATEGORIES,
    "constant": (*_CATEGORIES, "time"),
    "drop": (),
}
_OF: dict[str, tuple[str, ...]] = {
    "value": ("constant",),
    "by": ("median", "most-frequent"),
    "using": ("neighbours", "model"),
    "k": ("neighbours",),
    "rows": ("neighbours", "model"),
    "flag": tuple(set(_FILLS) - {"drop"}),
}
"""Of options that not all strategies have, those that do."""
_MARKERS = ["", "-", "--", "?", "n/a", "na", "nan", "nil", "none", "null", "unknown"]


class FillMissing(Cleaner):
    """Fill in missing values, or drop the rows that lack one.

    Missing is what is null, what is not a number (NaN) and, in text columns, what `markers` lists. What fills a gap is
    learnt from the train split alone, and fills the gaps of every split.
    """

    form = "arrow"

    columns: list[str] = Field(
        default=[],
        description="Columns to look at; empty: all, or for a strategy that fills in, all that it can fill.",
    )
    strategy: Literal["median", "most-frequent", "neighbours", "model", "constant", "drop"] = Field(
        description="What takes the place of a missing value: the column's median (the lower one of two middle "
        "values where a column holds whole numbers), its most frequent value (of several the one that comes first), "
        "what the `k` rows have that are most alike (the mean of numbers), what a random forest tells (which needs the "
        "extra `learning`), or the constant `value`; `drop` rejects the row."
    )
    value: str | bool | int | float | datetime | date | None = Field(
        default=None, description="The constant, of the columns' type."
    )
    by: list[str] = Field(
        default=[],
        description="Columns whose values make groups, each with a median or most frequent value of its own; a group "
        "that has none takes that of all rows.",
    )
    using: list[str] = Field(
        default=[],
        description="Columns by which neighbours are found, or of which the model learns: never what is to be "
        "predicted later, for new rows do not have it.",
    )
    k: int = Field(default=5, gt=0, description="How many neighbours tell a value together.")
    rows: int = Field(
        default=10_000, gt=1, description="Rows of the train split, drawn at random, of which is learnt at most."
    )
    flag: str | None = Field(
        default=None,
        min_length=1,
        description="What the name of a new column ends in that tells whether a value was filled in: with "
        '"_filled" it is `age_filled`, true or false.',
    )
    markers: list[str] = Field(
        default=[],
        description='Texts that stand for a missing value, such as "?"; spaces around them do not count.',
    )

    @model_validator(mode="after")
    def _value_for_constant(self) -> FillMissing:
        if self.strategy == "constant" and self.value is None:
            raise OptionError('strategy "constant" needs a `value`', option="strategy", help="add value = …")
        for option, strategies in _OF.items():
            is_set = getattr(self, option) != type(self).model_fields[option].default
            if is_set and self.strategy not in strategies:
                raise OptionError(
                    f'strategy "{self.strategy}" takes no `{option}`',
                    option=option,
                    help=f"set strategy = {' or '.join(map(shown, sorted(strategies)))}",
                )
        if self.strategy in _OF["using"]:
            self._check_using()
        return self

    def _check_using(self) -> None:
        if not self.columns:
            raise OptionError(
                f'strategy "{self.strategy}" fills the columns that are named', option="strategy", help="add `columns`"
            )
        if any(not set(self.using) - {name} for name in self.columns):
            raise OptionError(
                f'strategy "{self.strategy}" needs columns to tell a value by',
                option="using" if self.using else "strategy",
                help="name some in `using`, but nothing that is to be predicted later",
            )

    def columns_after(self, given: Columns) -> Columns:
        after = given
        if self.strategy == "model" and self.state is None:  # what has learnt needs no library
            extras.need("sklearn", "scikit-learn", "learning", option="strategy")
        for option, names in (("by", self.by), ("using", self.using)):
            for name in names:
                given.need(name, *_CATEGORIES, option=option)
        for name in self._names(given):
            found = given.need(name, *_FILLS[self.strategy], option="columns")
            if self.strategy == "constant":
                check_value(self.value, name, found, option="value")
            if self.strategy != "drop":
                after = after.having(name, found)
            if self.flag:
                after = after.having(self._new(name + self.flag, given), "boolean")
        return after

    @staticmethod
    def _new(name: str, given: Columns) -> str:
        if name in given:
            raise OptionError(f"there is a column `{name}` already", option="flag", help="choose another name")
        return name

    def _names(self, given: Columns) -> list[str]:
        if self.columns:
            return self.columns
        if self.strategy == "drop":
            return list(given)
        if self.strategy == "constant":
            return [name for name, type_ in given.items() if fits(self.value, type_)]
        return given.of_type(*_FILLS[self.strategy])

    def doubts(self, sample: Sample) -> Iterator[OptionError]:
        known = {marker.strip().lower() for marker in self.markers}
        can_be_text = "text" in _FILLS[self.strategy] or self.strategy == "drop"
        names = self.columns or (sample.rows[0] if sample.rows and can_be_text else ())
        for name in names:
            texts = [text.strip() for text in sample.values(name) if isinstance(text, str)]
            found = Counter(text for text in texts if text.lower() in _MARKERS and text.lower() not in known)
            for text, times in found.most_common(1):
                yield OptionError(
                    f"`{name}` is {shown(text)} in {times} of {sample}, which is taken for a value",
                    help=f"if it stands for a missing one, add markers = [{shown(text)}]",
                    code="marker",
                )

    @property
    def learns(self) -> bool:
        return self.strategy not in ("constant", "drop")

    def fit(self, train: Rows) -> dict[str, Any]:
        """For each column what fills its gaps. One column at a time, or `rows` rows, are held in memory."""
        from ladle import columns_of

        learn = self._learnt_of_others if self.using else self._learnt
        return {name: learn(train, name) for name in self._names(columns_of(train.schema))}

    def _learnt_of_others(self, train: Rows, name: str) -> dict[str, Any]:
        """What is to be known of other columns to tell a value of this one."""
        import pyarrow.compute as pc

        from . import forests, neighbours
        from .drawing import drawn

        using = [column for column in self.using if column != name]

        def known(batch: pa.RecordBatch) -> pa.RecordBatch:
            return self._read(batch).filter(pc.invert(_gaps(self._with_nulls(batch[name]))))

        rows = drawn(train.select([name, *using]), self.rows, known)
        if not rows.num_rows:
            raise self._no_value(name)
        return (forests if self.strategy == "model" else neighbours).learn(rows, name, using)

    def _learnt(self, train: Rows, name: str) -> Any:
        """The usual value of a column, with `by` also that of each group that has one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from .usual import by_group, groups_of

        values, groups = [], []
        for batch in train.select([name, *self.by]).batches("arrow"):
            column = self._with_nulls(batch[name])
            there = pc.invert(_gaps(column))
            values.append(column.filter(there))
            if self.by:
                groups.append(groups_of(batch, self.by).filter(there))
        if not any(map(len, values)):
            raise self._no_value(name)
        found = pa.chunked_array(values)
        if not self.by:
            return self._usual(found)
        own = {group: self._usual(some) for group, some in by_group(pa.chunked_array(groups), found)}
        return {"all": self._usual(found), "groups": own}

    def _usual(self, values: pa.ChunkedArray) -> Any:
        import pyarrow as pa

        from .usual import median, most_frequent

        found = median(values) if self.strategy == "median" else most_frequent(values)
        value = found.as_py()
        return value if isinstance(value, str | bool | int | float) else found.cast(pa.string()).as_py()

    def _no_value(self, name: str) -> OptionError:
        return OptionError(
            f"column `{name}` has no value in the train split, so it has no {self.strategy} value",
            option="columns",
            help='name the columns to fill, or drop this one before (`use = "select"`)',
        )

    @property
    def is_light(self) -> bool:
        return self.strategy == "drop"

    def clean_row(self, row: dict[str, Any]) -> dict[str, Any] | Reject:
        """One row dropped, or not, as `clean_batch` drops many."""
        gaps = [name for name in self.columns or row if self._is_gap(row[name])]
        return _lacking(gaps) if gaps else row

    def _is_gap(self, value: Any) -> bool:
        if isinstance(value, str):
            return value.strip() in {marker.strip() for marker in self.markers}
        return is_missing(value)

    def clean_data(self, data: Rows) -> Iterator[pa.RecordBatch | Cleaned]:
        from ladle import columns_of

        names = self._names(columns_of(data.schema))
        if self.strategy == "drop":
            return (self._without_gaps(batch, names) for batch in data.batches("arrow"))
        learnt = self.state if self.learns else dict.fromkeys(names, self.value)
        fillings = {name: self._filling(learnt[name]) for name in names if name in learnt}
        return (self._filled_in(batch, names, fillings) for batch in data.batches("arrow"))

    def _filling(self, learnt: Any) -> Filling:
        """What gives rows without a value those that they shall have."""
        if self.strategy == "model":
            from .forests import Forest

            forest = Forest(learnt)
            return lambda rows: forest.tell(self._read(rows))
        if self.strategy == "neighbours":
            from .neighbours import Neighbours

            neighbours = Neighbours(learnt, self.k)
            return lambda rows: neighbours.tell(self._read(rows))
        if self.by:
            from .usual import groups_of

            own, of_all = learnt["groups"], learnt["all"]
            return lambda rows: [own.get(group, of_all) for group in groups_of(rows, self.by).to_pylist()]
        return lambda rows: [learnt] * rows.num_rows

    def _without_gaps(self, batch: pa.RecordBatch, names: list[str]) -> Cleaned:
        lacking = defaultdict(list)
        for name in names:
            for row in positions(_gaps(self._with_nulls(batch[name]))):
                lacking[row].append(name)
        return Cleaned(batch, {row: _lacking(gaps) for row, gaps in lacking.items()})

    def _filled_in(self, batch: pa.RecordBatch, names: list[str], fillings: dict[str, Filling]) -> pa.RecordBatch:
        import pyarrow as pa

        from ladle import with_column

        done = batch
        for name in names:
            column = self._with_nulls(batch[name])
            gaps = _gaps(column)
            if name in fillings:
                done = with_column(done, name, self._filled(name, column, gaps, fillings[name](batch.filter(gaps))))
            else:  # at prediction rows may have columns that training had not
                gaps = pa.array([False] * batch.num_rows)
            if self.flag:
                done = done.append_column(name + self.flag, gaps)
        return done

    def _filled(self, name: str, column: pa.Array, gaps: pa.Array, values: list[Any]) -> pa.Array:
        """The column with values, in their order, in its gaps."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not values:
            return column
        if pa.types.is_null(column.type):
            column = column.cast(pa.scalar(values[0]).type)
        places = {value: self._held(name, value, column.type) for value in dict.fromkeys(values)}
        return pc.replace_with_mask(column, gaps, pa.array([places[value] for value in values], column.type))

    def _held(self, name: str, value: Any, type_: pa.DataType) -> Any:
        """A value as a column of a type holds it. Raises OptionError if it has no place for it."""
        import pyarrow as pa

        if isinstance(value, float) and self.using and pa.types.is_integer(type_):
            value = round(value)
        if isinstance(value, float) and self.using and pa.types.is_decimal(type_):
            value = round(Decimal(value), type_.scale)
        if (filling := held(value, type_)) is None:
            raise OptionError(
                f"column `{name}` holds {type_}, which has no place for {shown(value)}",
                option="strategy" if self.learns else "value",
                help='give a value that fits, or convert the column first (`use = "convert"`)',
                code="value-type",
            )
        return filling.as_py()

    def _read(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Rows with null where a text stands for a missing value."""
        from ladle import with_column

        for name in rows.schema.names:
            rows = with_column(rows, name, self._with_nulls(rows[name]))
        return rows

    def _with_nulls(self, column: pa.Array) -> pa.Array:
        """The column with null where a text stands for a missing value."""
        column = plain(column)
        return unmarked(column, self.markers) if is_text(column) else column


Filling = Callable[[Any], list[Any]]
"""Of rows without a value those that they shall have."""


def _lacking(names: list[str]) -> Reject:
    return Reject(rule="missing", reason=f"no value in {quoted(names)}")


def _gaps(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.is_null(column, nan_is_null=True)
