"""What a server says about an error beside its message: `google.rpc.Status` in the metadata of the reply.

The messages are declared here, in a pool of their own, because `googleapis-common-protos`, which has them, would be the
only other dependency of the client (3 MB of protobuf for four messages).
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

# The metadata in which gRPC libraries look for `google.rpc.Status`.
_KEY = "grpc-status-details-bin"
_DOMAIN = "hangtag"
_PACKAGE = "hangtag.client.status"
_Field = descriptor_pb2.FieldDescriptorProto
# The fields that are read, with the numbers of `google.rpc` and `google.protobuf`: name, number, type, message.
_MESSAGES: dict[str, tuple[tuple[str, int, "_Field.Type.ValueType", str], ...]] = {
    "Status": (("details", 3, _Field.TYPE_MESSAGE, "Any"),),
    "Any": (("type_url", 1, _Field.TYPE_STRING, ""), ("value", 2, _Field.TYPE_BYTES, "")),
    "ErrorInfo": (
        ("reason", 1, _Field.TYPE_STRING, ""),
        ("domain", 2, _Field.TYPE_STRING, ""),
        ("metadata", 3, _Field.TYPE_MESSAGE, "Entry"),
    ),
    # A map is a list of such messages.
    "Entry": (("key", 1, _Field.TYPE_STRING, ""), ("value", 2, _Field.TYPE_STRING, "")),
    "RetryInfo": (("retry_delay", 1, _Field.TYPE_MESSAGE, "Duration"),),
    "Duration": (("seconds", 1, _Field.TYPE_INT64, ""), ("nanos", 2, _Field.TYPE_INT32, "")),
}
_REPEATED = {"details", "metadata"}


class Details(NamedTuple):
    """The reason of an error, and after how many seconds a retry makes sense; None where the server does not say.

    `metadata` is what programs are told beside the reason.
    """

    reason: str | None = None
    retry_after_s: float | None = None
    metadata: Mapping[str, str] = MappingProxyType({})


def details_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> Details:
    """What the trailing metadata of a reply say. What cannot be read counts as not said."""
    for key, value in metadata or ():
        if key == _KEY and isinstance(value, bytes):
            try:
                return _parse(value)
            except DecodeError:
                break
    return Details()


def _parse(value: bytes) -> Details:
    reason, retry_after_s = None, None
    metadata: dict[str, str] = {}
    for detail in _CLASSES["Status"].FromString(value).details:
        kind = detail.type_url.rpartition("/")[2]
        if kind == "google.rpc.ErrorInfo":
            info = _CLASSES["ErrorInfo"].FromString(detail.value)
            if info.domain == _DOMAIN:
                reason = info.reason
                metadata |= {each.key: each.value for each in info.metadata}
        elif kind == "google.rpc.RetryInfo":
            delay = _CLASSES["RetryInfo"].FromString(detail.value).retry_delay
            retry_after_s = max(0.0, delay.seconds + delay.nanos / 1e9)
    return Details(reason or None, retry_after_s, metadata)


def _declare() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="hangtag/client/status.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            is_many = field in _REPEATED
            message.field.add(
                name=field,
                number=number,
                type=kind,
                label=_Field.LABEL_REPEATED if is_many else _Field.LABEL_OPTIONAL,
                type_name=f".{_PACKAGE}.{of}" if of else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _declare()
