"""The cost models that engines declare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.engine.cost import CostModel, Padding, bucket

lengths = st.lists(st.integers(1, 512), max_size=30)


def test_padding_is_bounded_and_never_exceeds_the_positions() -> None:
    for length in range(1, 513):
        padded = bucket(length, 512)
        assert length <= padded <= min(512, length + max(7, length // 8))
    assert bucket(61, 62) == 62


@pytest.mark.parametrize(
    ("padding", "cost"), [(Padding.LONGEST, 3 * 100), (Padding.BUCKET, 8 + 16 + 104), (Padding.NONE, 3 + 9 + 100)]
)
def test_cost_of_a_batch(padding: Padding, cost: int) -> None:
    assert CostModel(padding, 512).of_batch([3, 9, 100]) == cost
    assert CostModel(padding, 512).of_batch([]) == 0


@given(lengths, st.sampled_from(Padding))
def test_a_text_alone_costs_the_same_as_a_batch_of_one_and_a_batch_at_least_its_tokens(
    batch: list[int], padding: Padding
) -> None:
    cost = CostModel(padding, 512)

    assert [cost.of_batch([length]) for length in batch] == [cost.of_text(length) for length in batch]
    assert cost.of_batch(batch) >= sum(batch)


@given(lengths)
def test_a_bucket_is_its_own_bucket(batch: list[int]) -> None:
    padded = [bucket(length, 512) for length in batch]

    np.testing.assert_array_equal([bucket(length, 512) for length in padded], padded)
