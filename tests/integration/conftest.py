"""A small base model and a made-up shop, written once a session; tests that change the files copy them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small BERT."""
    from tests.integration.tiny_shop import write_base  # loads torch

    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with labelled products, `train.jsonl` and `validation.jsonl`."""
    from tests.integration.tiny_shop import write_data

    return write_data(tmp_path_factory.mktemp("data"))
