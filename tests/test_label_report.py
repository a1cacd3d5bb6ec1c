"""label_report: reviews whose label contradicts their text."""

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skreviews import label_report, make_reviews


class Spy(LogisticRegression):
    """Records the texts on which its clones are fitted."""

    seen = []

    def fit(self, X, y):
        Spy.seen.append(X)
        return super().fit(X, y)


@pytest.fixture
def tfidf():
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))


@pytest.fixture(scope="module")
def flipped():
    """Generated reviews, with 1 and 5 stars swapped in some of them."""
    X, y = make_reviews(1000, random_state=0)
    rows = np.flatnonzero(np.isin(y, [1, 5]))[::20]
    y = y.copy()
    y[rows] = 6 - y[rows]
    return X, y, rows


def test_flipped_labels_come_first(tfidf, flipped):
    X, y, rows = flipped
    report = label_report(tfidf, X, y)
    precision = report["row"][: len(rows)].isin(rows).mean()
    assert precision >= 3 * len(rows) / len(X)
    assert report["row"].isin(rows).sum() >= len(rows) / 2


def test_the_review_pipeline_finds_flipped_labels(flipped, make_small_pipeline):
    X, y, rows = flipped
    pipe = make_small_pipeline()
    report = label_report(pipe, X, y, cv=2)
    assert report["row"][: len(rows)].isin(rows).mean() >= 3 * len(rows) / len(X)
    assert not hasattr(pipe["lstm"], "classes_")


def test_the_columns_agree_with_the_reviews(tfidf, flipped):
    X, y, _ = flipped
    report = label_report(tfidf, pd.Series(X), pd.Series(y))
    assert (report["distance"] == (report["label"] - report["predicted"]).abs()).all()
    assert (report["distance"] >= 2).all()
    assert report["text"].tolist() == [X[row] for row in report["row"]]
    assert np.array_equal(report["label"], y[report["row"]])
    assert report["p_label"].is_monotonic_increasing
    assert (report["p_label"] < report["p_predicted"]).all()
    nearer = label_report(tfidf, X, y, min_distance=1)
    assert set(report["row"]) < set(nearer["row"])
    far = nearer[nearer["distance"] >= 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(far, report)


def test_labels_are_not_changed(tfidf, flipped):
    X, y, _ = flipped
    before = y.copy()
    label_report(tfidf, X, y)
    assert np.array_equal(y, before)


def test_strings_and_two_labels_need_no_least_distance(tfidf, flipped):
    X, y, _ = flipped
    two = label_report(tfidf, X, np.where(y > 3, 1, 0))
    words = label_report(tfidf, X, np.where(y > 3, "good", "bad"))
    assert len(two) > 0
    assert words["row"].equals(two["row"])
    assert words["distance"].isna().all() and (two["distance"] == 1).all()
    assert set(words["label"]) == {"good", "bad"}


def test_no_text_is_scored_by_a_model_fitted_on_it(flipped):
    X, y, _ = flipped
    Spy.seen.clear()
    vectorizer = TfidfVectorizer(analyzer=lambda text: [text])  # one token per text
    report = label_report(
        make_pipeline(vectorizer, Spy()), np.tile(X[:300], 3), np.tile(y[:300], 3), cv=3
    )
    # All tokens of a test fold are OOV, so its texts have the same probabilities.
    assert len(Spy.seen) == 3
    assert all(part.shape[0] % 3 == 0 for part in Spy.seen)
    assert report["p_predicted"].nunique() <= 3


def test_results_are_reproducible_and_independent_of_n_jobs(tfidf, flipped):
    X, y, _ = flipped
    once = label_report(tfidf, X, y, cv=2)
    with parallel_config("threading"):
        again = label_report(tfidf, X, y, cv=2, n_jobs=2)
    pd.testing.assert_frame_equal(again, once)


def test_class_weights_refer_to_the_labels_of_y(flipped):
    X, y, _ = flipped
    pipe = make_pipeline(TfidfVectorizer(), LogisticRegression(class_weight={5: 1e6}))
    report = label_report(pipe, X, y, cv=2, min_distance=1)
    assert set(report["predicted"]) <= {5}


@pytest.mark.parametrize(
    ("X", "y", "params", "message"),
    [
        ([], [], {}, "X is empty"),
        (["a", None] * 9, [1, 2] * 9, {}, r"X\[1\] is None"),
        (["a", "b"] * 9, [1, np.nan] * 9, {}, r"y\[1\] is nan"),
        (["a", "b"] * 9, [1, 2] * 9, {}, "label 1 has 1 distinct texts.*cv=5"),
        (["a", "b"] * 9, [1, 2], {}, "inconsistent numbers of samples"),
        (["a", "b"] * 9, [1, 2] * 9, {"cv": 1}, "cv=1"),
        (["a", "b"] * 9, [1, 2] * 9, {"cv": None}, "cv=None"),
    ],
)
def test_invalid_input_is_refused_before_any_fit(X, y, params, message):
    with pytest.raises(ValueError, match=message):
        label_report(None, X, y, **params)
