"""A bundle takes the place of another, which is kept."""

import pytest

from hangtag.bundle import copy_bundle, load_bundle
from tests.bundles import write_tiny_bundle


def test_the_previous_bundle_is_kept_until_its_copy_is_complete(tmp_path, monkeypatch):
    """A copy that fails leaves the bundle before last where it was."""
    folders = [tmp_path / name for name in ("first", "second", "third")]
    for seed, folder in enumerate(folders):
        write_tiny_bundle(folder, seed=seed)
    place, keep = tmp_path / "place", tmp_path / "keep"
    copy_bundle(folders[0], place)
    copy_bundle(folders[1], place, keep)
    first, second = (load_bundle(folder).version for folder in folders[:2])
    assert load_bundle(keep).version == first

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", fail)
    with pytest.raises(OSError, match="No space"):
        copy_bundle(folders[2], place, keep)

    assert (load_bundle(place).version, load_bundle(keep).version) == (second, first)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["first", "keep", "place", "second", "third"]
