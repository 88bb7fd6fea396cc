"""Requests and replies between protobuf and its JSON mapping (proto3 JSON)."""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from hangtag.server.errors import CallError, Reason

# The fields that an error of protobuf names, outermost first. What follows them quotes the value, which is left out.
_FIELD = re.compile(r"Failed to parse (\w+) field")


def from_json(kind: type[Message], body: bytes) -> bytes:
    """The serialised request of a JSON object; names in snake_case or lowerCamelCase, unknown ones are ignored.

    Raises:
        CallError: INVALID_ARGUMENT: it is no JSON object, or a field has a wrong value.
    """
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if body else "it is empty"
        _refuse(f"the body is not JSON in UTF-8 ({place}); send one JSON object, {{}} without any field")
    if not isinstance(fields, dict):
        _refuse("the body is JSON but no object; send one JSON object")
    request = kind()
    _check_enums(request.DESCRIPTOR, fields, "")
    try:
        json_format.ParseDict(fields, request, ignore_unknown_fields=True)
    except (json_format.ParseError, TypeError, ValueError) as error:
        place = ".".join(_FIELD.findall(str(error)))
        what = f"field {place} has a value of the wrong kind" if place else "a field has a value of the wrong kind"
        _refuse(f"{what}; docs/openapi.json lists the fields of {kind.DESCRIPTOR.full_name}")
    return request.SerializeToString()


def to_json(kind: type[Message], raw: bytes) -> bytes:
    """A serialised reply as JSON in UTF-8: names in lowerCamelCase, 64-bit integers as strings, no default values."""
    return orjson.dumps(json_format.MessageToDict(kind.FromString(raw)))


def _check_enums(kind: Any, fields: Mapping[str, Any], place: str) -> None:
    """Refuse unknown names of enum values, which protobuf would ignore together with unknown fields."""
    for field in kind.fields:
        for name in {field.name, field.json_name} & fields.keys():
            values = fields[name] if isinstance(fields[name], list) else [fields[name]]
            for value in values:
                if field.type == FieldDescriptor.TYPE_MESSAGE and isinstance(value, dict):
                    _check_enums(field.message_type, value, f"{place}{field.name}.")
                elif field.type == FieldDescriptor.TYPE_ENUM and isinstance(value, str):
                    known = field.enum_type.values_by_name
                    if value not in known:
                        _refuse(f"{place}{field.name} has an unknown value; send one of {', '.join(known)}")


def _refuse(message: str) -> NoReturn:
    # Without the error of the library, which quotes the request.
    raise CallError(Reason.MALFORMED_REQUEST, message) from None
