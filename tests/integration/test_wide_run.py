"""A run whose recipe asks for a wide part."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.bundle import load_bundle
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe, write_base, write_data


def test_a_shop_whose_ngrams_are_all_too_common_gets_a_bundle_without_a_wide_part_and_is_told(tmp_path):
    rare = {"max_share": 0.001, "max_word_share": 0.001}
    chosen = recipe(write_base(tmp_path / "base"), epochs=1, wide=rare, max_int8_loss=90)
    (tmp_path / "data").mkdir()
    told: list[str] = []

    for _ in range(2):  # the bundle is made again from a finished run
        told.clear()
        train(chosen, write_data(tmp_path / "data"), tmp_path / "run", tmp_path / "bundle", Watcher(stage=told.append))

        assert sum("There is no wide part" in each for each in told) == 1
        assert load_bundle(tmp_path / "bundle").weights.wide is None
        assert not (tmp_path / "run" / "wide.safetensors").exists()
