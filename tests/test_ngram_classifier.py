"""NgramClassifier: logistic regression of words and hashed n-grams."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_info, threadpool_limits

from skreviews import LSTMClassifier, NgramClassifier
from skreviews.linear import _ngram_classifier
from skreviews.preprocessing._token_ids import TokenIds

RANGES = [(1, 1), (2, 2), (1, 2), (1, 3), (2, 4)]
STARS = [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def fitted(ids):
    """A classifier of five classes."""
    return NgramClassifier(n_buckets=500).fit(*ids)


def _fit_random(ngram_range, n_buckets=97, n_classes=3):
    """Return a classifier of 50 token ids with random weights."""
    X = np.arange(50)[:, None] % 50
    y = np.arange(50) % n_classes
    classifier = NgramClassifier(ngram_range=ngram_range, n_buckets=n_buckets, C=1.0)
    classifier.fit(X.repeat(9, axis=1), y)
    rng = np.random.default_rng(0)
    for name in ("weights_", "intercept_"):
        shape = getattr(classifier, name).shape
        setattr(classifier, name, rng.normal(size=shape).astype(np.float32))
    return classifier


def _find_bucket(ngram, n_buckets):
    """Return the bucket that saved models store an n-gram in."""
    key = 0
    for token in ngram:
        key = key * 1_000_003 + int(token)
    product = key * 0x9E3779B97F4A7C1 % 2**64
    signed = product - 2**64 if product >= 2**63 else product
    return (signed >> 32) % n_buckets


def _find_ngrams(ids, n_tokens, ngram_range, n_buckets):
    """Return which weights each row has, once each, and its divisor, in float64."""
    rows, columns, divisors = [], [], []
    for i, row in enumerate(np.asarray(ids)):
        row = row[row != 0]
        divisors.append(np.sqrt(len(row)) / 4)
        for n in range(ngram_range[0], ngram_range[1] + 1):
            for start in range(len(row) - n + 1):
                ngram = row[start : start + n]
                bucket = n_tokens + _find_bucket(ngram, n_buckets)
                rows.append(i)
                columns.append(ngram[0] if n == 1 else bucket)
    shape = len(divisors), n_tokens + n_buckets * (ngram_range[1] > 1)
    found = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    return found.tocsr() > 0, np.array(divisors)[:, None]


# ---- The decision function


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, float])
@pytest.mark.parametrize("ngram_range", RANGES)
def test_scores_are_sums_of_the_weights_of_words_and_ngrams(rows, ngram_range, dtype):
    classifier = _fit_random(ngram_range)
    has_ngram, divisors = _find_ngrams(rows.numpy(), 50, ngram_range, 97)
    weights = classifier.weights_.astype(np.float64)
    expected = has_ngram @ weights / divisors + classifier.intercept_
    found = classifier.decision_function(rows.numpy().astype(dtype))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


def test_blocks_of_any_size_have_the_same_scores(rows, monkeypatch):
    classifier = _fit_random((1, 3))
    X = np.tile(rows.numpy(), (4, 1))
    expected = classifier.decision_function(X)
    for n_tokens in (1, 7, 30):
        monkeypatch.setattr(_ngram_classifier, "_BLOCK_TOKENS", n_tokens)
        assert np.array_equal(classifier.decision_function(X), expected)


@pytest.mark.parametrize("ngram_range", RANGES)
def test_a_row_depends_on_its_own_tokens_only(rows, ngram_range):
    classifier = _fit_random(ngram_range)
    X = rows.numpy()
    together = classifier.decision_function(X)
    left = np.array([np.roll(row, (row == 0).sum()) for row in X])
    assert np.array_equal(classifier.decision_function(left), together)
    for row, expected in zip(X, together, strict=True):
        alone = classifier.decision_function(row[None])
        np.testing.assert_allclose(alone[0], expected, rtol=0, atol=1e-6)


def test_word_order_matters_to_ngrams_of_two_and_more():
    row = np.array([[7, 8, 9, 10, 0, 0, 0, 0, 0]])
    back = np.array([[10, 9, 8, 7, 0, 0, 0, 0, 0]])
    for ngram_range, is_ordered in (((1, 1), False), ((2, 2), True), ((1, 2), True)):
        classifier = _fit_random(ngram_range, n_buckets=10_000)
        scores = [classifier.decision_function(X) for X in (row, back)]
        assert np.allclose(*scores, atol=1e-5) != is_ordered


def test_texts_without_an_ngram_have_the_bias():
    classifier = _fit_random((3, 3))
    X = np.zeros((3, 9), int)
    X[0, :2], X[1, 0] = [4, 5], 6
    expected = np.tile(classifier.intercept_, (3, 1))
    assert np.array_equal(classifier.decision_function(X), expected)


def test_ids_from_n_tokens_on_are_unknown():
    classifier = _fit_random((1, 2))
    assert classifier.n_tokens_ == 50
    for unseen in (50, 147, 10**6):
        X = np.array([[7, unseen, 8, 0, 0, 0, 0, 0, 0]])
        known = np.where(X == unseen, 1, X)
        found = classifier.decision_function(X)
        assert np.array_equal(found, classifier.decision_function(known))
        added = classifier.contributions(X[0, :3])
        assert np.array_equal(added, classifier.contributions(known[0, :3]))


def test_a_row_of_padding_is_one_unknown_token():
    classifier = _fit_random((1, 2))
    empty, unknown = np.zeros((1, 9), int), np.eye(1, 9, dtype=int)
    found = classifier.decision_function(empty)
    assert np.array_equal(found, classifier.decision_function(unknown))
    expected = 4 * classifier.weights_[1] + classifier.intercept_
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


# ---- Weights


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("n_buckets", [2**14, 10_007])
def test_ngrams_spread_over_the_buckets(n, n_buckets):
    # As many n-grams as buckets leave a share of 1 / e empty if they spread evenly.
    rng = np.random.default_rng(0)
    ngrams = np.unique(rng.integers(2, 30_000, (n_buckets, n)), axis=0)
    classifier = NgramClassifier(ngram_range=(n, n), n_buckets=n_buckets, C=1.0)
    y = rng.integers(0, 2, len(ngrams))
    classifier.partial_fit(ngrams, y, [0, 1])
    is_used = classifier.weights_.any(axis=1)
    assert not is_used[: classifier.n_tokens_].any()
    assert abs(is_used.sum() / n_buckets - (1 - np.exp(-1))) < 0.02


@pytest.mark.parametrize(
    ("ngram_range", "n_weights"), [((1, 1), 50), ((1, 2), 147), ((2, 3), 147)]
)
@pytest.mark.parametrize(("n_classes", "n_outputs"), [(2, 1), (3, 3)])
def test_words_have_their_own_weights_and_ngrams_those_of_buckets(
    ngram_range, n_weights, n_classes, n_outputs
):
    classifier = _fit_random(ngram_range, n_classes=n_classes)
    assert classifier.weights_.shape == (n_weights, n_outputs)
    assert classifier.coef_.shape == (n_outputs, n_weights)
    assert np.shares_memory(classifier.coef_, classifier.weights_)
    assert classifier.intercept_.shape == (n_outputs,)
    assert classifier.weights_.dtype == classifier.intercept_.dtype == np.float32


def test_weights_of_absent_ngrams_are_zero(ids, fitted):
    has_ngram, _ = _find_ngrams(ids[0], fitted.n_tokens_, (1, 2), 500)
    is_present = has_ngram.sum(axis=0) > 0
    assert 0 < is_present.sum() < len(is_present)
    assert not fitted.weights_[~is_present].any()
    assert fitted.weights_[is_present].any(axis=1).all()


# ---- Contributions


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("ngram_range", RANGES)
def test_contributions_sum_to_the_decision_function(rows, ngram_range, n_classes):
    classifier = _fit_random(ngram_range, n_classes=n_classes)
    X = rows.numpy()
    X[0] = [3, 4, 3, 4, 3, 4, 3, 3, 3]  # repeated n-grams count once
    scores = classifier.decision_function(X).reshape(len(X), -1)
    for row, score in zip(X, scores, strict=True):
        added = classifier.contributions(row[row != 0])
        assert added.shape == ((row != 0).sum(), len(classifier.intercept_))
        np.testing.assert_allclose(
            added.sum(axis=0), score - classifier.intercept_, atol=1e-5
        )


def test_an_ngram_is_divided_among_its_occurrences_and_tokens():
    classifier = _fit_random((2, 2))
    found = classifier.contributions(np.array([5, 6, 5, 6]))
    first, second = (
        classifier.weights_[50 + _find_bucket(ngram, 97)] * 4 / np.sqrt(4)
        for ngram in ((5, 6), (6, 5))
    )
    expected = [first / 4, first / 4 + second / 2, first / 4 + second / 2, first / 4]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_texts_without_an_ngram_contribute_nothing():
    classifier = _fit_random((3, 4))
    for length in (0, 1, 2):
        added = classifier.contributions(np.full(length, 7))
        assert added.shape == (length, 3) and not added.any()


# ---- The solution of fit


def _make_features(X, n_tokens, ngram_range, n_buckets=500):
    """Return the features that are penalised, and the plain ones, in float64."""
    has_ngram, divisors = _find_ngrams(X, n_tokens, ngram_range, n_buckets)
    has_ngram = has_ngram.toarray()
    idf = np.log((1 + len(X)) / (1 + has_ngram.sum(axis=0))) + 1
    features = has_ngram * idf / divisors
    features /= np.sqrt((features**2).sum(axis=1).mean())
    return features[:, has_ngram.any(axis=0)], has_ngram / divisors


@pytest.mark.parametrize("strength", ["auto", 0.5])
@pytest.mark.parametrize("ngram_range", [(1, 2), (2, 2)])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_solution_is_that_of_sklearn(ids, ngram_range, n_classes, strength):
    X, y = ids
    y = y.clip(max=n_classes)
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    params = {"ngram_range": ngram_range, "n_buckets": 500, "C": strength}
    classifier = NgramClassifier(**params).fit(X, y, sample_weight)
    features, plain = _make_features(X, classifier.n_tokens_, ngram_range)
    reference = LogisticRegression(C=classifier.C_, max_iter=100)
    reference.fit(features, y, sample_weight / sample_weight.mean())
    found = classifier.predict_proba(X)
    np.testing.assert_allclose(found, reference.predict_proba(features), atol=1e-3)
    scores = plain @ classifier.weights_.astype(float) + classifier.intercept_
    proba = softmax(scores, axis=1) if n_classes > 2 else expit(scores)[:, 0]
    np.testing.assert_allclose(
        found if n_classes > 2 else found[:, 1], proba, atol=1e-5
    )


@pytest.mark.parametrize("strength", [0.1, 3, np.float32(10)])
def test_an_explicit_strength_is_used(ids, strength):
    classifier = NgramClassifier(n_buckets=64, C=strength).fit(*ids)
    assert classifier.C_ == strength and isinstance(classifier.C_, float)


def test_a_smaller_strength_has_smaller_weights(ids):
    norms = [
        np.linalg.norm(NgramClassifier(n_buckets=64, C=C).fit(*ids).weights_)
        for C in (0.01, 1.0, 100.0)
    ]
    assert norms[0] < 0.1 * norms[1] < 0.1 * norms[2]


def test_noisy_labels_strengthen_the_penalty():
    X, clean, noisy = _make_noisy()
    strong, weak = (NgramClassifier(n_buckets=64).fit(X, y) for y in (noisy, clean))
    assert strong.C_ < weak.C_
    assert np.linalg.norm(strong.weights_) < 0.5 * np.linalg.norm(weak.weights_)


def test_the_strength_is_chosen_on_held_out_samples(monkeypatch):
    X, _, y = _make_noisy()
    X, y = np.append(X, X[:99], axis=0), np.append(y, y[:99])
    seen = []
    hold_out = _ngram_classifier.hold_out

    def spied(groups, *args):
        held_out = hold_out(groups, *args)
        seen.append((groups, held_out))
        return held_out

    monkeypatch.setattr(_ngram_classifier, "hold_out", spied)
    losses = []
    monkeypatch.setattr(
        _ngram_classifier,
        "log_loss",
        lambda *args, **kwargs: losses.append(log_loss(*args, **kwargs)) or losses[-1],
    )
    classifier = NgramClassifier(n_buckets=64).fit(X, y)
    ((groups, held_out),) = seen
    assert not np.isin(groups[held_out], groups[~held_out]).any()
    n_groups = len(np.unique(groups))
    assert n_groups == 400
    assert len(np.unique(groups[held_out])) / n_groups == pytest.approx(0.2, abs=0.01)
    best = int(np.argmin(losses))
    assert classifier.C_ == _ngram_classifier._STRENGTHS[best]
    # The first rise ends the trials.
    assert np.array_equal(np.argsort(losses[: best + 1])[::-1], np.arange(best + 1))
    assert len(losses) in (best + 2, len(_ngram_classifier._STRENGTHS))


def test_copies_do_not_leak_into_the_choice():
    # Copies of held-out samples in the training part would ask for no penalty.
    X, _, y = _make_noisy()
    params = {"n_buckets": 2**14}
    copies = NgramClassifier(**params).fit(np.tile(X, (6, 1)), np.tile(y, 6))
    assert copies.C_ <= 3
    assert NgramClassifier(**params).fit(X, y).C_ <= 3


def _make_noisy():
    """Return ids, labels of them, and the same with a third of the labels changed."""
    rng = np.random.default_rng(0)
    X = rng.integers(2, 40, (400, 6))
    clean = (X < 8).any(axis=1).astype(int)
    return X, clean, np.where(rng.random(400) < 0.35, 1 - clean, clean)


def test_one_distinct_sample_per_class_has_the_usual_strength():
    classifier = NgramClassifier(n_buckets=64).fit([[2, 3], [4, 5]] * 5, [0, 1] * 5)
    assert classifier.C_ == 10
    assert classifier.predict([[2, 3], [4, 5]]).tolist() == [0, 1]


def test_texts_too_short_for_any_ngram_can_be_fitted():
    X, y = [[2, 3], [4, 5], [2, 0], [4, 0]] * 5, [0, 1, 0, 1] * 5
    classifier = NgramClassifier(ngram_range=(3, 3), n_buckets=64).fit(X, y)
    assert not classifier.weights_.any()
    np.testing.assert_allclose(classifier.predict_proba(X), 0.5)


def test_blas_has_one_thread_in_fit_and_its_own_after(ids, monkeypatch):
    seen = []
    fit = LogisticRegression.fit

    def spied(self, *args):
        seen.append(_count_blas_threads())
        return fit(self, *args)

    monkeypatch.setattr(LogisticRegression, "fit", spied)
    with threadpool_limits(2, user_api="blas"):
        before = _count_blas_threads()
        NgramClassifier(n_buckets=64).fit(*ids)
        assert seen and all(counts <= {1} for counts in seen)
        assert _count_blas_threads() == before


def _count_blas_threads():
    libraries = threadpool_info()
    return {each["num_threads"] for each in libraries if each["user_api"] == "blas"}


# ---- Labels and weights


@pytest.mark.parametrize(
    "labels",
    [[1, 5], ["bad", "good"], [False, True], [("a", 1), ("b", 2)], [-0.0, 1.0]],
    ids=str,
)
def test_two_labels_of_any_type_have_one_output(ids, labels):
    X, y = ids
    y = [labels[int(stars > 3)] for stars in y]
    classifier = NgramClassifier(n_buckets=500).fit(X, y)
    scores = classifier.decision_function(X)
    proba = classifier.predict_proba(X)
    assert classifier.classes_.tolist() == labels and scores.shape == (200,)
    np.testing.assert_allclose(proba[:, 1], expit(scores), rtol=1e-6)
    predicted = classifier.predict(X)
    assert predicted.tolist() == [labels[int(score > 0)] for score in scores]
    assert np.mean([a == b for a, b in zip(predicted, y, strict=True)]) > 0.95


@pytest.mark.parametrize(
    "labels",
    [STARS, list("abcde"), [(star, "stars") for star in STARS]],
    ids=["int", "str", "tuple"],
)
def test_many_labels_of_any_type_have_one_output_each(ids, labels):
    X, y = ids
    y = [labels[stars - 1] for stars in y]
    classifier = NgramClassifier(n_buckets=500).fit(X, y)
    scores = classifier.decision_function(X)
    proba = classifier.predict_proba(X)
    assert classifier.classes_.tolist() == labels and scores.shape == (200, 5)
    np.testing.assert_allclose(proba, softmax(scores, axis=1), rtol=1e-6)
    assert proba.dtype == np.float32
    predicted = classifier.predict(X)
    assert predicted.tolist() == [labels[code] for code in proba.argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(predicted, y, strict=True)]) > 0.9


@pytest.mark.parametrize("ngram_range", [*RANGES, [1, 2]])
def test_every_range_learns(ids, ngram_range):
    X, y = ids
    classifier = NgramClassifier(ngram_range=ngram_range, n_buckets=500, C=100)
    assert classifier.fit(X, y > 3).score(X, y > 3) > 0.9


@pytest.mark.parametrize("class_weight", [None, "balanced", "sqrt", {5: 2.0, 1: 0.5}])
def test_whole_weights_repeat_the_samples(ids, class_weight):
    X, y = ids
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    params = {"n_buckets": 64, "class_weight": class_weight}
    weighted = NgramClassifier(**params).fit(X, y, sample_weight=weights)
    repeated = NgramClassifier(**params).fit(X.repeat(weights, 0), y.repeat(weights))
    assert np.array_equal(weighted.weights_, repeated.weights_)
    assert np.array_equal(weighted.intercept_, repeated.intercept_)
    assert weighted.C_ == repeated.C_


def test_the_scale_of_the_weights_does_not_matter(ids):
    X, y = ids
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    small, large = (
        NgramClassifier(n_buckets=64).fit(X, y, sample_weight=scale * weights)
        for scale in (1, 1024)
    )
    np.testing.assert_allclose(small.weights_, large.weights_, atol=1e-5)
    plain = NgramClassifier(n_buckets=64).fit(X, y)
    assert not np.allclose(small.weights_, plain.weights_, atol=1e-3)


def test_samples_of_a_tiny_weight_have_a_tiny_effect(ids):
    X, y = ids
    weights = []
    for weight in (0, 1e-7):
        sample_weight = np.where(np.arange(len(y)) < 150, 1.5, weight)
        classifier = NgramClassifier(n_buckets=500).fit(X, y, sample_weight)
        weights.append(classifier.weights_)
    none, tiny = weights
    is_new = ~none.any(axis=1) & tiny.any(axis=1)
    assert is_new.any()
    assert np.abs(tiny[is_new]).max() < 0.1 * np.abs(none).max()


@pytest.mark.parametrize("class_weight", ["balanced", "sqrt", {1: 1.0, 0: 9.0}])
def test_class_weights_make_rare_classes_more_probable(ids, class_weight):
    X, y = ids
    y = (y > 1).astype(int)
    X, y = np.concatenate([X[y == 1], X[y == 0][:9]]), np.sort(y)[::-1][: y.sum() + 9]
    plain, weighted = (
        NgramClassifier(n_buckets=64, C=1.0, class_weight=each)
        .fit(X, y)
        .predict_proba(X)[:, 0]
        for each in (None, class_weight)
    )
    assert weighted.mean() > 1.5 * plain.mean()


@pytest.mark.parametrize("n_left", [4, 2])
def test_classes_with_zero_weights_are_the_least_probable(ids, n_left):
    X, y = ids
    present = STARS[-n_left:]
    sample_weight = np.where(np.isin(y, present), 1.5, 0)
    classifier = NgramClassifier(n_buckets=500).fit(X, y, sample_weight)
    assert classifier.classes_.tolist() == STARS
    scores = classifier.decision_function(X)
    assert scores.shape == (200, 5)
    absent = scores[:, :-n_left]
    assert (absent < scores[:, -n_left:].max(axis=1, keepdims=True)).all()
    assert np.isin(classifier.predict(X), present).all()
    bias = classifier.intercept_[-n_left:].min() - np.log((sample_weight > 0).sum())
    np.testing.assert_allclose(classifier.intercept_[:-n_left], bias, rtol=1e-5)
    alone = NgramClassifier(n_buckets=500).fit(
        X[np.isin(y, present)], y[np.isin(y, present)]
    )
    found = classifier.predict_proba(X)[:, -n_left:]
    found /= found.sum(axis=1, keepdims=True)
    # The id of a word that only the dropped samples have is unknown to `alone`.
    is_known = (X < alone.n_tokens_).all(axis=1)
    np.testing.assert_allclose(
        found[is_known], alone.predict_proba(X)[is_known], atol=1e-2
    )


def test_the_order_of_the_samples_does_not_matter(ids, fitted):
    X, y = ids
    order = np.random.default_rng(0).permutation(len(y))
    other = NgramClassifier(n_buckets=500).fit(X[order], y[order])
    assert np.array_equal(other.weights_, fitted.weights_)
    assert np.array_equal(other.intercept_, fitted.intercept_)
    pieces = [
        NgramClassifier(n_buckets=500).partial_fit(*each, classes=STARS).weights_
        for each in ((X, y), (X[order], y[order]))
    ]
    assert np.array_equal(*pieces)


# ---- partial_fit


@pytest.mark.parametrize("n_classes", [2, 5])
def test_pieces_learn_what_fit_learns(ids, n_classes):
    X, y = ids
    y = y if n_classes == 5 else np.where(y > 3, "good", "bad")
    classifier = NgramClassifier(n_buckets=500)
    for _ in range(10):
        for piece in (slice(0, 100), slice(100, 200)):
            classifier.partial_fit(X[piece], y[piece], classes=np.unique(y))
    assert classifier.score(X, y) > 0.9
    assert not hasattr(classifier, "C_")
    has_ngram, _ = _find_ngrams(X, classifier.n_tokens_, (1, 2), 500)
    is_present = has_ngram.sum(axis=0) > 0
    assert classifier.weights_[is_present].any(axis=1).all()
    assert not classifier.weights_[~is_present].any()


def test_a_step_changes_the_weights_of_its_own_ngrams_only(ids):
    X, y = ids
    classifier = NgramClassifier(n_buckets=500)
    classifier.partial_fit(X[:150], y[:150], classes=STARS)
    before = classifier.weights_.copy()
    classifier.partial_fit(X[:20], y[:20])
    has_ngram, _ = _find_ngrams(X[:20], classifier.n_tokens_, (1, 2), 500)
    is_present = has_ngram.sum(axis=0) > 0
    is_changed = (classifier.weights_ != before).any(axis=1)
    assert np.array_equal(is_changed, is_present)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_first_step_is_one_of_adagrad(ids, n_classes):
    X, y = np.asarray(ids[0])[:40], ids[1][:40].clip(max=n_classes)
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    classes = np.arange(1, n_classes + 1)
    classifier = NgramClassifier(n_buckets=500)
    classifier.partial_fit(X, y, classes, sample_weight)
    has_ngram, divisors = _find_ngrams(X, classifier.n_tokens_, (1, 2), 500)
    errors = 1 / n_classes - np.eye(n_classes)[y - 1]
    errors *= sample_weight[:, None] / len(y)
    gradient = has_ngram.T @ (errors / divisors)
    if n_classes == 2:
        gradient = gradient[:, 1:]
    is_clear = np.abs(gradient) > 1e-4
    np.testing.assert_allclose(
        classifier.weights_[is_clear], -0.05 * np.sign(gradient[is_clear]), rtol=1e-4
    )
    assert not classifier.weights_[gradient == 0].any()


def test_later_steps_are_smaller(ids):
    # AdaGrad divides by the root of all squared gradients, those of earlier calls too.
    X, y = ids[0][:60], ids[1][:60]
    classifier = NgramClassifier(n_buckets=500)
    weights = [classifier.partial_fit(X, y, STARS).weights_ for _ in range(3)]
    is_present = weights[0].any(axis=1)
    weights = [each[is_present] for each in (np.zeros_like(weights[0]), *weights)]
    first, second, third = (np.median(np.abs(b - a)) for a, b in pairwise(weights))
    assert first > 0.049 and third < second < 0.04


def test_partial_fit_starts_from_the_weights_of_fit(ids, fitted):
    X, y = ids
    classifier = pickle.loads(pickle.dumps(fitted)).partial_fit(X[:20], y[:20])
    change = np.abs(classifier.weights_ - fitted.weights_)
    assert 0 < change.max() <= 0.06
    assert classifier.C_ == fitted.C_
    again = NgramClassifier(n_buckets=500).fit(X, y).partial_fit(X[:20], y[:20])
    assert np.array_equal(again.weights_, classifier.weights_)
    assert np.array_equal(classifier.fit(X, y).weights_, fitted.weights_)


def test_partial_fit_leaves_arrays_that_were_read_as_they_are(ids):
    X, y = ids
    classifier = NgramClassifier(n_buckets=500).partial_fit(X, y, classes=STARS)
    weights, copy = classifier.weights_, classifier.weights_.copy()
    classifier.partial_fit(X, y)
    assert np.array_equal(weights, copy)


def test_the_first_partial_fit_needs_all_classes(ids):
    X, y = ids
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        NgramClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="classes has only one label, 'a'"):
        NgramClassifier().partial_fit(X, ["a"] * 200, classes=["a"])
    with pytest.raises(ValueError, match=r"is 5, which is not among the classes"):
        NgramClassifier().partial_fit(X, y, classes=[1, 2, 3, 4])


def test_later_pieces_have_the_same_classes(ids, fitted):
    X, y = ids
    classifier = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="The classes are .*but the earlier fit had"):
        classifier.partial_fit(X, y, classes=[1, 2, 3, 4, 5, 6])
    with pytest.raises(ValueError, match="is 6, which is not among the classes"):
        classifier.partial_fit(X, y + 1)
    assert np.array_equal(classifier.weights_, fitted.weights_)
    classifier.partial_fit(X[y == 1], y[y == 1], classes=STARS)


@pytest.mark.parametrize("class_weight", ["balanced", "sqrt"])
def test_partial_fit_takes_a_dict_of_class_weights_only(ids, class_weight):
    X, y = ids
    classifier = NgramClassifier(class_weight=class_weight, n_buckets=64)
    message = f"class_weight='{class_weight}' needs all samples at once"
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(X, y, classes=STARS)
    classifier.set_params(class_weight={1: 0.0})
    classifier.partial_fit(X[y > 1], y[y > 1], classes=STARS)
    before = classifier.weights_.copy()
    with pytest.raises(ValueError, match="gives every sample a weight of zero"):
        classifier.partial_fit(X[y == 1], y[y == 1])
    assert np.array_equal(classifier.weights_, before)


# ---- Pickles


@pytest.mark.parametrize("is_fitted", [True, False])
def test_pickles_are_exact(ids, is_fitted):
    X, y = ids
    classifier = NgramClassifier(n_buckets=500, ngram_range=(1, 3))
    if is_fitted:
        classifier.fit(X, y)
    else:
        classifier.partial_fit(X, y, classes=STARS)
    opened = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(opened.predict_proba(X), classifier.predict_proba(X))
    for model in (classifier, opened):
        model.partial_fit(X, y)
    assert np.array_equal(opened.weights_, classifier.weights_)


# ---- Beside the LSTM

LSTM = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "precision": "fp32"}
LSTM |= {"random_state": 0}


def _weights_of(classifier):
    return {
        name: weight.numpy()
        for name, weight in classifier.net_.module_.state_dict().items()
    }


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"validation_fraction": 0.2, "early_stopping": True},
        {"class_weight": "balanced", "net_params": {"adversarial": 0.1}},
    ],
    ids=str,
)
def test_the_models_learn_as_if_each_were_alone(ids, params):
    X, y = ids
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    params = LSTM | params
    ngrams = NgramClassifier(n_buckets=500)
    both = LSTMClassifier(**params, ngrams=ngrams).fit(X, y, sample_weight)
    alone = LSTMClassifier(**params).fit(X, y, sample_weight)
    for name, weight in _weights_of(alone).items():
        assert np.array_equal(_weights_of(both)[name], weight), name
    histories = (model.history_.drop(columns="dur") for model in (both, alone))
    pd.testing.assert_frame_equal(*histories)
    assert alone.ngrams_ is None and not hasattr(ngrams, "weights_")
    if not params.get("early_stopping"):
        ngrams.set_params(class_weight=params.get("class_weight"))
        ngrams.fit(X, y, sample_weight)
        np.testing.assert_allclose(both.ngrams_.weights_, ngrams.weights_, atol=1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_scores_are_the_weighted_average_of_both_models(ids, n_classes, weight):
    X, y = ids
    y = y.clip(max=n_classes)
    params = LSTM | {"max_epochs": 1}
    ngrams = NgramClassifier(n_buckets=64, C=1.0)
    both = LSTMClassifier(**params, ngrams=ngrams, ngram_weight=weight).fit(X, y)
    alone = LSTMClassifier(**params).fit(X, y)
    of_lstm, of_ngrams = alone.decision_function(X), both.ngrams_.decision_function(X)
    expected = (1 - weight) * of_lstm + weight * of_ngrams
    np.testing.assert_allclose(both.decision_function(X), expected, atol=1e-5)


def test_the_ngram_model_has_whole_texts_and_the_lstm_shortened_ones(ids):
    X, y = np.asarray(ids[0]), ids[1]
    long = np.sort(np.tile(X, 2), axis=1)[:, ::-1].copy()  # padding last
    params = LSTM | {"max_len": 8, "max_epochs": 1}
    ngrams = NgramClassifier(n_buckets=500)
    both = LSTMClassifier(**params, ngrams=ngrams).fit(long, y)
    alone = LSTMClassifier(**params).fit(long, y)
    changed = long[(long != 0).sum(axis=1) > 10]
    texts = changed.copy()
    changed[:, 3] = 2 + (changed[:, 3] - 1) % 5  # after the head, before the tail
    scores = [alone.decision_function(each) for each in (texts, changed)]
    assert np.array_equal(*scores)
    scores = [both.decision_function(each) for each in (texts, changed)]
    assert not np.array_equal(*scores)
    expected = clone(ngrams).fit(long, y).weights_
    np.testing.assert_allclose(both.ngrams_.weights_, expected, atol=1e-5)


def test_partial_fit_updates_both_models(ids):
    X, y = ids
    ngrams = NgramClassifier(n_buckets=500)
    both = LSTMClassifier(**LSTM, ngrams=ngrams)
    for piece in (slice(0, 100), slice(100, 200)):
        both.partial_fit(X[piece], y[piece], classes=STARS)
        ngrams.partial_fit(X[piece], y[piece], classes=STARS)
        opened = pickle.loads(pickle.dumps(both))
        assert np.array_equal(opened.ngrams_.weights_, ngrams.weights_)
    assert both.ngrams_ is not ngrams


def test_pickles_of_both_models_continue_alike(ids):
    X, y = ids
    both = LSTMClassifier(**LSTM, ngrams=NgramClassifier(n_buckets=64)).fit(X, y)
    opened = pickle.loads(pickle.dumps(both))
    assert np.array_equal(opened.predict_proba(X), both.predict_proba(X))
    before = both.predict_proba(X)
    for model in (both, opened):
        model.partial_fit(X, y)
    assert np.array_equal(opened.predict_proba(X), both.predict_proba(X))
    assert not np.allclose(both.predict_proba(X), before)


def test_warm_start_fits_the_ngram_model_again(ids):
    X, y = ids
    both = LSTMClassifier(**LSTM, ngrams=NgramClassifier(n_buckets=64), warm_start=True)
    before = both.fit(X, y).decision_function(X)
    both.set_params(lr=1e-12).fit(X, y)
    np.testing.assert_allclose(both.decision_function(X), before, atol=1e-5)
    both.set_params(ngrams__n_buckets=65).fit(X, y)
    assert len(both.ngrams_.weights_) == both.n_tokens_ + 65


def test_classes_with_zero_weights_suit_both_models(ids):
    X, y = ids
    both = LSTMClassifier(**LSTM, ngrams=NgramClassifier(n_buckets=64))
    both.fit(X, y, sample_weight=np.where(y == 3, 0, 1.5))
    assert both.classes_.tolist() == both.ngrams_.classes_.tolist() == STARS
    assert (both.ngrams_.decision_function(X).argmax(axis=1) != 2).all()


# ---- Errors


@pytest.mark.parametrize(
    "ngram_range",
    [
        (2, 1),
        (0, 1),
        (-1, 2),
        (1,),
        (1, 2, 3),
        (),
        (1, 2.0),
        ("1", 2),
        (1, None),
        [2, 1],
    ],
    ids=str,
)
def test_invalid_ranges_are_named(ids, ngram_range):
    classifier = NgramClassifier(ngram_range=ngram_range)
    message = r"ngram_range=.* is not a range of lengths; pass two whole numbers"
    with pytest.raises(ValueError, match=message):
        classifier.fit(*ids)
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(*ids, classes=STARS)
    assert not hasattr(classifier, "weights_")


@pytest.mark.parametrize(
    "params",
    [
        {"ngram_range": "12"},
        {"ngram_range": 2},
        {"n_buckets": 0},
        {"n_buckets": 2.5},
        {"C": 0},
        {"C": "best"},
        {"class_weight": "auto"},
    ],
    ids=str,
)
def test_invalid_parameters_are_named(ids, params):
    (name,) = params
    message = f"'{name}' parameter of NgramClassifier"
    with pytest.raises(ValueError, match=message):
        NgramClassifier(**params).fit(*ids)
    with pytest.raises(ValueError, match=message):
        NgramClassifier(**params).partial_fit(*ids, classes=STARS)


def test_another_vocabulary_is_refused(ids, fitted):
    X, y = ids
    other = TokenIds(np.asarray(X), tuple(reversed(X.words)))
    classifier = pickle.loads(pickle.dumps(fitted))
    for call in (
        classifier.predict,
        classifier.predict_proba,
        classifier.decision_function,
        lambda X: classifier.partial_fit(X, y),
    ):
        with pytest.raises(ValueError, match="belong to another vocabulary"):
            call(other)
    found = classifier.predict(np.asarray(X))  # bare numbers are taken as they are
    assert np.array_equal(found, fitted.predict(X))


def test_the_length_of_the_rows_is_checked(ids, fitted):
    X, y = ids
    assert fitted.n_features_in_ == X.shape[1]
    for call in (
        fitted.predict,
        fitted.predict_proba,
        fitted.decision_function,
        lambda X: fitted.partial_fit(X, y),
    ):
        with pytest.raises(ValueError, match="expecting .* features as input"):
            call(X[:, :-1])


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1, r"X\[3, 0\] is -1.*is negative"), (2.5, "X.3, 0. is 2.5.*not a whole")],
)
def test_invalid_ids_are_named(ids, fitted, value, message):
    X, y = np.asarray(ids[0], dtype=float), ids[1]
    X[3, 0] = value
    for call in (fitted.predict, lambda X: NgramClassifier().fit(X, y)):
        with pytest.raises(ValueError, match=message):
            call(X)


def test_one_class_is_refused(ids):
    X, y = ids
    with pytest.raises(ValueError, match=r"y has only 1 class, \['good'\]"):
        NgramClassifier().fit(X, ["good"] * 200)
    message = r"y has only 1 class among the samples of positive weight, \[5\]"
    with pytest.raises(ValueError, match=message):
        NgramClassifier().fit(X, y, sample_weight=y == 5)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "decision_function", "contributions"]
)
def test_unfitted_classifiers_do_not_predict(ids, method):
    with pytest.raises(NotFittedError, match="NgramClassifier instance is not fitted"):
        getattr(NgramClassifier(), method)(ids[0])
