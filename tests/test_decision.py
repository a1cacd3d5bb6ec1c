"""From decision functions to probabilities, and from these to labels."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.model_selection import GridSearchCV

from skreviews import LSTMClassifier, decide
from skreviews.decision import DECISIONS, check_order, to_probabilities
from skreviews.metrics import quadratic_weighted_kappa_scorer

SMALL = {"embedding_dim": 8, "hidden_size": 8, "max_epochs": 2, "random_state": 0}
SMALL |= {"precision": "fp32"}


@pytest.fixture(scope="module")
def probabilities():
    """Probabilities of five labels, some of them zero."""
    rng = np.random.default_rng(0)
    rows = rng.dirichlet([0.5] * 5, 500) * rng.integers(0, 2, (500, 5))
    rows += 1e-3 * (rows.sum(axis=1, keepdims=True) == 0)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(ids):
    """A classifier of five ordered labels."""
    return LSTMClassifier(**SMALL, validation_fraction=0.1).fit(*ids)


# ---- decide


def test_the_mode_is_the_most_probable_label(probabilities):
    labels = np.array(["a", "b", "c", "d", "e"])
    found = decide(probabilities, labels)
    assert np.array_equal(found, labels[probabilities.argmax(axis=1)])


def test_the_median_is_the_weighted_median_of_the_labels(probabilities):
    labels = np.array([1, 2, 3, 5, 9])
    expected = [
        np.quantile(labels, 0.5, weights=row, method="inverted_cdf")
        for row in probabilities.astype(np.float64)
    ]
    assert np.array_equal(decide(probabilities, labels, "median"), expected)


def test_no_label_has_a_smaller_expected_error_than_the_median(probabilities):
    labels = np.arange(1, 6)
    errors = probabilities.astype(np.float64) @ np.abs(
        np.subtract.outer(labels, labels)
    )
    found = decide(probabilities, labels, "median")
    chosen = errors[np.arange(len(errors)), found - 1]
    np.testing.assert_allclose(chosen, errors.min(axis=1), atol=1e-7)


def test_the_median_is_the_first_label_that_reaches_one_half():
    rows = np.array([[0.5, 0, 0.5], [0.49, 0.02, 0.49], [0, 0.5, 0.5], [0, 0, 1]])
    assert decide(rows, np.array([1, 2, 3]), "median").tolist() == [1, 2, 2, 3]


def test_median_and_mode_of_two_classes_are_equal_despite_rounding():
    p = np.float32(0.5) + np.arange(-5, 6, dtype=np.float32) * np.float32(2**-24)
    rows = np.array([[a, b] for a in p for b in p], dtype=np.float32)
    labels = np.array(["a", "b"])
    assert np.array_equal(decide(rows, labels, "median"), decide(rows, labels, "mode"))


def test_no_rows_have_no_labels():
    for decision in DECISIONS:
        assert decide(np.zeros((0, 3)), np.array([1, 2, 3]), decision).shape == (0,)


def test_unknown_decisions_are_refused():
    message = r"decision='mean' is unknown; pass one of \['median', 'mode'\]"
    with pytest.raises(ValueError, match=message):
        decide(np.ones((1, 2)), np.array([0, 1]), "mean")


# ---- check_order

UNORDERED = {
    "strings": np.array(["bad", "good", "so-so"]),
    "digits": np.array(["1", "2", "3"]),
    "categories": pd.Categorical(
        ["bad", "so-so", "good"], ["bad", "so-so", "good"], ordered=True
    ),
}


def test_the_median_needs_numbers():
    message = "decision='median' needs ordered labels, but 'bad' is not a number"
    for check in (check_order, lambda *args: decide(np.ones((1, 3)), *args)):
        with pytest.raises(ValueError, match=message):
            check(UNORDERED["strings"], "median")


@pytest.mark.parametrize(
    ("classes", "decision"),
    [
        (UNORDERED["strings"], "mode"),
        (np.array(["bad", "good"]), "median"),
        (np.array([1, 2, 3]), "median"),
        (np.array([0.5, 1.5, 2.5]), "median"),
    ],
)
def test_other_labels_are_accepted(classes, decision):
    assert check_order(classes, decision) is None


# ---- to_probabilities


@pytest.mark.parametrize("scale", [1, 30])
def test_logits_become_their_softmax(scale):
    scores = scale * np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    found = to_probabilities(scores)
    np.testing.assert_allclose(
        found, softmax(scores.astype(np.float64), axis=1), atol=1e-6
    )
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    assert found.dtype == np.float32


def test_one_logit_is_that_of_the_second_class():
    scores = np.linspace(-20, 20, 41, dtype=np.float32)
    found = to_probabilities(scores)
    both = np.column_stack([np.zeros(41), scores])
    np.testing.assert_allclose(found, softmax(both, axis=1), rtol=1e-5)
    assert found.dtype == np.float32
    assert np.array_equal(found.argmax(axis=1), scores > 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_extreme_logits_have_finite_probabilities(n_classes):
    scores = np.float32([-1e30, -1e4, 0, 1e4, 1e30])
    if n_classes > 2:
        scores = scores[:, None] * np.float32([1, 0, -1])
    found = to_probabilities(scores)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


# ---- The decision in the classifier


def test_the_decision_only_changes_the_labels(ids, fitted):
    X, y = ids
    proba, modes = fitted.predict_proba(X), fitted.predict(X)
    assert np.array_equal(modes, fitted.classes_[proba.argmax(axis=1)])
    other = LSTMClassifier(**SMALL, validation_fraction=0.1, decision="median")
    other.fit(X, y)
    assert np.array_equal(other.predict_proba(X), proba)
    assert other.history_["valid_accuracy"].equals(fitted.history_["valid_accuracy"])
    medians = other.predict(X)
    assert np.array_equal(medians, decide(proba, other.classes_, "median"))
    assert not np.array_equal(medians, modes)
    assert other.score(X, y) == np.mean(medians == y)
    assert np.array_equal(other.set_params(decision="mode").predict(X), modes)


@pytest.mark.parametrize("labels", [[1, 5], ["bad", "good"], [False, True]])
def test_two_classes_have_one_decision(ids, labels):
    X, y = ids
    y = np.array(labels)[(y > 3).astype(int)]
    classifier = LSTMClassifier(**SMALL | {"max_epochs": 1}).fit(X, y)
    modes = classifier.predict(X)
    assert np.array_equal(modes, classifier.set_params(decision="median").predict(X))
    probabilities = classifier.predict_proba(X)
    assert np.array_equal(modes, classifier.classes_[probabilities.argmax(axis=1)])


def test_a_grid_search_chooses_the_decision(ids):
    search = GridSearchCV(
        LSTMClassifier(**SMALL | {"max_epochs": 1}),
        {"decision": list(DECISIONS)},
        scoring=quadratic_weighted_kappa_scorer,
        cv=2,
        error_score="raise",
    ).fit(*ids)
    assert len(search.cv_results_["params"]) == 2
    assert search.predict(ids[0]).shape == (200,)


@pytest.mark.parametrize("labels", UNORDERED.values(), ids=UNORDERED)
def test_unordered_labels_are_refused_before_any_work(ids, labels):
    X, y = ids
    codes = np.digitize(y, [3, 4])
    message = "decision='median' needs ordered labels, but '.*' is not a number"
    classifier = LSTMClassifier(**SMALL, decision="median")
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, labels[codes])
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(X, labels[codes], classes=labels)
    assert not hasattr(classifier, "net_")


def test_a_decision_that_is_set_later_is_checked_in_predict(ids):
    X, y = ids
    words = UNORDERED["strings"][np.digitize(y, [3, 4])]
    classifier = LSTMClassifier(**SMALL | {"max_epochs": 1}).fit(X, words)
    with pytest.raises(ValueError, match="'bad' is not a number"):
        classifier.set_params(decision="median").predict(X)
    with pytest.raises(ValueError, match="decision='mean' is unknown"):
        classifier.set_params(decision="mean").predict(X)
