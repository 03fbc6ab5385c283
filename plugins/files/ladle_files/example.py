"""`tf.train.Example`, the message in which TensorFlow keeps a row, without TensorFlow.

An Example holds features by name, and each feature is a list of byte strings, of 32-bit numbers or of 64-bit integers.
The numbers of its fields are those of TensorFlow's `core/example/example.proto` and `feature.proto`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

FeatureKind = Literal["bytes_list", "float_list", "int64_list"]


@cache
def example_class() -> Any:
    """The class of the message, made in a pool of its own: TensorFlow, should it be loaded too, has another."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="ladle/example.proto", package="tensorflow", syntax="proto3")

    def message(name: str) -> Any:
        return file.message_type.add(name=name)

    def add(to: Any, name: str, number: int, type_: int, repeated: bool = False, of: str = "", **more: Any) -> None:
        label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        to.field.add(name=name, number=number, type=type_, label=label, type_name=of or None, **more)

    for name, type_ in (("Bytes", field.TYPE_BYTES), ("Float", field.TYPE_FLOAT), ("Int64", field.TYPE_INT64)):
        add(message(f"{name}List"), "value", 1, type_, repeated=True)
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("Bytes", "Float", "Int64"), 1):
        of = f".tensorflow.{name}List"
        add(feature, f"{name.lower()}_list", number, field.TYPE_MESSAGE, of=of, oneof_index=0)
    features = message("Features")
    entry = features.nested_type.add(name="FeatureEntry")  # what a map from names to features is on the wire
    entry.options.map_entry = True
    add(entry, "key", 1, field.TYPE_STRING)
    add(entry, "value", 2, field.TYPE_MESSAGE, of=".tensorflow.Feature")
    add(features, "feature", 1, field.TYPE_MESSAGE, repeated=True, of=".tensorflow.Features.FeatureEntry")
    add(message("Example"), "features", 1, field.TYPE_MESSAGE, of=".tensorflow.Features")

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.Example"))
