"""The committed stubs match the contracts, and the contracts are commented."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.stubs import ROOT, generate


def test_stubs_match_protos(tmp_path):
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed (extra dev)")
    generate(tmp_path)

    fresh = {path.name: path.read_text() for path in (tmp_path / "hangtag/v1").iterdir()}
    committed = {path.name: path.read_text() for path in (ROOT / "hangtag/v1").glob("*_pb2*.py*")}

    assert committed == fresh


def test_every_declaration_has_a_comment():
    """Also where buf, which checks the same, is not installed."""
    bare = []
    for proto in sorted(Path(ROOT / "protos").rglob("*.proto")):
        lines = [line.strip() for line in proto.read_text().splitlines()]
        for above, line in pairwise(lines):
            declares = line.endswith(";") and "=" in line and not line.startswith(("syntax", "//"))
            opens = line.startswith(("message ", "enum ", "service ", "rpc "))
            if (declares or opens) and not above.startswith("//"):
                bare.append(f"{proto.name}: {line}")

    assert bare == []
