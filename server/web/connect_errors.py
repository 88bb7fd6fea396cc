"""Errors of calls as those of the Connect protocol, with the same details as in gRPC."""

from functools import lru_cache

from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.rpc import error_details_pb2  # type: ignore[import-untyped] # has no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped] # has no stubs
from protobuf import Registry
from protobuf.wkt import FileDescriptorSet as OwnFileDescriptorSet

from hangtag.server.errors import CallError

# gRPC and the Connect protocol spell one code differently.
_CANCELLED = "cancelled"


def connect_error(error: CallError) -> ConnectError:
    """The error with its reason, and the time to wait where a retry makes sense."""
    name = error.code.name.lower()
    code = Code.CANCELED if name == _CANCELLED else Code(name)
    status = Status.FromString(error.details())
    return ConnectError(code, error.message, [_detail(each.TypeName(), each.value) for each in status.details])


def _detail(name: str, value: bytes) -> ErrorDetail:
    found = _registry().message(name)
    assert found is not None
    # As a message of the Connect library, which shows it in JSON beside its bytes.
    return ErrorDetail(found.type.from_binary(value))


@lru_cache(maxsize=1)
def _registry() -> Registry:
    files: dict[str, FileDescriptorProto] = {}
    _add(error_details_pb2.DESCRIPTOR, files)
    raw = FileDescriptorSet(file=files.values()).SerializeToString()
    return OwnFileDescriptorSet.from_binary(raw).to_registry()


def _add(file: object, files: dict[str, FileDescriptorProto]) -> None:
    """Add the file behind those that it imports."""
    for needed in file.dependencies:  # type: ignore[attr-defined] # the stubs of descriptors lack it
        _add(needed, files)
    proto = FileDescriptorProto()
    file.CopyToProto(proto)  # type: ignore[attr-defined]
    for message in proto.message_type:
        _name(message, file.message_types_by_name[message.name])  # type: ignore[attr-defined]
    files[proto.name] = proto


def _name(message: DescriptorProto, described: Descriptor) -> None:
    """Add the names in JSON, which protobuf leaves out of its copies."""
    for field in message.field:
        field.json_name = described.fields_by_name[field.name].json_name
    for nested in message.nested_type:
        _name(nested, described.nested_types_by_name[nested.name])
