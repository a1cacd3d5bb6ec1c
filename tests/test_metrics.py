"""Metrics of ordered labels."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from imblearn.metrics import macro_averaged_mean_absolute_error
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics import cohen_kappa_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from skreviews.metrics import (
    macro_mean_absolute_error,
    neg_macro_mean_absolute_error_scorer,
    quadratic_weighted_kappa,
    quadratic_weighted_kappa_scorer,
    within_one_accuracy,
    within_one_accuracy_scorer,
)

METRICS = [quadratic_weighted_kappa, macro_mean_absolute_error, within_one_accuracy]
SCORERS = {
    "kappa": quadratic_weighted_kappa_scorer,
    "neg_macro_mae": neg_macro_mean_absolute_error_scorer,
    "within_one": within_one_accuracy_scorer,
}
WORDS = np.array(["bad", "so-so", "good"])


@pytest.fixture
def stars():
    """Return true labels, predicted labels and sample weights."""
    rng = np.random.default_rng(0)
    y_true = rng.choice(5, 300, p=[0.4, 0.08, 0.07, 0.08, 0.37]) + 1
    y_pred = np.clip(y_true + rng.integers(-2, 3, 300), 1, 5)
    return y_true, y_pred, rng.uniform(0, 2, 300)


# Values


@pytest.mark.parametrize("weighted", [False, True])
def test_kappa_equals_scikit_learn(stars, weighted):
    y_true, y_pred, weights = stars
    options = {"sample_weight": weights if weighted else None}
    expected = cohen_kappa_score(y_true, y_pred, weights="quadratic", **options)
    found = quadratic_weighted_kappa(y_true, y_pred, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_macro_error_equals_imbalanced_learn(stars, weighted):
    y_true, y_pred, weights = stars
    options = {"sample_weight": weights if weighted else None}
    expected = macro_averaged_mean_absolute_error(y_true, y_pred, **options)
    found = macro_mean_absolute_error(y_true, y_pred, **options)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_within_one_accuracy_equals_a_loop(stars):
    y_true, y_pred, weights = stars
    near = sum(
        weight
        for true, pred, weight in zip(y_true, y_pred, weights, strict=True)
        if pred in (true - 1, true, true + 1)
    )
    found = within_one_accuracy(y_true, y_pred, sample_weight=weights)
    np.testing.assert_allclose(found, near / weights.sum(), rtol=1e-12)


def test_perfect_predictions(stars):
    y_true = stars[0]
    assert quadratic_weighted_kappa(y_true, y_true) == 1
    assert macro_mean_absolute_error(y_true, y_true) == 0
    assert within_one_accuracy(y_true, y_true) == 1


def test_opposite_predictions_have_a_kappa_of_minus_one():
    assert quadratic_weighted_kappa([1, 5], [5, 1]) == -1


def test_constant_predictions_have_a_kappa_of_zero(stars):
    y_true = stars[0]
    for star in (1, 3, 5):
        found = quadratic_weighted_kappa(y_true, np.full_like(y_true, star))
        np.testing.assert_allclose(found, 0, atol=1e-12)


def test_kappa_of_a_single_label_is_undefined():
    with pytest.warns(UndefinedMetricWarning, match="undefined"):
        assert np.isnan(quadratic_weighted_kappa([4, 4], [4, 4]))
    assert quadratic_weighted_kappa([4, 4], [5, 5]) == 0


def test_rare_and_frequent_classes_have_the_same_weight():
    y_true = [1] + [5] * 99
    assert macro_mean_absolute_error(y_true, [5] * 100) == 2
    assert macro_mean_absolute_error(y_true, [1] * 100) == 2


@pytest.mark.parametrize("metric", METRICS)
def test_weights_equal_repeated_samples(stars, metric):
    y_true, y_pred, _ = stars
    counts = np.random.default_rng(1).integers(0, 3, len(y_true))
    weighted = metric(y_true, y_pred, sample_weight=counts)
    repeated = metric(y_true.repeat(counts), y_pred.repeat(counts))
    np.testing.assert_allclose(weighted, repeated, rtol=1e-12)


def test_classes_without_weight_are_ignored():
    found = macro_mean_absolute_error([1, 3, 5], [1, 3, 1], sample_weight=[1, 1, 0])
    assert found == 0


# Labels and distances


def test_missing_classes_do_not_change_distances():
    y_true, y_pred = [1, 1, 3, 3, 5], [1, 3, 3, 3, 5]
    assert within_one_accuracy(y_true, y_pred) == 0.8
    assert macro_mean_absolute_error(y_true, y_pred) == pytest.approx(1 / 3)
    y_true, y_pred = [1, 1, 3, 4], [1, 3, 3, 4]
    expected = cohen_kappa_score(
        y_true, y_pred, labels=[1, 2, 3, 4, 5], weights="quadratic"
    )
    assert quadratic_weighted_kappa(y_true, y_pred) == pytest.approx(expected)


def test_classes_are_those_of_the_true_labels():
    assert macro_mean_absolute_error([1, 1, 5], [1, 2, 5]) == 0.25
    assert within_one_accuracy([1, 1, 5], [1, 2, 5]) == 1


def test_distances_are_those_of_values_or_of_positions_in_labels():
    y_true, y_pred = [0, 10, 50, 50], [10, 10, 50, 10]
    assert within_one_accuracy(y_true, y_pred) == 0.5
    assert within_one_accuracy(y_true, y_pred, labels=[0, 10, 50]) == 1
    assert macro_mean_absolute_error(y_true, y_pred) == 10
    assert macro_mean_absolute_error(y_true, y_pred, labels=[0, 10, 50]) == 0.5
    expected = cohen_kappa_score(y_true, y_pred, weights="quadratic")
    found = quadratic_weighted_kappa(y_true, y_pred, labels=[0, 10, 50])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("container", [list, tuple, np.array, pd.Index])
def test_strings_have_the_order_of_labels(metric, container):
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, 3, (2, 50))
    found = metric(WORDS[true], WORDS[pred], labels=container(WORDS))
    assert found == metric(true, pred)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "convert",
    [
        list,
        pd.Series,
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: pd.Series(y, dtype="category"),
        lambda y: y.astype(float),
        lambda y: y.astype(object),
        lambda y: y.astype(np.uint8),
    ],
)
def test_numbers_in_any_container(stars, metric, convert):
    y_true, y_pred, _ = stars
    assert metric(convert(y_true), convert(y_pred)) == metric(y_true, y_pred)
    found = metric(convert(y_true), convert(y_pred), labels=[1, 2, 3, 4, 5])
    assert found == metric(y_true, y_pred)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "options", "message"),
    [
        ([], [], {}, "y_true is empty"),
        ([1, 2], [1, np.nan], {}, r"y_pred\[1\] is nan"),
        ([None, 2], [1, 2], {}, r"y_true\[0\] is None"),
        ([1, 2], [1, 2, 3], {}, "inconsistent numbers of samples"),
        (
            ["bad", "good"],
            ["bad", "bad"],
            {},
            "'bad', which is not a number. Pass labels",
        ),
        ([1, 2], ["1", "2"], {}, "y_pred has the label '1', which is not a number"),
        ([1, 2], [1, 7], {"labels": [1, 2]}, r"y_pred\[1\] is 7, which is not among"),
        (
            [1, 2],
            [1, 2],
            {"labels": [1, 2, 1]},
            r"labels\[2\] is 1, which is a duplicate",
        ),
        ([1, 2], [1, 2], {"sample_weight": [1, -1]}, "[Nn]egative"),
        ([1, 2], [1, 2], {"sample_weight": [0, 0]}, "at least one non-zero"),
        ([1, 2], [1, 2], {"sample_weight": [1]}, "sample_weight"),
    ],
)
def test_invalid_input_is_rejected(metric, y_true, y_pred, options, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred, **options)


@pytest.mark.parametrize("metric", METRICS)
def test_the_input_is_not_modified(stars, metric):
    before = [array.copy() for array in stars]
    y_true, y_pred, weights = stars
    metric(y_true, y_pred, sample_weight=weights)
    assert all(np.array_equal(a, b) for a, b in zip(stars, before, strict=True))


# Scorers


def test_greater_scores_are_better(stars):
    y_true = stars[0]
    X = np.zeros((len(y_true), 1))
    constant = DummyClassifier(strategy="constant", constant=1).fit(X, y_true)
    middle = DummyClassifier(strategy="constant", constant=4).fit(X, y_true)
    for name in ("neg_macro_mae", "within_one"):
        scorer = SCORERS[name]
        assert scorer(middle, X, y_true) != scorer(constant, X, y_true)
    assert SCORERS["neg_macro_mae"](constant, X, y_true) < 0
    assert SCORERS["kappa"](constant, X, y_true) == pytest.approx(0)


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_scorers_can_be_pickled(stars, scorer):
    y_true = stars[0]
    X = np.zeros((len(y_true), 1))
    dummy = DummyClassifier(random_state=0, strategy="uniform").fit(X, y_true)
    copy = pickle.loads(pickle.dumps(scorer))
    assert copy(dummy, X, y_true) == scorer(dummy, X, y_true)


def test_scorers_in_a_grid_search_on_raw_texts(reviews):
    search = GridSearchCV(
        make_pipeline(CountVectorizer(), MultinomialNB()),
        {"multinomialnb__alpha": [0.1, 1.0]},
        scoring=SCORERS,
        refit="kappa",
        cv=2,
        error_score="raise",
    ).fit(*reviews)
    assert search.best_index_ == search.cv_results_["mean_test_kappa"].argmax()
    for name in SCORERS:
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()


def test_make_scorer_with_labels(stars):
    y = WORDS[np.digitize(stars[0], [2, 4])]
    X = np.zeros((len(y), 1))
    scorer = make_scorer(quadratic_weighted_kappa, labels=WORDS)
    scores = cross_validate(DummyClassifier(), X, y, scoring=scorer, cv=2)
    np.testing.assert_allclose(scores["test_score"], 0, atol=1e-12)


def test_metrics_do_not_import_torch():
    code = "import sys, skreviews.metrics; print('torch' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"
