"""Strict parsers for configuration without classes in tensorflow-serving-api.

The fields are those of TF Serving's session_bundle_config.proto and
monitoring_config.proto; an unknown name or a wrong type is an error.
"""

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

FIELD = descriptor_pb2.FieldDescriptorProto
INT64, STRING = ".google.protobuf.Int64Value", ".google.protobuf.StringValue"
MESSAGES = {
    "BatchingParameters": [
        ("max_batch_size", 1, INT64),
        ("batch_timeout_micros", 2, INT64),
        ("max_enqueued_batches", 3, INT64),
        ("num_batch_threads", 4, INT64),
        ("thread_pool_name", 5, STRING),
        ("allowed_batch_sizes", 6, [FIELD.TYPE_INT64]),
        ("pad_variable_length_inputs", 7, FIELD.TYPE_BOOL),
    ],
    "PrometheusConfig": [
        ("enable", 1, FIELD.TYPE_BOOL),
        ("path", 2, FIELD.TYPE_STRING),
    ],
    "MonitoringConfig": [("prometheus_config", 1, ".keras_gen_test.PrometheusConfig")],
}


def _pool():
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_gen_test.proto",
        package="keras_gen_test",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for message, fields in MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = described.field.add(name=name, number=number)
            is_list = isinstance(kind, list)
            field.label = FIELD.LABEL_REPEATED if is_list else FIELD.LABEL_OPTIONAL
            kind = kind[0] if is_list else kind
            if isinstance(kind, str):
                field.type, field.type_name = FIELD.TYPE_MESSAGE, kind
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


POOL = _pool()


def parse(message, text):
    """Parses a message in text format.

    Args:
        message: Name of its type, one of `MESSAGES`.
        text: The message in text format.

    Raises:
        text_format.ParseError: For text that is not such a message.
    """
    described = POOL.FindMessageTypeByName(f"keras_gen_test.{message}")
    return text_format.Parse(text, message_factory.GetMessageClass(described)())
