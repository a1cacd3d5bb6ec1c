"""Word vectors from positive pointwise mutual information."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skreviews.embeddings import _ppmi
from skreviews.embeddings._ppmi import learn_word_vectors
from skreviews.preprocessing._token_rows import TokenRows

N_TOKENS = 14


@pytest.fixture
def rows():
    """Rows of 1 to 12 tokens of ten words and the out-of-vocabulary id."""
    rng = np.random.default_rng(0)
    is_token = np.arange(12) < rng.integers(1, 13, (30, 1))
    return TokenRows.from_padded(rng.integers(1, 12, (30, 12)) * is_token, N_TOKENS)


def learn(rows, dim=10, n_learned=None):
    rng = np.random.default_rng(0)
    return learn_word_vectors(rows, N_TOKENS, dim, n_learned or dim, rng)


def normalized_products(table):
    """Return the scalar products, which do not depend on signs and scale."""
    products = table.astype(float) @ table.astype(float).T
    return products / np.trace(products)


def ppmi(rows):
    """Compute the matrix pair by pair."""
    counts = np.zeros((N_TOKENS, N_TOKENS))
    for start, end in zip(rows.offsets, rows.offsets[1:], strict=False):
        row = rows.ids[start:end]
        for i, word in enumerate(row):
            for j, context in enumerate(row):
                if i != j and abs(i - j) <= 5 and context > 1:
                    counts[word, context] += 1 / abs(i - j)
    smoothed = counts.sum(0) ** 0.75
    expected = counts.sum(1)[:, None] * smoothed / smoothed.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.fmax(np.log(counts / expected), 0)


def assert_random(table):
    expected = np.random.default_rng(0).normal(0, 0.3, (N_TOKENS, 10))
    expected[0] = 0
    assert_allclose(table, expected, rtol=1e-6)


def test_vectors_factorise_the_matrix(rows):
    left, values, _ = np.linalg.svd(ppmi(rows))
    expected = (left * values) @ left.T
    expected /= np.trace(expected)
    assert_allclose(normalized_products(learn(rows)), expected, atol=1e-6)


def test_vectors_have_a_fixed_standard_deviation(rows):
    assert_allclose(learn(rows, dim=5)[2:].std(), 0.3, rtol=1e-5)


def test_padding_and_words_without_occurrence_have_zero_vectors(rows):
    table = learn(rows)
    assert_array_equal(table.any(axis=1), [False, *[True] * 11, False, False])


@pytest.mark.parametrize("n_learned", [10, 250])
def test_the_other_dimensions_are_random(rows, n_learned):
    table = learn(rows, 500, n_learned)
    assert table.shape == (N_TOKENS, 500)
    assert_array_equal(table[:, :10], learn(rows))  # there are ten context words
    assert table[1:, 10:].all()
    assert_allclose(table[1:, 10:].std(), 0.3, rtol=0.05)
    assert not table[0].any()


@pytest.mark.parametrize(
    "X",
    [[[2, 0], [3, 0]], [[2, 1], [2, 1], [2, 1], [3, 1]]],
    ids=["single words", "beside unknown words"],
)
def test_words_without_context_words_get_random_vectors(X):
    assert_random(learn(TokenRows.from_padded(X, N_TOKENS)))


def test_vectors_beside_unknown_words_are_finite():
    X = [[2, 1, 2], [2, 1, 2], [3, 1, 0]]
    assert np.isfinite(learn(TokenRows.from_padded(X, N_TOKENS))).all()


def test_blocks_do_not_change_the_vectors(rows, monkeypatch):
    expected = normalized_products(learn(rows))
    monkeypatch.setattr(_ppmi, "_BLOCK_TOKENS", 20)
    assert_allclose(normalized_products(learn(rows)), expected, atol=1e-6)


def test_large_corpora_are_sampled_reproducibly(rows, monkeypatch):
    everything = learn(rows)
    monkeypatch.setattr(_ppmi, "_MAX_TOKENS", 60)
    sample = learn(rows)
    assert not np.array_equal(sample, everything)
    assert_array_equal(sample, learn(rows))
