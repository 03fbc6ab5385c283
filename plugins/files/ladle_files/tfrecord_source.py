"""Rows from TFRecord files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import Field, PrivateAttr

from ladle import OptionError, Sample
from ladle.objects import Fault
from ladle.objects.naming import check_known, check_names
from ladle.objects.values import NoSuchValueError

from .batching import add_faults, batch_of, batched
from .blocks import MAX_ROW_BYTES
from .example import example_class
from .features import KINDS, Column, FeatureType, column_of
from .finding import FileSource, sample_of
from .frames import Frame, Frames, is_header
from .packing import LOOK, opened_file, unpacked

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Reject
    from ladle.columns import ColumnType


class _Example(NamedTuple):
    """A record with its features by name."""

    frame: Frame
    features: Mapping[str, Any]


class _Looked(NamedTuple):
    """What the start of the first file says."""

    columns: dict[str, Column]
    examples: list[_Example]
    """The first rows, as many as types are guessed from."""


class TfRecord(FileSource):
    """Read TFRecord files of `tf.train.Example` messages, without TensorFlow.

    A row is a record, and a feature is a column: of integers, numbers (of 32 bits), text or bytes. It has single values
    if it has exactly one in each of the first rows that have it, else lists; byte strings are text if all of them are
    UTF-8. A feature that a row does not have is null. Columns are sorted by name, since Examples keep no order. Files
    that are gzip, zlib, bzip2, xz or zstd are unpacked. The line of a row is the number of its record in the file.

    The checksums of every record are checked. Rejected are: bad-length, bad-data (the checksum is wrong), truncated and
    damaged records, not-an-example, too-long; and of features wrong-type, several-values, undecodable bytes in text,
    bad-boolean, bad-time and unknown-feature (against the first rows). After a record whose length is wrong, reading
    goes on at the next that can be found; what lies between is one reject, however many records it was. A file cut off
    exactly between two records cannot be told from a whole one.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".tfrecord", ".tfrecords", ".tfrec")

    columns: list[str] = Field(
        default=[], description="The features to keep as columns; all if none is named. Others are then left aside."
    )
    types: dict[str, FeatureType] = Field(
        default={},
        description="Types of columns that are not to be guessed, by name: `boolean` is 0 or 1, `time` ISO 8601. These "
        "columns have single values, if they are not in `lists`.",
    )
    lists: list[str] = Field(
        default=[], description="Columns of lists, however many values their features have in the first rows."
    )
    guess_rows: int = Field(
        default=1000, ge=1, description="How many rows, from the start, tell the columns and their types."
    )
    max_row_bytes: int = Field(
        default=MAX_ROW_BYTES,
        ge=1,
        description="The size beyond which a record is rejected; it bounds the memory used.",
    )

    _looked: Any = PrivateAttr(default=None)

    def peek(self) -> Mapping[str, ColumnType]:
        self._looked = self._look()
        return {name: column.column_type for name, column in self._looked.columns.items()}

    def first_rows(self, count: int) -> Sample:
        looked, self._looked = self._looked or self._look(), None
        is_whole = len(looked.examples) < self.guess_rows and len(self.files()) == 1
        return sample_of(self._typed(looked), count, is_whole)

    def _typed(self, looked: _Looked) -> Iterator[dict[str, Any]]:
        """The first rows with their values, but for those that `read` rejects."""
        for example in looked.examples:
            with suppress(NoSuchValueError):
                yield {name: column.value_of(example.features.get(name)) for name, column in looked.columns.items()}

    def read(self) -> Iterator[pa.RecordBatch | Reject]:
        from ladle import Reject

        columns = self._look().columns
        for path in self.files():
            file = self.name_of(path)
            for items in batched(
                self._found(path), lambda item: 0 if isinstance(item, Fault) else len(item.frame.data)
            ):
                batch, faults = self._batch(items, columns, file)
                if batch.num_rows:
                    yield batch
                for fault in faults:
                    yield Reject(file=file, **fault._asdict())

    def _batch(
        self, items: list[_Example | Fault], columns: Mapping[str, Column], file: str
    ) -> tuple[pa.RecordBatch, list[Fault]]:
        """Examples as a batch, and the faults of those that cannot be rows."""
        import pyarrow as pa

        from ladle import origins

        faults = [item for item in items if isinstance(item, Fault)]
        examples = [item for item in items if not isinstance(item, Fault)]
        bad = {} if self.columns else self._unknown(examples, columns)
        arrays: dict[str, pa.Array] = {}
        for name, column in columns.items():
            values: list[Any] = [None] * len(examples)
            wrong: dict[int, NoSuchValueError] = {}
            for row, example in enumerate(examples):
                try:
                    values[row] = column.value_of(example.features.get(name))
                except NoSuchValueError as fault:
                    wrong[row] = fault
            arrays[name] = pa.array(values, column.arrow_type)
            add_faults(bad, name, wrong)
        frames = [example.frame for example in examples]
        arrays["_origin"] = origins(file, [frame.number for frame in frames], [frame.offset for frame in frames])
        return batch_of(arrays, bad), faults + [frames[row].fault(*why) for row, why in bad.items()]

    def _unknown(self, examples: list[_Example], columns: Mapping[str, Column]) -> dict[int, tuple[str, str]]:
        """The rows with features that none of the first rows has."""
        reason = "the first {:,} rows have no feature `{}`; set `guess_rows` higher, or name the `columns` to keep"
        return {
            row: ("unknown-feature", reason.format(self.guess_rows, min(strange)))
            for row, example in enumerate(examples)
            if (strange := set(example.features) - columns.keys())
        }

    def _found(self, path: Path) -> Iterator[_Example | Fault]:
        """The Examples of a file, and what is none."""
        from google.protobuf.message import DecodeError
        from google.protobuf.unknown_fields import UnknownFieldSet

        message_class, name = example_class(), self.name_of(path)
        with opened_file(path, name) as file:
            stream = file if is_header(file.peek(LOOK)) else unpacked(file, name, zlib_too=True)
            for item in Frames(stream, self.max_row_bytes):
                if isinstance(item, Fault):
                    yield item
                    continue
                try:
                    message = message_class.FromString(item.data)
                except DecodeError as error:
                    yield item.fault("not-an-example", f"the record is no tf.train.Example: {error}")
                    continue
                strange = [*UnknownFieldSet(message), *UnknownFieldSet(message.features)]
                if strange:
                    reason = f"the record has a field {strange[0].field_number}, which no tf.train.Example has"
                    yield item.fault("not-an-example", reason)
                else:
                    yield _Example(item, message.features.feature)

    def _look(self) -> _Looked:
        """The columns and the first rows. Raises OptionError if there is none, or options name what no row has."""
        first: Fault | None = None
        for path in self.files():
            examples: list[_Example] = []
            for item in self._found(path):
                if isinstance(item, Fault):
                    first = first or item
                else:
                    examples.append(item)
                if len(examples) == self.guess_rows:
                    break
            if examples:
                break
        else:
            why = f" (record {first.line}: {first.reason})" if first else ""
            raise OptionError(
                f"{self.name_of(self.files()[0])} has no record that can be read{why}",
                option="path",
                help="name TFRecord files that hold tf.train.Example messages",
            )
        names = sorted({name for example in examples for name in example.features})
        check_known(self.columns, names, "columns")
        check_known(self.types, names, "types")
        check_known(self.lists, names, "lists")
        kept = [name for name in names if not self.columns or name in self.columns]
        check_names(kept, "columns")
        return _Looked({name: self._column(name, examples) for name in kept}, examples)

    def _column(self, name: str, examples: list[_Example]) -> Column:
        features = [feature for example in examples if (feature := example.features.get(name)) is not None]
        type_ = self.types.get(name)
        kinds = {kind for feature in features if (kind := feature.WhichOneof("kind")) and getattr(feature, kind).value}
        if type_ is not None and kinds and not kinds & set(KINDS[type_]):
            raise OptionError(
                f"the feature `{name}` is {' or '.join(sorted(kinds))}, and so no {type_}",
                option="types",
                help="leave its type out, and it is found",
            )
        return column_of(features, type_, True if name in self.lists else (False if type_ else None))
