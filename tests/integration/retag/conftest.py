"""Two bundles, and the settings of `hangtag retag` in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hangtag.cli.retag import opened
from hangtag.settings import KafkaSettings, ModelSettings, RedisSettings, Settings, WorkerSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.thresholds import TagThresholds
from tests.bundles import write_tiny_bundle


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two bundles that give the same texts other tags."""
    folders = [tmp_path_factory.mktemp(f"bundle-{seed}") for seed in range(2)]
    for seed, folder in enumerate(folders):
        write_tiny_bundle(folder, seed, thresholds=TagThresholds(auto=0.2, review=0.1))
    return folders


@pytest.fixture(scope="session")
def taggers(bundles: list[Path]) -> Iterator[list[Tagger]]:
    opened = [open_tagger(ModelSettings(bundle=str(folder), engine="cpu", threads=1)) for folder in bundles]
    yield opened
    for each in opened:
        each.close()


@pytest.fixture
def settings(topics_named: KafkaSettings, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("HANGTAG_REDIS__URL", redis_settings.url.get_secret_value())
    monkeypatch.setenv("HANGTAG_MODEL__ENGINE", "cpu")
    monkeypatch.setenv("HANGTAG_MODEL__THREADS", "1")
    # Both would stay for the other tests of this process.
    monkeypatch.setattr(opened, "give_way", lambda: None)
    monkeypatch.setattr(opened, "configure_logs", lambda *_: None)
    return Settings(kafka=topics_named, redis=redis_settings, worker=WorkerSettings())
