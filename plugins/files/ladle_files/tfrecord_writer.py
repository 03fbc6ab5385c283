"""Rows into TFRecord files."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from ladle import OptionError
from ladle.columns import Columns

from .example import FeatureKind, example_class
from .frames import frame_of
from .packing import PACKED, packed
from .writers import FileWriter, as_json

if TYPE_CHECKING:
    import pyarrow as pa

    from ladle import Rows

_HELP = 'leave it out before (`use = "select"`), or write "jsonl" or "parquet"'


class _Feature(NamedTuple):
    """A column of a batch as features: per row the values of one, None where there is none."""

    name: str
    kind: FeatureKind
    is_list: bool
    values: list[Any]


class TfRecordWriter(FileWriter):
    """Write a TFRecord file of `tf.train.Example` messages, without TensorFlow.

    A column becomes a feature: text (in UTF-8), bytes and times (ISO 8601) byte strings, integers and booleans (0 or 1)
    64-bit integers, numbers those of 32 bits, to which they are rounded. A feature of a list has as many values as the
    list, also none; where a row has null its feature is left out. Records, lists of lists, nulls inside of lists and
    numbers too large for 32 bits cannot be written. If the path ends with .gz the file is gzip.
    """

    compression: Literal["gzip", "zlib", "none"] | None = Field(
        default=None, description="How the file is packed; without it by the path. TensorFlow has to be told of it."
    )

    @model_validator(mode="after")
    def _packed_for_tensorflow(self) -> TfRecordWriter:
        if self.path.suffix.lower() in PACKED[1:]:
            raise OptionError(
                f"TensorFlow cannot unpack {self.path.suffix}", option="path", help='let the path end with ".gz"'
            )
        return self

    def columns_after(self, given: Columns) -> Columns:
        for name in given.of_type("record"):
            raise OptionError(f"column `{name}` holds records, and an Example has no feature for them", help=_HELP)
        return super().columns_after(given)

    def write(self, data: Rows, path: Path) -> None:
        message_class = example_class()
        with self._file(path) as write:
            for batch in self.batches(data):
                features = [_feature(name, batch[name]) for name in batch.schema.names]
                for row in range(batch.num_rows):
                    message = message_class()
                    for feature in features:
                        _add(message.features.feature, feature, feature.values[row])
                    write(frame_of(message.SerializeToString(deterministic=True)))

    @contextmanager
    def _file(self, path: Path) -> Iterator[Callable[[bytes], Any]]:
        """What writes bytes to a file, packed as it shall be."""
        packing = {"gzip": ".gz", None: self.path.suffix.lower()}.get(self.compression, "")
        with packed(path, packing) as file:
            if self.compression != "zlib":
                yield file.write
                return
            packer = zlib.compressobj()
            yield lambda data: file.write(packer.compress(data))
            file.write(packer.flush())


def _add(to: Any, feature: _Feature, value: Any) -> None:
    """Add the value of a row to the features of a message."""
    if value is None:
        return
    values = getattr(to[feature.name], feature.kind)
    values.SetInParent()  # a feature without values is one all the same
    values.value.extend(value if feature.is_list else [value])


def _feature(name: str, array: pa.Array) -> _Feature:
    """A column as features. Raises OptionError for values that no feature can hold."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    is_list = types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type)
    inner = array.flatten() if is_list else array
    if is_list and inner.null_count:
        raise OptionError(f"column `{name}` has lists with null inside, which no feature can hold", help=_HELP)
    if types.is_temporal(inner.type) and not types.is_duration(inner.type):
        work = _texts if is_list else _text
        values = [None if value is None else work(value) for value in array.to_pylist()]
        return _Feature(name, "bytes_list", is_list, values)
    for checks, kind, type_ in (
        ((types.is_null, types.is_string, types.is_large_string, types.is_string_view), "bytes_list", pa.binary()),
        ((types.is_binary, types.is_large_binary, types.is_fixed_size_binary), "bytes_list", pa.binary()),
        ((types.is_boolean, types.is_integer), "int64_list", pa.int64()),
        ((types.is_floating, types.is_decimal), "float_list", pa.float32()),
    ):
        if any(check(inner.type) for check in checks):
            _check_range(name, inner, type_)
            return _Feature(name, kind, is_list, array.cast(pa.list_(type_) if is_list else type_).to_pylist())
    raise OptionError(f"column `{name}` holds {inner.type}, and an Example has no feature for it", help=_HELP)


def _check_range(name: str, values: pa.Array, type_: pa.DataType) -> None:
    """Raises OptionError if a value is too large for a type."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_uint64(values.type):
        too_large = pc.greater(values, pa.scalar(2**63 - 1, pa.uint64()))
    elif type_ == pa.float32():
        too_large = pc.and_(pc.is_inf(values.cast(type_)), pc.invert(pc.is_inf(values.cast(pa.float64()))))
    else:
        return
    if pc.any(too_large).as_py():
        value = values.filter(too_large)[0].as_py()
        what = "64-bit integer" if type_ == pa.int64() else "32-bit number"
        raise OptionError(f"column `{name}` holds {value}, which is too large for a {what}", help=_HELP)


def _text(value: Any) -> bytes:
    return as_json(value).encode()


def _texts(values: list[Any]) -> list[bytes]:
    return list(map(_text, values))
