"""Every target with its seeds, with seeded random changes of them, and with inputs that Hypothesis builds."""

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.fuzz.catalogue import SHARES, load_target
from tests.fuzz.measure import Measured
from tests.fuzz.mutate import DICTIONARY, Mutator

# Those that write files take milliseconds for an input.
INPUTS = {
    "tokens": 500,
    "queries": 500,
    "filters": 300,
    "searches": 500,
    "bundles": 150,
    "folders": 60,
    "settings_files": 300,
    "environments": 200,
    "recipes": 200,
    "labelled": 150,
    # A connection each.
    "wire_frames": 150,
    "wire_messages": 60,
    "wire_metadata": 40,
    "wire_http": 150,
}
DEFAULT_INPUTS = 2_000

# The first target of the wire starts a server.
pytestmark = pytest.mark.timeout(150)

pieces = st.one_of(st.binary(max_size=40), st.sampled_from(DICTIONARY))


@pytest.mark.parametrize("name", SHARES)
def test_a_short_run_finds_nothing(name, tmp_path):
    target = load_target(name)
    mutator = Mutator(target.seeds, seed=20_261_126)
    measured = Measured(target, tmp_path)

    for _ in range(INPUTS.get(name, DEFAULT_INPUTS)):
        measured.run(mutator.next())

    assert measured.crashes == {}
    assert len(measured.outcomes) > 2


@pytest.mark.parametrize("name", SHARES)
def test_pieces_in_any_order_break_no_contract(name):
    target = load_target(name)

    @hypothesis.settings(max_examples=10 if name.startswith("wire") else 50, derandomize=True, database=None)
    @hypothesis.given(st.sampled_from(target.seeds), st.lists(pieces, max_size=4), st.integers(0, 400))
    def check(seed, added, at):
        target.run(seed[:at] + b"".join(added) + seed[at:])

    check()
