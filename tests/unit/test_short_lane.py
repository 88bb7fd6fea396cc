"""The CPU engine's own place for short texts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import EngineError
from hangtag.engine.cpu import _SHORT_TOKENS, CpuEngine
from hangtag.text.tokens import Tokens
from tests.unit.test_bundle import write


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("short-lane") / "bundle"
    write(folder)
    return load_bundle(folder)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_of_short_texts_does_not_wait_for_one_of_others(bundle: Bundle, threads: int) -> None:
    """Its logits are the same, to the bit."""
    plain, laned = (CpuEngine(bundle, threads, vectors=True, short_lane=short_lane) for short_lane in (False, True))
    short, longer = (Tokens(np.full(n, 3, np.int32), np.zeros(n, np.int32)) for n in (5, _SHORT_TOKENS + 1))
    busy = [laned._free.get() for _ in range(laned._ways)]
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(laned.forward, [longer])
        try:
            found = pool.submit(laned.forward, [short, short]).result(20)
            assert not waiting.done()
        finally:
            for request in busy:
                laned._free.put(request)
    np.testing.assert_array_equal(found, plain.forward([short, short]))
    np.testing.assert_array_equal(waiting.result(), plain.forward([longer]))
    laned.close()
    for text in (short, longer):
        with pytest.raises(EngineError, match="closed"):
            laned.forward([text])
