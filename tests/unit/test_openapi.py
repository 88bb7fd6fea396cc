"""The OpenAPI document: made from protos/, current, valid, and complete."""

import json

import pytest

pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is not installed (extra test)")

from openapi_spec_validator import validate

from hangtag.server.errors import Reason
from hangtag.server.methods import SERVICE
from hangtag.v1 import tags_pb2
from tests import openapi

COMMITTED = json.loads(openapi.PAGE.read_text("utf-8"))


def test_it_is_what_protos_say():
    assert openapi.document() == COMMITTED, "run: make protos"


def test_it_is_valid():
    validate(COMMITTED)


def test_it_has_every_call_and_field():
    methods = tags_pb2.DESCRIPTOR.services_by_name["TagService"].methods
    assert [path for path in COMMITTED["paths"] if path != "/readyz"] == [f"/{SERVICE}/{each.name}" for each in methods]
    for method in methods:
        for kind in (method.input_type, method.output_type):
            properties = COMMITTED["components"]["schemas"][kind.name]["properties"]
            assert list(properties) == [field.json_name for field in kind.fields]
            assert all(each["description"] for each in properties.values())


def test_it_has_the_http_status_of_every_error():
    assert {reason.code.name.lower() for reason in Reason} <= openapi.STATUSES.keys()
