"""Reviews whose stars contradict their text."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skreviews import label_report, make_review_pipeline, make_reviews


class Spy(LogisticRegression):
    """Keeps the texts that each of its clones was fitted on."""

    seen = []

    def fit(self, X, y):
        Spy.seen.append(X)
        return super().fit(X, y)


@pytest.fixture
def tfidf():
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))


@pytest.fixture(scope="module")
def flipped():
    """Generated reviews of which 1 and 5 stars are swapped now and then."""
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


def test_the_review_pipeline_finds_them_too(flipped):
    X, y, rows = flipped
    pipe = make_review_pipeline(
        random_state=0, device="cpu", lstm__hidden_size=8, lstm__max_epochs=4
    )
    report = label_report(pipe, X, y, cv=2)
    assert report["row"][: len(rows)].isin(rows).mean() >= 3 * len(rows) / len(X)
    assert not hasattr(pipe["lstm"], "classes_")


def test_the_columns_say_what_they_say(tfidf, flipped):
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


def test_nothing_is_relabelled(tfidf, flipped):
    X, y, _ = flipped
    before = y.copy()
    label_report(tfidf, X, y)
    assert np.array_equal(y, before)


def test_words_and_two_labels_differ_by_any_contradiction(tfidf, flipped):
    X, y, _ = flipped
    two = label_report(tfidf, X, np.where(y > 3, 1, 0))
    words = label_report(tfidf, X, np.where(y > 3, "good", "bad"))
    assert len(two) > 0
    assert words["row"].equals(two["row"])
    assert words["distance"].isna().all() and (two["distance"] == 1).all()
    assert set(words["label"]) == {"good", "bad"}


def test_no_model_judges_a_text_that_it_has_seen(flipped):
    X, y, _ = flipped
    Spy.seen.clear()
    vectorizer = TfidfVectorizer(analyzer=lambda text: [text])  # a text is a word
    report = label_report(
        make_pipeline(vectorizer, Spy()), np.tile(X[:300], 3), np.tile(y[:300], 3), cv=3
    )
    # None of its words is known where it is judged, so each fold has one opinion.
    assert len(Spy.seen) == 3
    assert all(part.shape[0] % 3 == 0 for part in Spy.seen)
    assert report["p_predicted"].nunique() <= 3


def test_it_is_repeatable_and_independent_of_n_jobs(tfidf, flipped):
    X, y, _ = flipped
    once = label_report(tfidf, X, y, cv=2)
    pd.testing.assert_frame_equal(label_report(tfidf, X, y, cv=2, n_jobs=2), once)


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
def test_bad_input_is_refused_before_any_fit(X, y, params, message):
    with pytest.raises(ValueError, match=message):
        label_report(None, X, y, **params)
