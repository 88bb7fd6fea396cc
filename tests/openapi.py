"""Write the OpenAPI document of the calls over HTTP from protos/: `python -m tests.openapi` (`make protos`)."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from hangtag.server.errors import Reason

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "openapi.json"
_SOURCE = "hangtag/v1/tags.proto"
# Numbers of fields in descriptors: a comment's place is a path of them.
_MESSAGE, _ENUM, _SERVICE, _FIELD_OR_VALUE_OR_METHOD = 4, 5, 6, 2
_Field = FieldDescriptorProto
_INT64 = {_Field.TYPE_INT64, _Field.TYPE_UINT64, _Field.TYPE_SINT64}
_SIMPLE: dict[int, dict[str, Any]] = {
    _Field.TYPE_STRING: {"type": "string"},
    _Field.TYPE_BOOL: {"type": "boolean"},
    _Field.TYPE_INT32: {"type": "integer", "format": "int32"},
    _Field.TYPE_FLOAT: {"type": "number", "format": "float"},
}
_TIMESTAMP = ".google.protobuf.Timestamp"
_FAILED = "The call failed; docs/contracts.md lists the reasons."
# The HTTP status of each code of the Connect protocol that the server sends.
STATUSES = {
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "internal": 500,
    "unimplemented": 501,
    "unavailable": 503,
    "deadline_exceeded": 504,
}


def document() -> dict[str, Any]:
    """The document."""
    file = _described()
    comments = dict(_comments(file))
    service = file.service[0]
    requests = set(_reachable(file, [method.input_type for method in service.method]))
    schemas = {
        message.name: _message(message, comments, place, is_request=message.name in requests)
        for place, message in enumerate(file.message_type)
        if message.name in requests | set(_reachable(file, [method.output_type for method in service.method]))
    }
    used = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas)))
    schemas |= {each.name: _enum(each, comments, n) for n, each in enumerate(file.enum_type) if each.name in used}
    paths: dict[str, Any] = {}
    for place, method in enumerate(service.method):
        about = comments[_SERVICE, 0, _FIELD_OR_VALUE_OR_METHOD, place]
        paths[f"/{file.package}.{service.name}/{method.name}"] = {
            "post": {
                "operationId": method.name,
                "tags": [service.name],
                "summary": about.split(". ")[0].split("\n")[0].rstrip("."),
                "description": about,
                "parameters": [{"$ref": "#/components/parameters/timeout"}],
                "requestBody": {"required": True, "content": _json(_ref(method.input_type))},
                "responses": {
                    "200": {"description": "The reply.", "content": _json(_ref(method.output_type))},
                    **{str(status): {"$ref": "#/components/responses/error"} for status in STATUSES.values()},
                    "default": {"$ref": "#/components/responses/error"},
                },
            }
        }
    paths["/readyz"] = _READY
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hangtag",
            "version": file.package.rpartition(".")[2],
            "description": comments[_SERVICE, 0],
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "The server's `server.http_port`."}],
        "security": [{}, {"token": []}],
        "tags": [{"name": service.name, "description": "Tags for search engines and bots."}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": _ERROR},
            "parameters": {"timeout": _TIMEOUT},
            "responses": {"error": {"description": _FAILED, "content": _json(_ref(".Error"))}},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Where `server.tokens_file` is set."}
            },
        },
    }


_READY = {
    "get": {
        "operationId": "Ready",
        "summary": "Whether this server takes calls, for load balancers",
        "description": "As `grpc.health.v1` of `hangtag.v1.TagService`. It needs no token.",
        "security": [{}],
        "responses": {
            "200": {"description": "It does."},
            "503": {"description": "It does not: it stops, or the tag store cannot be read."},
        },
    }
}
_TIMEOUT = {
    "name": "Connect-Timeout-Ms",
    "in": "header",
    "description": "The call's deadline, in milliseconds from now. Always set it.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 9_999_999_999},
    "example": 500,
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "An error of the Connect protocol.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "The gRPC status in lower case.", "examples": [*STATUSES]},
        "message": {"type": "string", "description": "What happened and what to do, for people."},
        "details": {
            "type": "array",
            "description": "`google.rpc.ErrorInfo`, and `google.rpc.RetryInfo` where a retry makes sense.",
            "items": {
                "type": "object",
                "required": ["type", "value"],
                "properties": {
                    "type": {"type": "string", "examples": ["google.rpc.ErrorInfo", "google.rpc.RetryInfo"]},
                    "value": {"type": "string", "description": "The message, serialised, in base64 without padding."},
                    "debug": {
                        "type": "object",
                        "description": "The message as JSON.",
                        "properties": {
                            "domain": {"type": "string", "examples": ["hangtag"]},
                            "reason": {
                                "type": "string",
                                "description": "For programs; reasons may be added.",
                                "examples": [reason.label for reason in Reason],
                            },
                            "metadata": {
                                "type": "object",
                                "description": "What programs need to know beside the reason: of `INVALID_FILTER` the "
                                "`position` of the character, counted from 1.",
                                "additionalProperties": {"type": "string"},
                            },
                            "retryDelay": {
                                "type": "string",
                                "description": "The shortest time to wait.",
                                "examples": ["0.050s"],
                            },
                        },
                    },
                },
            },
        },
    },
}


def _described() -> FileDescriptorProto:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.binpb"
        options = ["-I", "protos", "--include_source_info", f"--descriptor_set_out={out}", _SOURCE]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options], cwd=ROOT, check=True)
        return FileDescriptorSet.FromString(out.read_bytes()).file[0]


def _comments(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """The comments above declarations, by their path; the lines of a paragraph are joined."""
    for location in file.source_code_info.location:
        lines = [line.strip() for line in location.leading_comments.strip().split("\n")]
        text = re.sub(r"\n(?![\n-])(?<!\n\n)", " ", "\n".join(lines))
        yield tuple(location.path), text


def _reachable(file: FileDescriptorProto, names: list[str]) -> Iterator[str]:
    """The messages of the file that these consist of."""
    messages = {f".{file.package}.{message.name}": message for message in file.message_type}
    for name in names:
        if name in messages:
            yield messages[name].name
            yield from _reachable(file, [field.type_name for field in messages[name].field])


def _message(
    message: DescriptorProto, comments: dict[tuple[int, ...], str], place: int, *, is_request: bool
) -> dict[str, Any]:
    properties = {}
    for number, field in enumerate(message.field):
        about = comments[_MESSAGE, place, _FIELD_OR_VALUE_OR_METHOD, number]
        entry = next((each for each in message.nested_type if field.type_name.endswith(f".{each.name}")), None)
        if entry is not None:  # a map
            schema = {"type": "object", "additionalProperties": _kind(entry.field[1], is_request=is_request)}
        else:
            schema = _kind(field, is_request=is_request)
        if field.label == _Field.LABEL_REPEATED and entry is None:
            schema = {"type": "array", "items": schema}
        properties[field.json_name] = {"description": about, **schema}
    about = comments[_MESSAGE, place]
    if is_request:
        about += " Names in snake_case are accepted too, and unknown ones are ignored."
    return {"type": "object", "description": about, "properties": properties}


def _kind(field: FieldDescriptorProto, *, is_request: bool) -> dict[str, Any]:
    if field.type in _INT64:
        # Numbers in JavaScript lose exactness above 2^53, so the server writes them as strings.
        text = {"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"}
        return {"type": ["string", "integer"], "format": "int64"} if is_request else text
    if field.type_name == _TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if field.type in (_Field.TYPE_ENUM, _Field.TYPE_MESSAGE):
        return _ref(field.type_name)
    return dict(_SIMPLE[field.type])


def _enum(each: EnumDescriptorProto, comments: dict[tuple[int, ...], str], place: int) -> dict[str, Any]:
    values = [
        f"- `{value.name}`: {comments[_ENUM, place, _FIELD_OR_VALUE_OR_METHOD, number]}"
        for number, value in enumerate(each.value)
    ]
    about = "\n".join([comments[_ENUM, place], "", *values])
    return {"type": "string", "description": about, "enum": [value.name for value in each.value]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name.rpartition('.')[2]}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def write() -> None:
    """Write the document into docs/."""
    PAGE.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
