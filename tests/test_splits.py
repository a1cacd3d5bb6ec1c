"""hold_out: distinct samples for validation."""

import numpy as np
import pytest

from skreviews._splits import hold_out


def _hold_out(groups, codes, fraction=0.2, seed=0):
    return hold_out(
        np.asarray(groups), np.asarray(codes), fraction, np.random.RandomState(seed)
    )


@pytest.fixture(scope="module")
def copies():
    """300 samples, copies of 120 distinct ones of four classes."""
    rng = np.random.default_rng(0)
    codes = rng.choice(4, 120, p=[0.6, 0.25, 0.1, 0.05])
    drawn = np.append(np.arange(120), rng.integers(0, 120, 180))
    hashes = rng.integers(2**63, size=120, dtype=np.uint64)
    return hashes[drawn], codes[drawn]


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_copies_are_on_one_side(copies, fraction):
    groups, codes = copies
    for seed in range(5):
        held_out = _hold_out(groups, codes, fraction, seed)
        assert held_out.any() and not held_out.all()
        assert not np.isin(groups[held_out], groups[~held_out]).any()


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
def test_each_class_keeps_a_sample(copies, fraction):
    groups, codes = copies
    held_out = _hold_out(groups, codes, fraction)
    assert np.array_equal(np.unique(codes[~held_out]), [0, 1, 2, 3])
    assert np.array_equal(np.unique(codes[held_out]), [0, 1, 2, 3])


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1 / 3])
def test_the_share_of_each_class_is_rounded_up(copies, fraction):
    groups, codes = copies
    held_out = _hold_out(groups, codes, fraction)
    for code in range(4):
        n_groups = len(np.unique(groups[codes == code]))
        n_held_out = len(np.unique(groups[held_out & (codes == code)]))
        assert n_held_out == np.ceil(fraction * n_groups)


def test_the_number_of_copies_does_not_change_the_share():
    groups = np.repeat(np.arange(10), [91, *[1] * 9])
    held_out = _hold_out(groups, np.zeros(100, dtype=int), 0.3)
    assert len(np.unique(groups[held_out])) == 3


@pytest.mark.parametrize(
    ("n_groups", "expected"), [(1, 0), (2, 1), (3, 1), (5, 1), (6, 2)]
)
def test_small_classes_keep_at_least_one_distinct_sample(n_groups, expected):
    groups = np.append(np.arange(n_groups), np.arange(100, 150))
    codes = np.repeat([0, 1], [n_groups, 50])
    held_out = _hold_out(groups, codes)
    assert held_out[codes == 0].sum() == expected
    assert held_out[codes == 1].sum() == 10


def test_nothing_is_held_out_of_one_distinct_sample_per_class():
    held_out = _hold_out([7, 8, 7, 7, 8], [0, 1, 0, 0, 1], 0.9)
    assert held_out.tolist() == [False] * 5


def test_copies_with_different_labels_belong_to_their_rarest():
    groups = np.append(np.zeros(11, dtype=int), np.arange(1, 41))
    codes = np.append([*[0] * 10, 1], np.repeat([0, 1], [36, 4]))
    # 46 samples of class 0 and 5 of class 1: group 0 is one of five of class 1.
    for seed in range(20):
        held_out = _hold_out(groups, codes, 0.2, seed)
        assert not np.isin(groups[held_out], groups[~held_out]).any()
        of_rare = np.isin(groups, [0, 37, 38, 39, 40])
        assert len(np.unique(groups[held_out & of_rare])) == 1


def test_a_class_whose_copies_have_a_rarer_label_keeps_one():
    # All samples of class 2 are copies of one of the two samples of class 1.
    groups = np.array([0, 1, 2, 3, 4, 5, 5, 5, 5])
    codes = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2])
    for seed in range(20):
        held_out = _hold_out(groups, codes, 0.5, seed)
        assert set(codes[~held_out]) == {0, 1, 2}
        assert not np.isin(groups[held_out], groups[~held_out]).any()


def test_the_samples_may_come_in_any_order(copies):
    groups, codes = copies
    order = np.random.default_rng(1).permutation(len(codes))
    expected = _hold_out(groups, codes)
    assert np.array_equal(_hold_out(groups[order], codes[order]), expected[order])


def test_the_seed_draws_the_samples(copies):
    first, again, other = (_hold_out(*copies, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    generator = np.random.default_rng(0)
    assert hold_out(*copies, 0.2, generator).any()
