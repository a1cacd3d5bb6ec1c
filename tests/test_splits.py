"""Hold out distinct samples."""

import numpy as np
import pytest

from skreviews import LSTMClassifier, NgramClassifier
from skreviews._splits import hold_out


@pytest.fixture(params=range(5))
def random_state(request):
    return np.random.default_rng(request.param)


def test_copies_stay_together(random_state):
    groups = random_state.integers(0, 100, 1000)
    codes = groups % 3
    held_out = hold_out(groups, codes, 0.2, random_state)
    assert not set(groups[held_out]) & set(groups[~held_out])
    assert held_out.any()


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.35])
def test_the_fraction_is_that_of_the_distinct_samples_of_each_class(
    random_state, fraction
):
    groups = random_state.permutation(100).repeat(random_state.integers(1, 9, 100))
    codes = (groups % 10 == 0).astype(int)
    held_out = hold_out(groups, codes, fraction, random_state)
    for code, n_distinct in ((0, 90), (1, 10)):
        found = len(np.unique(groups[held_out & (codes == code)]))
        assert found == np.ceil(fraction * n_distinct)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_sample_of_each_class_remains(random_state, fraction):
    codes = np.repeat([0, 1, 2], [20, 2, 1])
    held_out = hold_out(np.arange(23), codes, fraction, random_state)
    assert set(codes[~held_out]) == {0, 1, 2}
    assert set(codes[held_out]) == {0, 1}


def test_nothing_is_held_out_of_classes_with_one_distinct_sample(random_state):
    held_out = hold_out(np.array([7, 8, 8]), np.array([0, 1, 1]), 0.5, random_state)
    assert not held_out.any()


def test_a_text_with_two_labels_counts_as_the_rarer(random_state):
    # The only text of class 1 has class 0, too.
    groups, codes = np.append(np.arange(20), 0), np.repeat([0, 1], [20, 1])
    held_out = hold_out(groups, codes, 0.1, random_state)
    assert not held_out[[0, -1]].any()
    assert set(codes[~held_out]) == {0, 1}


def test_all_texts_of_a_class_may_have_rarer_labels(random_state):
    # Class 0 has texts of class 1 only.
    groups, codes = np.tile(np.arange(9), 3), np.repeat([0, 1, 0], 9)
    held_out = hold_out(groups, codes, 0.9, random_state)
    assert set(codes[~held_out]) == {0, 1}
    assert held_out.any()
    assert not set(groups[held_out]) & set(groups[~held_out])


def test_samples_are_drawn_by_the_generator():
    codes = np.repeat([0, 1], 50)
    draws = [
        hold_out(np.arange(100), codes, 0.2, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


# In LSTMClassifier


@pytest.fixture
def split_of(monkeypatch):
    """A function that fits, and returns the rows and labels of both sides."""
    sides = []
    hold = LSTMClassifier._hold_out

    def spied(self, *args):
        sides[:] = hold(self, *args)
        return sides

    monkeypatch.setattr(LSTMClassifier, "_hold_out", spied)

    def split(X, y, **params):
        small = {"hidden_size": 4, "max_epochs": 1, "device": "cpu", "random_state": 0}
        LSTMClassifier(**small | params).fit(X, y)
        return [
            []
            if side is None
            else [
                (tuple(side.rows.ids[start:stop]), code)
                for start, stop, code in zip(
                    side.rows.offsets[:-1], side.rows.offsets[1:], side.y, strict=True
                )
            ]
            for side in sides
        ]

    return split


def test_copies_never_stand_on_both_sides_of_the_validation_split(ids, split_of):
    X, y = ids
    copied = np.random.default_rng(0).integers(0, len(y), 1000)
    train, valid = split_of(X[copied], y[copied], validation_fraction=0.1)
    assert len(train) + len(valid) == 1000
    assert not {row for row, _ in train} & {row for row, _ in valid}


def test_samples_are_held_out_on_request_and_for_early_stopping(ids, split_of):
    X, y = ids
    for params in ({}, {"validation_fraction": None}):
        train, valid = split_of(X, y, **params)
        assert len(train) == len(y) and valid == []
    stopped = split_of(X, y, early_stopping=True)
    assert stopped == split_of(X, y, validation_fraction=0.1)
    assert len(stopped[0]) + len(stopped[1]) == len(y)
    # Each class is rounded up.
    assert 0.1 * len(y) <= len(stopped[1]) <= 0.1 * len(y) + 5
    _, valid = split_of(X, y, early_stopping=True, validation_fraction=0.3)
    assert len(valid) >= 0.3 * len(y)


def test_both_models_train_on_the_same_samples(ids, monkeypatch):
    X, y = ids
    seen = []
    fit = NgramClassifier.fit

    def spied(self, X, y, sample_weight=None):
        seen.append(len(y))
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(NgramClassifier, "fit", spied)
    params = {"hidden_size": 4, "max_epochs": 1, "validation_fraction": 0.3}
    LSTMClassifier(**params, ngrams=NgramClassifier(n_buckets=64)).fit(X, y)
    assert 0.65 * len(y) < seen[0] <= 0.7 * len(y)
