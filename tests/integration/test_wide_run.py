"""A run with a wide part in its recipe."""

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.bundle import load_bundle
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe, write_base, write_data


@pytest.mark.timeout(60)
def test_if_all_ngrams_are_too_common_the_bundle_has_no_wide_part_and_that_is_reported(tmp_path):
    rare = {"max_share": 0.001, "max_word_share": 0.001}
    chosen = recipe(write_base(tmp_path / "base"), epochs=1, wide=rare, max_int8_loss=90)
    (tmp_path / "data").mkdir()
    stages: list[str] = []

    for _ in range(2):  # the bundle is made again from a finished run
        stages.clear()
        train(
            chosen, write_data(tmp_path / "data"), tmp_path / "run", tmp_path / "bundle", Watcher(stage=stages.append)
        )

        assert sum("No wide part" in each for each in stages) == 1
        assert load_bundle(tmp_path / "bundle").weights.wide is None
        assert not (tmp_path / "run" / "wide.safetensors").exists()
