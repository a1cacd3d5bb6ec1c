"""From decision functions to probabilities and labels."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.model_selection import GridSearchCV

from skreviews import LSTMClassifier
from skreviews.decision import DECISIONS, decide, to_probabilities
from skreviews.metrics import quadratic_weighted_kappa_scorer

TINY = {
    "embedding_dim": 8,
    "hidden_size": 8,
    "max_epochs": 1,
    "device": "cpu",
    "random_state": 0,
}


@pytest.fixture(scope="module")
def probabilities():
    """Probabilities of five labels, some of them zero, of shape (500, 5)."""
    random_state = np.random.default_rng(0)
    rows = random_state.dirichlet([0.5] * 5, 500) * random_state.integers(
        0, 2, (500, 5)
    )
    rows += 1e-3 * (rows.sum(axis=1, keepdims=True) == 0)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


# Probabilities


def test_probabilities_of_several_classes_are_the_softmax_of_the_scores():
    scores = np.random.default_rng(0).normal(0, 50, (99, 4)).astype(np.float32)
    found = to_probabilities(scores)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, softmax(scores, axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_probabilities_of_two_classes_are_those_of_two_logits():
    scores = np.array([-1000, -20, -1, 0, 1, 20, 1000], np.float32)
    found = to_probabilities(scores)
    assert found.dtype == np.float32 and found.shape == (7, 2)
    two_logits = np.column_stack([np.zeros(7, np.float32), scores])
    np.testing.assert_allclose(found, softmax(two_logits, axis=1), rtol=1e-5)


# Labels


def test_the_median_is_the_weighted_median_of_the_labels(probabilities):
    labels = np.array([1, 2, 3, 5, 9])
    expected = [
        np.quantile(labels, 0.5, weights=row, method="inverted_cdf")
        for row in probabilities.astype(np.float64)
    ]
    assert np.array_equal(decide(probabilities, labels, "median"), expected)


def test_the_median_has_the_smallest_expected_error(probabilities):
    labels = np.arange(1, 6)
    distances = np.abs(np.subtract.outer(labels, labels))
    errors = probabilities.astype(np.float64) @ distances
    found = decide(probabilities, labels, "median")
    chosen = errors[np.arange(len(errors)), found - 1]
    np.testing.assert_allclose(chosen, errors.min(axis=1), atol=1e-7)


def test_the_median_is_the_first_label_that_reaches_a_half():
    labels = np.array([1, 2, 3])
    rows = np.array([[0.5, 0, 0.5], [0.49, 0.02, 0.49], [0, 0.5, 0.5], [0, 0, 1]])
    assert decide(rows, labels, "median").tolist() == [1, 2, 2, 3]


def test_the_mode_is_the_most_probable_label(probabilities):
    labels = np.array(list("abcde"))
    found = decide(probabilities, labels)
    assert np.array_equal(found, labels[probabilities.argmax(axis=1)])


def test_median_and_mode_of_two_classes_agree_in_spite_of_rounding():
    p = np.float32(0.5) + np.arange(-5, 6, dtype=np.float32) * np.float32(2**-24)
    rows = np.array([[a, b] for a in p for b in p], dtype=np.float32)
    labels = np.array(["a", "b"])
    assert np.array_equal(decide(rows, labels, "median"), decide(rows, labels, "mode"))


def test_unknown_decisions_are_refused(probabilities):
    message = "decision='mean' is unknown; pass one of .*'median', 'mode'"
    with pytest.raises(ValueError, match=message):
        decide(probabilities, np.arange(5), "mean")


# In the classifier


@pytest.mark.parametrize("labels", [[0, 1], [1, 5], ["bad", "good"], [False, True]])
def test_two_classes_have_the_same_median_and_mode(ids, labels):
    X, y = ids
    y = np.array(labels)[(y > 3).astype(int)]
    classifier = LSTMClassifier(**TINY).fit(X, y)
    modes = classifier.predict(X)
    assert np.array_equal(classifier.set_params(decision="median").predict(X), modes)
    assert np.array_equal(
        modes, classifier.classes_[classifier.predict_proba(X).argmax(axis=1)]
    )


def test_the_decision_changes_the_labels_alone(ids):
    X, y = ids
    params = TINY | {"validation_fraction": 0.1}
    classifier = LSTMClassifier(**params).fit(X, y)
    probabilities, modes = classifier.predict_proba(X), classifier.predict(X)
    assert np.array_equal(modes, decide(probabilities, classifier.classes_))
    classifier.set_params(decision="median")
    assert np.array_equal(classifier.predict_proba(X), probabilities)
    medians = classifier.predict(X)
    assert np.array_equal(medians, decide(probabilities, classifier.classes_, "median"))
    assert not np.array_equal(medians, modes)
    assert classifier.score(X, y) == np.mean(medians == y)
    opened = pickle.loads(pickle.dumps(classifier))
    assert np.array_equal(opened.predict(X), medians)
    fitted = LSTMClassifier(**params, decision="median").fit(X, y)
    assert np.array_equal(fitted.predict_proba(X), probabilities)
    columns = ["valid_loss", "valid_accuracy"]
    assert fitted.history_[columns].equals(classifier.history_[columns])


def test_a_grid_search_over_decisions(ids):
    search = GridSearchCV(
        LSTMClassifier(**TINY),
        {"decision": list(DECISIONS)},
        scoring=quadratic_weighted_kappa_scorer,
        cv=2,
        error_score="raise",
    ).fit(*ids)
    assert len(search.cv_results_["params"]) == 2
    assert search.predict(ids[0]).shape == (200,)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["bad", "good", "so-so"]),
        np.array(["1", "2", "3"]),
        pd.Categorical(
            ["bad", "so-so", "good"], ["bad", "so-so", "good"], ordered=True
        ),
    ],
)
def test_the_median_of_strings_is_refused_before_any_work(ids, labels):
    X, y = ids
    codes = np.digitize(y, [3, 4])
    message = "decision='median' needs ordered labels, but '.*' is not a number"
    classifier = LSTMClassifier(**TINY, decision="median")
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, labels[codes])
    with pytest.raises(ValueError, match=message):
        classifier.partial_fit(X, labels[codes], classes=labels)
    assert not hasattr(classifier, "net_")
    classifier.fit(X, codes)


def test_a_decision_that_is_set_after_fit_is_checked_in_predict(ids):
    X, y = ids
    words = np.array(["bad", "good", "so-so"])[np.digitize(y, [3, 4])]
    classifier = LSTMClassifier(**TINY).fit(X, words)
    with pytest.raises(ValueError, match="'bad' is not a number"):
        classifier.set_params(decision="median").predict(X)
    with pytest.raises(ValueError, match="decision='mean' is unknown"):
        classifier.set_params(decision="mean").predict(X)
