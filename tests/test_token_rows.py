"""Rows of token ids without padding, and their order in training."""

import numpy as np
import pytest

from skreviews import SequenceVectorizer
from skreviews.preprocessing._token_rows import TokenRows, arrange_rows, count_tokens


@pytest.fixture(scope="module")
def padded():
    random_state = np.random.default_rng(0)
    X = random_state.integers(1, 50, (100, 12))
    X[np.arange(12) >= random_state.integers(1, 13, (100, 1))] = 0
    return X


@pytest.fixture(scope="module")
def rows(padded):
    return TokenRows.from_padded(padded, 50)


def test_padding_is_dropped_wherever_it_is(padded, rows):
    assert np.array_equal(rows.to_padded(12), padded)
    assert np.array_equal(rows.lengths, (padded != 0).sum(axis=1))
    spread = np.zeros((100, 24), int)
    spread[:, 1::2] = padded
    left = np.array([np.roll(row, (row == 0).sum()) for row in padded])
    for other in (spread, left):
        found = TokenRows.from_padded(other, 50)
        assert np.array_equal(found.ids, rows.ids)
        assert np.array_equal(found.offsets, rows.offsets)


def test_large_ids_and_empty_rows_become_unknown():
    X = np.array([[0, 0, 0], [5, 2**40, 0], [0, 9, 0], [0, 0, 0]])
    rows = TokenRows.from_padded(X, 9)
    assert rows.ids.dtype == np.int32
    assert rows.to_padded(3).tolist() == [[1, 0, 0], [5, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_take_selects_repeats_and_orders(padded, rows):
    selected = np.array([3, 3, 99, 0])
    assert np.array_equal(rows.take(selected).to_padded(12), padded[selected])
    assert len(rows.take(np.array([], int))) == 0


@pytest.mark.parametrize("max_len", [1, 2, 5, 11, 12, 400])
def test_rows_are_shortened_as_by_the_vectorizer(padded, rows, max_len):
    texts = [" ".join(f"w{i:02}" for i in row if i) for row in padded]
    vocabulary = [f"w{i:02}" for i in range(1, 50)]
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, max_len=max_len)
    expected = vectorizer.fit_transform(texts)
    shifted = TokenRows(rows.ids + 1, rows.offsets)
    assert np.array_equal(shifted.shorten(max_len).to_padded(max_len), expected)


def test_fingerprints_tell_distinct_rows_apart(padded, rows):
    swapped = padded[:, [1, 0, *range(2, 12)]]
    everything = TokenRows.from_padded(np.vstack([padded, swapped, padded]), 50)
    distinct, found = np.unique(everything.to_padded(12), axis=0, return_inverse=True)
    assert len(distinct) > 150
    _, prints = np.unique(everything.fingerprints(), return_inverse=True)
    pairs = np.column_stack([found.ravel(), prints])
    assert len(np.unique(pairs, axis=0)) == len(np.unique(prints)) == len(distinct)


def test_samples_are_sorted_whatever_their_order(padded, rows):
    codes = np.arange(100) % 3
    weights = np.linspace(0, 2, 100)
    expected = arrange_rows(rows, codes, weights)
    order = np.random.default_rng(1).permutation(100)
    found = arrange_rows(rows.take(order), codes[order], weights[order])
    assert np.array_equal(found[0].to_padded(12), expected[0].to_padded(12))
    assert np.array_equal(found[1], expected[1])
    assert np.array_equal(found[2], expected[2])
    assert len(found[1]) == 99  # the weight of 0 is dropped


def test_whole_weights_repeat_samples_up_to_a_mean_of_10(rows):
    codes, weights = np.zeros(100, int), np.arange(100) % 3.0
    arranged, _, no_weights = arrange_rows(rows, codes, weights)
    assert len(arranged) == weights.sum() and no_weights is None
    arranged, _, no_weights = arrange_rows(rows, codes, np.full(100, 10.0))
    assert len(arranged) == 1000 and no_weights is None
    arranged, _, kept = arrange_rows(rows, codes, np.full(100, 11.0))
    assert len(arranged) == 100 and (kept == 11).all()


def test_the_number_of_token_ids():
    assert count_tokens(np.array([[2, 7]]), None) == 8
    assert count_tokens(np.zeros((1, 2), int), None) == 2
    assert count_tokens(np.array([[2, 7]]), ("a", "b")) == 4
    with pytest.raises(ValueError, match="X holds the id 2147483647, and every id"):
        count_tokens(np.array([[2**31 - 1]]), None)
