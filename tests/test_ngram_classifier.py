"""NgramClassifier."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from skreviews import NgramClassifier, SequenceVectorizer
from skreviews.linear import _ngram_classifier

RANGES = [(1, 1), (2, 2), (1, 2), (1, 3), (2, 4)]
N_BUCKETS = 97
CLASSES = [1, 2, 3, 4, 5]


def find_bucket(ngram, n_buckets):
    """Return the bucket of an n-gram, by which saved models know it."""
    key = 0
    for token in ngram:
        key = key * 1_000_003 + int(token)
    product = key * 0x9E3779B97F4A7C1 % 2**64
    signed = product - 2**64 if product >= 2**63 else product
    return (signed >> 32) % n_buckets


def find_ngrams(ids, n_tokens, ngram_range, n_buckets):
    """Return which n-grams each row has, an ndarray of bool, and the divisors."""
    n_weights = n_tokens + n_buckets * (ngram_range[1] > 1)
    found = np.zeros((len(ids), n_weights), dtype=bool)
    lengths = (np.asarray(ids) != 0).sum(axis=1)
    for i, (row, length) in enumerate(zip(np.asarray(ids), lengths, strict=True)):
        row = row[row != 0]
        for n in range(ngram_range[0], ngram_range[1] + 1):
            for start in range(length - n + 1):
                ngram = row[start : start + n]
                bucket = (
                    ngram[0] if n == 1 else n_tokens + find_bucket(ngram, n_buckets)
                )
                found[i, bucket] = True
    return found, np.sqrt(lengths)[:, None] / 4


def make_fitted(ngram_range=(1, 2), n_classes=3, n_buckets=N_BUCKETS):
    """Return a classifier of 50 token ids with random weights."""
    y = np.arange(10) % n_classes
    X = np.full((10, 9), 49)
    classifier = NgramClassifier(ngram_range=ngram_range, n_buckets=n_buckets)
    classifier.fit(X, y)
    random_state = np.random.default_rng(0)
    for name in ("weights_", "intercept_"):
        shape = getattr(classifier, name).shape
        setattr(classifier, name, random_state.normal(size=shape).astype(np.float32))
    return classifier


@pytest.fixture
def padded(rows):
    """Rows of 1 to 9 tokens, an ndarray."""
    return rows.numpy()


@pytest.fixture(scope="module")
def fitted(ids):
    """A classifier of five classes."""
    return NgramClassifier(n_buckets=500).fit(*ids)


# The decision function


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("ngram_range", RANGES)
def test_scores_are_sums_of_the_weights_of_words_and_buckets(
    padded, ngram_range, dtype, n_classes
):
    classifier = make_fitted(ngram_range, n_classes)
    has_ngram, divisors = find_ngrams(padded, 50, ngram_range, N_BUCKETS)
    weights = classifier.weights_.astype(np.float64)
    expected = has_ngram @ weights / divisors + classifier.intercept_
    found = classifier.decision_function(padded.astype(dtype))
    assert found.dtype == np.float32
    assert found.shape == ((6,) if n_classes == 2 else (6, 3))
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("ngram_range", RANGES)
def test_the_scores_of_a_row_depend_on_its_tokens_alone(
    padded, ngram_range, monkeypatch
):
    classifier = make_fitted(ngram_range)
    together = classifier.decision_function(padded)
    on_the_left = np.array([np.roll(row, (row == 0).sum()) for row in padded])
    np.testing.assert_array_equal(classifier.decision_function(on_the_left), together)
    for row, expected in zip(padded, together, strict=True):
        alone = classifier.decision_function(row[None])
        np.testing.assert_allclose(alone[0], expected, atol=1e-5)
    for n_tokens in (1, 4, 10):
        monkeypatch.setattr(_ngram_classifier, "_BLOCK_TOKENS", n_tokens)
        found = classifier.decision_function(padded)
        np.testing.assert_allclose(found, together, atol=1e-5)


@pytest.mark.parametrize(
    ("ngram_range", "is_ordered"), [((1, 1), False), ((2, 2), True), ((1, 2), True)]
)
def test_the_order_of_words_matters_from_bigrams_on(ngram_range, is_ordered):
    classifier = make_fitted(ngram_range, n_buckets=10_000)
    row = np.array([[7, 8, 9, 10, 0, 0, 0, 0, 0]])
    forwards, backwards = map(classifier.decision_function, (row, row[:, ::-1]))
    assert np.allclose(forwards, backwards, atol=1e-5) != is_ordered


def test_texts_without_an_ngram_have_the_scores_of_the_intercept():
    classifier = make_fitted((3, 3))
    rows = np.zeros((3, 9), int)
    rows[0, :2] = 4, 5
    rows[1, 0] = 6
    found = classifier.decision_function(rows)
    assert np.array_equal(found, np.tile(classifier.intercept_, (3, 1)))


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("n_buckets", [2**14, 10_007])
def test_buckets_are_as_if_drawn_at_random(n, n_buckets):
    # As many n-grams as buckets leave 1 / e of these empty.
    random_state = np.random.default_rng(0)
    ngrams = np.unique(random_state.integers(2, 30_000, (n_buckets, n)), axis=0)
    classifier = NgramClassifier(ngram_range=(n, n), n_buckets=n_buckets)
    y = np.arange(len(ngrams)) % 2
    used = (classifier.partial_fit(ngrams, y, [0, 1]).weights_ != 0).sum()
    assert abs(used / n_buckets - (1 - np.exp(-1))) < 0.02


@pytest.mark.parametrize(
    ("ngram_range", "n_weights"),
    [((1, 1), 50), ((1, 2), 50 + N_BUCKETS), ([2, 3], 50 + N_BUCKETS)],
)
@pytest.mark.parametrize(("n_classes", "n_outputs"), [(2, 1), (3, 3)])
def test_words_have_weights_of_their_own_and_ngrams_share_buckets(
    ngram_range, n_weights, n_classes, n_outputs
):
    classifier = make_fitted(ngram_range, n_classes)
    assert classifier.n_tokens_ == 50
    assert classifier.weights_.shape == (n_weights, n_outputs)
    assert classifier.weights_.dtype == classifier.intercept_.dtype == np.float32
    assert classifier.intercept_.shape == (n_outputs,)
    assert np.array_equal(classifier.coef_, classifier.weights_.T)


def test_probabilities_are_the_softmax_of_the_scores(ids, fitted):
    X = ids[0]
    scores = fitted.decision_function(X)
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities, softmax(scores, axis=1), atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert np.array_equal(fitted.predict(X), fitted.classes_[scores.argmax(axis=1)])


def test_the_score_of_two_classes_is_the_logit_of_the_second(ids):
    X, y = ids
    classifier = NgramClassifier(n_buckets=64).fit(X, np.where(y > 3, "good", "bad"))
    scores = classifier.decision_function(X)
    np.testing.assert_allclose(
        classifier.predict_proba(X)[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-5
    )
    assert np.array_equal(classifier.predict(X) == "good", scores > 0)
    assert classifier.score(X, np.where(y > 3, "good", "bad")) > 0.9


# Contributions of tokens


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("ngram_range", RANGES)
def test_contributions_sum_to_the_decision_function(padded, ngram_range, n_classes):
    classifier = make_fitted(ngram_range, n_classes)
    padded = padded.copy()
    padded[0, :4] = 7, 8, 7, 8  # repeated n-grams count once
    padded[1, 0] = 10**6  # unknown
    scores = classifier.decision_function(padded).reshape(6, -1)
    for row, expected in zip(padded, scores - classifier.intercept_, strict=True):
        contributions = classifier.contributions(row[row != 0])
        assert contributions.shape == ((row != 0).sum(), len(expected))
        np.testing.assert_allclose(contributions.sum(axis=0), expected, atol=1e-4)


def test_weights_are_divided_among_occurrences_and_tokens():
    classifier = make_fitted((1, 2))
    row = np.array([7, 8, 7, 8])
    weights, scale = classifier.weights_, 4 / np.sqrt(4)
    first, second = weights[7] / 2, weights[8] / 2
    pair = weights[50 + find_bucket((7, 8), N_BUCKETS)] / 2 / 2
    reverse = weights[50 + find_bucket((8, 7), N_BUCKETS)] / 2
    expected = [first + pair, second + pair + reverse, first + pair + reverse]
    expected = scale * np.array([*expected, second + pair])
    np.testing.assert_allclose(classifier.contributions(row), expected, rtol=1e-5)


def test_texts_without_an_ngram_have_no_contributions():
    classifier = make_fitted((2, 2))
    for length in (0, 1):
        found = classifier.contributions(np.full(length, 7))
        assert np.array_equal(found, np.zeros((length, 3)))


# fit


def make_features(X, ngram_range=(1, 2), n_buckets=500):
    """Return the features of the logistic regression in float64, and their scales."""
    n_tokens = np.asarray(X).max() + 1
    has_ngram, divisors = find_ngrams(X, n_tokens, ngram_range, n_buckets)
    scales = np.log((1 + len(X)) / (1 + has_ngram.sum(axis=0))) + 1
    features = has_ngram * scales / divisors
    norm = np.sqrt((features**2).sum(axis=1).mean())
    return features / norm, scales / norm


@pytest.mark.parametrize("ngram_range", [(1, 2), (2, 2)])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_fit_solves_a_logistic_regression_of_weighted_ngrams(
    ids, ngram_range, n_classes
):
    X, y = np.asarray(ids[0]), ids[1].clip(max=n_classes)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    classifier = NgramClassifier(ngram_range=ngram_range, n_buckets=500, C=3.0)
    classifier.fit(X, y, weights)
    features, scales = make_features(X, ngram_range)
    reference = LogisticRegression(C=3.0)
    reference.fit(features, y, weights / weights.mean())
    found = classifier.predict_proba(X)
    np.testing.assert_allclose(found, reference.predict_proba(features), atol=1e-3)
    np.testing.assert_allclose(
        classifier.coef_, reference.coef_ * scales, rtol=0.05, atol=0.02
    )
    assert classifier.C_ == 3.0


def test_auto_is_the_strength_after_which_the_loss_of_held_out_samples_rises(
    ids, monkeypatch
):
    X, y = ids
    losses = []
    log_loss = _ngram_classifier.log_loss

    def spied(*args, **kwargs):
        losses.append(log_loss(*args, **kwargs))
        return losses[-1]

    monkeypatch.setattr(_ngram_classifier, "log_loss", spied)
    classifier = NgramClassifier(n_buckets=500).fit(X, y)
    best = int(np.argmin(losses))
    assert classifier.C_ == [1.0, 3.0, 10.0, 30.0, 100.0, 300.0][best]
    assert len(losses) == best + 2 or best == 5
    given = NgramClassifier(n_buckets=500, C=classifier.C_).fit(X, y)
    assert np.array_equal(given.weights_, classifier.weights_)


def test_noisy_labels_make_the_penalty_stronger():
    random_state = np.random.default_rng(0)
    X = random_state.integers(2, 40, (400, 6))
    clean = (X < 8).any(axis=1).astype(int)
    noisy = np.where(random_state.random(400) < 0.35, 1 - clean, clean)
    strengths = [NgramClassifier(n_buckets=500).fit(X, y).C_ for y in (clean, noisy)]
    assert strengths[1] < strengths[0]


def test_copies_do_not_weaken_the_penalty():
    # Copies of a text on both sides would reward memorising its random label.
    random_state = np.random.default_rng(0)
    X, y = random_state.integers(2, 400, (200, 8)), random_state.integers(0, 2, 200)
    classifier = NgramClassifier(n_buckets=500).fit(X.repeat(6, 0), y.repeat(6))
    assert classifier.C_ == 1.0


def test_auto_is_10_where_no_sample_can_be_held_out():
    classifier = NgramClassifier(n_buckets=64).fit([[2, 3], [4, 5], [4, 5]], [0, 1, 1])
    assert classifier.C_ == 10.0
    assert classifier.predict([[2, 3], [4, 5]]).tolist() == [0, 1]
    # All samples that can be held out have a weight of 0.
    classifier = NgramClassifier(n_buckets=64, class_weight={0: 0})
    classifier.fit([[2, 3], [4, 5], [6, 7], [8, 9]], [0, 0, 0, 1])
    assert classifier.C_ == 10.0


@pytest.mark.parametrize("left_out", [[3], [2, 3, 4]])
def test_classes_without_samples_are_the_least_probable(ids, left_out):
    X, y = ids
    for weight in (1.0, 1.5):
        weights = np.where(np.isin(y, left_out), 0.0, weight)
        classifier = NgramClassifier(n_buckets=500).fit(X, y, weights)
        assert classifier.classes_.tolist() == CLASSES
        order = classifier.decision_function(X).argsort(axis=1) + 1
        assert np.isin(order[:, : len(left_out)], left_out).all()
        kept = ~np.isin(y, left_out)
        assert classifier.score(X[kept], y[kept]) > 0.9


def test_texts_too_short_for_any_ngram_can_be_fitted():
    X, y = [[2, 3], [4, 5], [2, 0], [4, 0]] * 5, [0, 1, 0, 1] * 5
    classifier = NgramClassifier(ngram_range=(3, 3), n_buckets=64).fit(X, y)
    assert not classifier.weights_.any()
    np.testing.assert_allclose(classifier.predict_proba(X), 0.5)


@pytest.mark.parametrize(
    "labels",
    [[1, 5], ["bad", "good"], [False, True], [("app", 1), ("app", 2)]],
    ids=str,
)
def test_labels_of_any_type(labels):
    X = np.array([[2, 3, 4], [5, 6, 7]] * 30)
    y = [labels[i % 2] for i in range(60)]
    classifier = NgramClassifier(n_buckets=64).fit(X, y)
    assert list(classifier.predict(X)) == y
    assert list(classifier.classes_) == labels


def test_the_order_of_the_samples_does_not_matter(ids):
    X, y = ids
    order = np.random.default_rng(0).permutation(len(y))
    weights = np.random.default_rng(1).uniform(0.5, 2, len(y))
    one = NgramClassifier(n_buckets=500).fit(X, y, weights)
    two = NgramClassifier(n_buckets=500).fit(X[order], y[order], weights[order])
    assert np.array_equal(one.weights_, two.weights_)


def test_a_second_fit_starts_anew(ids):
    X, y = ids
    classifier = NgramClassifier(n_buckets=500).fit(X[:50], y[:50] > 3)
    fresh = NgramClassifier(n_buckets=500).fit(X, y)
    assert np.array_equal(classifier.fit(X, y).weights_, fresh.weights_)


def test_blas_has_one_thread_in_the_solver_and_its_own_number_afterwards(
    ids, monkeypatch
):
    def count_threads():
        libraries = threadpool_info()
        return {each["num_threads"] for each in libraries if each["user_api"] == "blas"}

    seen = []
    fit = LogisticRegression.fit

    def spied(self, *args):
        seen.append(count_threads())
        return fit(self, *args)

    monkeypatch.setattr(LogisticRegression, "fit", spied)
    with threadpool_limits(2, user_api="blas"):
        NgramClassifier(n_buckets=64).fit(*ids)
        assert seen and all(counts <= {1} for counts in seen)
        assert count_threads() <= {2}


# Weights of samples and classes


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("class_weight", [None, "balanced", {5: 2.0, 1: 0.5}])
def test_a_weight_of_two_equals_the_sample_twice(ids, class_weight, method):
    X, y = ids
    if method == "partial_fit" and class_weight == "balanced":
        pytest.skip("partial_fit does not have all samples")
    params = {"classes": CLASSES} if method == "partial_fit" else {}
    weights = np.random.default_rng(0).integers(0, 4, len(y))
    weighted = NgramClassifier(n_buckets=500, class_weight=class_weight)
    repeated = clone(weighted)
    getattr(weighted, method)(X, y, sample_weight=weights, **params)
    getattr(repeated, method)(X.repeat(weights, 0), y.repeat(weights), **params)
    assert np.array_equal(weighted.weights_, repeated.weights_)


def test_the_scale_of_the_weights_does_not_matter(ids):
    X, y = ids
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    one, two = (
        NgramClassifier(n_buckets=500, C=3.0)
        .fit(X, y, scale * weights)
        .predict_proba(X)
        for scale in (1, 1000)
    )
    np.testing.assert_allclose(one, two, atol=1e-4)


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [
        (None, [0.9, 0.1]),
        ("sqrt", [0.75, 0.25]),
        ("balanced", [0.5, 0.5]),
        ({"b": 27}, [0.25, 0.75]),
    ],
    ids=str,
)
def test_class_weights_shift_the_probabilities(class_weight, expected):
    X, y = np.full((80, 2), 5), np.repeat(["a", "b"], [72, 8])
    classifier = NgramClassifier(n_buckets=64, class_weight=class_weight).fit(X, y)
    np.testing.assert_allclose(classifier.predict_proba(X[:1])[0], expected, atol=0.01)


def test_samples_of_little_weight_have_little_influence(ids):
    X, y = ids
    weights = []
    for weight in (0, 1e-7):
        sample_weight = np.where(np.arange(len(y)) < 150, 1.5, weight)
        classifier = NgramClassifier(n_buckets=500).fit(X, y, sample_weight)
        weights.append(classifier.weights_)
    without, little = weights
    is_new = ~without.any(axis=1) & little.any(axis=1)
    assert is_new.any()
    assert np.abs(little[is_new]).max() < 0.1 * np.abs(without).max()


# partial_fit


def test_partial_fit_takes_the_steps_of_adagrad(ids):
    X, y = np.asarray(ids[0]), ids[1]
    classifier = NgramClassifier(n_buckets=500)
    n_tokens = X.max() + 1
    weights, intercept = np.zeros((n_tokens + 500, 5)), np.zeros(5)
    squares = np.zeros_like(weights), np.zeros(5)
    sample_weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    for piece in (slice(0, 60), slice(60, 120), slice(0, 60)):  # a batch each
        part = X[piece].copy()
        part[0, 0] = n_tokens - 1
        classifier.partial_fit(part, y[piece], CLASSES, sample_weight)
        has_ngram, divisors = find_ngrams(part, n_tokens, (1, 2), 500)
        scores = has_ngram @ weights / divisors + intercept
        errors = softmax(scores, axis=1) - np.eye(5)[y[piece] - 1]
        errors *= sample_weight[:, None] / 60
        gradients = has_ngram.T @ (errors / divisors), errors.sum(axis=0)
        for parameter, square, gradient in zip(
            (weights, intercept), squares, gradients, strict=True
        ):
            square += gradient**2
            parameter -= 0.05 * gradient / (np.sqrt(square) + 1e-10)
    np.testing.assert_allclose(classifier.weights_, weights, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(classifier.intercept_, intercept, rtol=1e-3, atol=1e-5)


def test_partial_fit_updates_the_ngrams_of_its_samples_alone(ids):
    X, y = ids
    classifier = NgramClassifier(n_buckets=500).partial_fit(X[:150], y[:150], CLASSES)
    before = np.zeros_like(classifier.weights_)
    for n_samples in (150, 20):
        weights = classifier.weights_.copy()
        has_ngram, _ = find_ngrams(X[:n_samples], classifier.n_tokens_, (1, 2), 500)
        is_present = has_ngram.any(axis=0)
        assert 0 < is_present.sum() < len(weights)
        assert (weights[is_present] != before[is_present]).any(axis=1).all()
        assert np.array_equal(weights[~is_present], before[~is_present])
        before = weights
        classifier.partial_fit(X[:20], y[:20])


@pytest.mark.parametrize("n_classes", [2, 5])
def test_partial_fit_learns_in_pieces(ids, n_classes):
    X, y = ids[0], ids[1].clip(max=n_classes)
    classifier = NgramClassifier(n_buckets=500)
    for _ in range(5):
        for piece in np.array_split(np.arange(len(y)), 4):
            classifier.partial_fit(X[piece], y[piece], classes=range(1, n_classes + 1))
    assert classifier.score(X, y) > 0.9
    assert not hasattr(classifier, "C_")


def test_partial_fit_updates_a_fitted_model(ids):
    X, y = ids
    classifier = NgramClassifier(n_buckets=500).fit(X, y)
    before = classifier.predict_proba(X)
    opened = pickle.loads(pickle.dumps(classifier))
    after = [model.partial_fit(X, y).predict_proba(X) for model in (classifier, opened)]
    assert np.array_equal(*after)
    assert not np.array_equal(after[0], before)
    again = [
        model.partial_fit(X, y).predict_proba(X)
        for model in (classifier, pickle.loads(pickle.dumps(opened)))
    ]
    assert np.array_equal(*again)  # the step sizes are kept


def test_pieces_may_have_one_class(ids):
    X, _ = ids
    classifier = NgramClassifier(n_buckets=64).partial_fit(X[:5], [1] * 5, [1, 2])
    assert classifier.predict_proba(X[:5]).shape == (5, 2)
    classifier.partial_fit(X[5:9], [2] * 4)
    with pytest.raises(ValueError, match=r"y\[1\] is 3, which is not among"):
        classifier.partial_fit(X[:2], [1, 3])


def test_partial_fit_refuses_what_it_cannot_do(ids):
    X, y = ids
    for class_weight in ("balanced", "sqrt"):
        message = f"class_weight='{class_weight}' needs all samples at once"
        with pytest.raises(ValueError, match=message):
            NgramClassifier(class_weight=class_weight).partial_fit(X, y, CLASSES)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        NgramClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match="classes has only one label, 1"):
        NgramClassifier().partial_fit(X, y, classes=[1])
    classifier = NgramClassifier(n_buckets=64).fit(X, y)
    with pytest.raises(ValueError, match=r"The classes are \[1, 2\], but the earlier"):
        classifier.partial_fit(X, y, classes=[1, 2])
    with pytest.raises(ValueError, match="features"):
        classifier.partial_fit(X[:, 1:], y)


def test_dicts_of_class_weights_scale_the_steps_of_a_piece(ids):
    X, _ = ids
    found = []
    for class_weight in (None, {1: 100}):
        classifier = NgramClassifier(n_buckets=64, class_weight=class_weight)
        classifier.partial_fit(X[:10], [1, 2] * 5, [1, 2])
        found.append(classifier.predict_proba(X[:10])[:, 0])
    assert (found[1] > found[0]).all()


# Token ids


def test_the_size_of_the_vocabulary_comes_with_the_ids(reviews):
    texts, y = reviews
    vectorizer = SequenceVectorizer()
    X = vectorizer.fit_transform(texts)
    classifier = NgramClassifier(n_buckets=64).fit(X[:60], y[:60])
    assert classifier.n_tokens_ == len(vectorizer.vocabulary_) + 2
    plain = NgramClassifier(n_buckets=64).fit(np.asarray(X), y)
    assert plain.n_tokens_ == X.max() + 1


def test_ids_of_another_vocabulary_are_refused(reviews):
    texts, y = reviews
    X = SequenceVectorizer(max_len=9).fit_transform(texts)
    other = SequenceVectorizer(max_len=9).fit_transform(texts[:100])
    classifier = NgramClassifier(n_buckets=64).fit(X, y)
    for _ in range(2):
        with pytest.raises(ValueError, match="another vocabulary"):
            classifier.predict(other)
        with pytest.raises(ValueError, match="another vocabulary"):
            classifier.partial_fit(other, y[:100])
        # Bare numbers are accepted, and the vocabulary is remembered.
        classifier.partial_fit(np.asarray(X), y)


def test_larger_ids_count_as_unknown(ids, fitted):
    above, unknown = np.asarray(ids[0]).astype(np.int64), np.asarray(ids[0]).copy()
    unknown[:, 0] = 1
    expected = fitted.predict_proba(unknown)
    for highest in (fitted.n_tokens_, 10**6, 2**31 + 5, 2**32 + 3):
        above[:, 0] = highest
        assert np.array_equal(fitted.predict_proba(above), expected)
    with pytest.raises(ValueError, match="X holds the id 4294967299"):
        NgramClassifier().fit(above, ids[1])


def test_an_empty_row_counts_as_one_unknown_token(ids, fitted):
    rows = np.zeros((2, ids[0].shape[1]), dtype=int)
    rows[1, 0] = 1
    found = fitted.decision_function(rows)
    assert np.array_equal(found[0], found[1])


def test_containers_of_ids(ids, fitted):
    X = np.asarray(ids[0])
    expected = fitted.predict_proba(X)
    for container in (
        X.tolist(),
        X.astype(float),
        X.astype(np.uint16),
        pd.DataFrame(X),
    ):
        assert np.array_equal(fitted.predict_proba(container), expected)


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([[2, 3], [4, -7]], [0, 1], ValueError, r"X\[1, 1\] is -7, which is negative"),
        ([[2, 3], [4.5, 5]], [0, 1], ValueError, r"X\[1, 0\] is 4.5, which is not"),
        ([[2, 3], [4, 5]], [1, 1], ValueError, "at least 2 classes are needed"),
        ([[2, 3], [4, 5]], [0, None], ValueError, r"y\[1\] is None"),
        (["good", "bad"], [0, 1], ValueError, "X holds texts, not token ids"),
        (sparse.csr_array([[2, 3], [4, 5]]), [0, 1], TypeError, "Sparse data"),
        ([[2, 3], [4, 5]], None, ValueError, "requires y to be passed"),
    ],
)
def test_invalid_input_is_refused_and_changes_nothing(ids, X, y, error, message):
    classifier = NgramClassifier(n_buckets=64).fit(*ids)
    before = dict(vars(classifier))
    with pytest.raises(error, match=message):
        classifier.fit(X, y)
    assert all(vars(classifier)[name] is value for name, value in before.items())


# Parameters and state


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
def test_invalid_ranges_are_refused(ids, ngram_range):
    classifier = NgramClassifier(ngram_range=ngram_range)
    message = r"ngram_range=.* is not a range of lengths; pass two whole numbers"
    with pytest.raises(ValueError, match=message):
        classifier.fit(*ids)
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(*ids, classes=CLASSES)
    assert not hasattr(classifier, "weights_")


@pytest.mark.parametrize(
    "params",
    [
        {"ngram_range": "12"},
        {"ngram_range": 2},
        {"n_buckets": 0},
        {"C": 0},
        {"C": "best"},
        {"class_weight": "auto"},
    ],
    ids=str,
)
def test_invalid_parameters_are_refused(ids, params):
    (name,) = params
    with pytest.raises(ValueError, match=f"'{name}' parameter of NgramClassifier"):
        NgramClassifier(**params).fit(*ids)


def test_unfitted_classifiers_raise():
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(NgramClassifier(), method)([[2, 3]])
    with pytest.raises(NotFittedError):
        NgramClassifier().contributions(np.array([2, 3]))


def test_pickles_predict_the_same(ids, fitted):
    opened = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(opened.predict_proba(ids[0]), fitted.predict_proba(ids[0]))
    assert opened.C_ == fitted.C_
