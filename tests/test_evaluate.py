"""The report on a fitted model: its scores, its intervals, its page."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    precision_recall_fscore_support,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from skreviews import ReviewReport, evaluate, make_review_pipeline, make_reviews
from skreviews.metrics import (
    macro_mean_absolute_error,
    quadratic_weighted_kappa,
    within_one_accuracy,
)

SCRIPT = "<script>alert('gotcha')</script><img src=x onerror=alert(1)>"
ORDINAL = {
    "mean_absolute_error": mean_absolute_error,
    "macro_mean_absolute_error": macro_mean_absolute_error,
    "quadratic_weighted_kappa": quadratic_weighted_kappa,
    "within_one_accuracy": within_one_accuracy,
}


class Parrot(ClassifierMixin, BaseEstimator):
    """Predicts the first word of each text, if it is a label that it knows."""

    def __init__(self, classes=(1, 2, 3, 4, 5)):
        self.classes = classes

    def fit(self, X=None, y=None):
        self.classes_ = np.array(self.classes)
        return self

    def predict_proba(self, X):
        names = list(map(str, self.classes_))
        places = [names.index(text.split()[0]) for text in X]
        return np.eye(len(names))[places] * 0.9 + 0.1 / len(names)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture(scope="module")
def parts():
    X, y = make_reviews(500, random_state=0)
    return X[:300], y[:300], X[300:], y[300:]


@pytest.fixture(scope="module")
def bayes(parts):
    return make_pipeline(CountVectorizer(), MultinomialNB()).fit(*parts[:2])


@pytest.fixture(scope="module")
def report(bayes, parts):
    X_train, y_train, X, y = parts
    return evaluate(bayes, X, y, X_train=X_train, y_train=y_train, random_state=0)


@pytest.fixture(scope="module")
def pipe(parts):
    small = {"lstm__embedding_dim": 8, "lstm__hidden_size": 8, "lstm__max_epochs": 2}
    return make_review_pipeline(random_state=0, **small).fit(*parts[:2])


def _score(report, score, section="overall", group="this model"):
    frame = report.to_frame()
    (row,) = frame[
        (frame["section"] == section)
        & (frame["group"] == group)
        & (frame["score"] == score)
    ].itertuples()
    return row


def _say(pairs):
    """Texts that make a parrot predict the second label of each pair, and labels."""
    return [f"{said} text {i}" for i, (_, said) in enumerate(pairs)], [
        true for true, _ in pairs
    ]


def _reference_scores(y_true, y_pred, labels):
    """All scores by scikit-learn's and our own public functions."""
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    macro = precision_recall_fscore_support(
        y_true, y_pred, average="macro", zero_division=0
    )
    scores = {
        "accuracy": np.mean(y_true == y_pred),
        **dict(
            zip(("macro_precision", "macro_recall", "macro_f1"), macro, strict=False)
        ),
        **{name: function(y_true, y_pred) for name, function in ORDINAL.items()},
    }
    by_label = precision_recall_fscore_support(
        y_true, y_pred, labels=labels, zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1"), by_label, strict=False):
        scores.update(
            {(name, label): v for label, v in zip(labels, values, strict=True)}
        )
    return scores


def test_scores_are_those_of_scikit_learn(report, bayes, parts):
    X, y = parts[2:]
    labels = bayes.classes_.tolist()
    for name, expected in _reference_scores(y, bayes.predict(X), labels).items():
        if isinstance(name, tuple):
            row = _score(report, name[0], "label", name[1])
        else:
            row = _score(report, name)
        assert row.value == pytest.approx(expected, abs=1e-12), name
    expected = log_loss(y, bayes.predict_proba(X), labels=labels)
    assert _score(report, "log_loss").value == pytest.approx(expected)


def test_intervals_are_those_of_a_bootstrap_row_by_row(report, bayes, parts):
    X, y = parts[2:]
    y_pred, labels = bayes.predict(X), bayes.classes_.tolist()
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(400):
        rows = rng.integers(len(y), size=len(y))
        draws.append(_reference_scores(y[rows], y_pred[rows], labels))
    draws = pd.DataFrame(draws)
    for name in draws:
        if isinstance(name, tuple):
            row = _score(report, name[0], "label", name[1])
        else:
            row = _score(report, name)
        low, high = np.quantile(draws[name], [0.025, 0.975])
        # Both have noise of their own: a sixth of the width is some four sigmas.
        assert row.low == pytest.approx(low, abs=(high - low) / 6), name
        assert row.high == pytest.approx(high, abs=(high - low) / 6), name


def test_the_difference_to_a_baseline_is_resampled_in_pairs(report, bayes, parts):
    X_train, y_train, X, y = parts
    tfidf = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(max_iter=1000),
    ).fit(X_train, y_train)
    ours, theirs = bayes.predict(X) == y, tfidf.predict(X) == y
    assert _score(report, "accuracy", group="TF-IDF").value == theirs.mean()
    row = _score(report, "accuracy", "difference", "TF-IDF")
    assert row.value == pytest.approx(ours.mean() - theirs.mean())
    rng = np.random.default_rng(1)
    rows = rng.integers(len(y), size=(2000, len(y)))
    draws = (ours[rows] * 1.0 - theirs[rows]).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert row.low == pytest.approx(low, abs=(high - low) / 6)
    assert row.high == pytest.approx(high, abs=(high - low) / 6)


def test_the_majority_label_is_that_of_the_training_data(report, parts):
    _, y_train, _, y = parts
    majority = pd.Series(y_train).mode()[0]
    row = _score(report, "accuracy", group="majority label")
    assert row.value == pytest.approx(np.mean(y == majority))


def test_mode_and_median_stand_side_by_side(report, bayes, parts):
    X, y = parts[2:]
    proba = bayes.predict_proba(X)
    median = bayes.classes_[(proba.cumsum(axis=1) < 0.5).sum(axis=1)]
    row = _score(report, "mean_absolute_error", "decision", "median")
    assert row.value == pytest.approx(mean_absolute_error(y, median))
    mode = _score(report, "accuracy", "decision", "mode")
    assert mode.value == pytest.approx(bayes.score(X, y))


def test_the_calibration_error_is_the_mean_gap_of_the_bins(report, bayes, parts):
    X, y = parts[2:]
    proba = bayes.predict_proba(X)
    is_right = bayes.classes_[proba.argmax(axis=1)] == y
    confidence, expected = proba.max(axis=1), 0
    for low in np.arange(15) / 15:
        rows = (confidence > low) & (confidence <= low + 1 / 15)
        if rows.any():
            gap = abs(confidence[rows].mean() - is_right[rows].mean())
            expected += rows.mean() * gap
    error = _score(report, "expected_calibration_error")
    assert error.value == pytest.approx(expected)
    assert np.isnan(error.low) and np.isnan(error.high)


def test_the_parts_of_a_section_are_all_of_the_reviews(pipe, parts):
    report = evaluate(pipe, *parts[2:], random_state=0)
    frame = report.to_frame().query("score == 'accuracy'")
    for section in ("length", "unknown words"):
        part = frame[frame["section"] == section]
        assert len(part) > 1
        assert part["n_samples"].sum() == 200
        whole = np.average(part["value"], weights=part["n_samples"])
        assert whole == pytest.approx(_score(report, "accuracy").value)


def test_the_labels_of_a_pipeline_are_those_it_predicts(pipe, parts):
    X, y = parts[2:]
    pipe.set_params(lstm__decision="median")
    try:
        report = evaluate(pipe, X, y, random_state=0)
        y_pred = pipe.predict(X)
    finally:
        pipe.set_params(lstm__decision="mode")
    assert _score(report, "accuracy").value == pytest.approx(np.mean(y_pred == y))
    assert report.training.frame().equals(
        pipe["lstm"].history_[["epoch", "train_loss", "train_accuracy"]]
    )


def test_the_same_seed_gives_the_same_report(bayes, parts):
    first, second, other = (
        evaluate(bayes, *parts[2:], random_state=seed) for seed in (0, 0, 1)
    )
    assert str(first) == str(second) != str(other)
    assert first._repr_html_() == second._repr_html_()


def test_texts_come_in_any_container(bayes, parts, as_container):
    X, y = parts[2:]
    shown = str(evaluate(bayes, as_container(list(X[:40])), y[:40], random_state=0))
    assert shown == str(evaluate(bayes, X[:40], y[:40], random_state=0))


def test_a_search_is_judged_by_its_best_estimator(bayes, parts):
    search = GridSearchCV(bayes, {"multinomialnb__alpha": [0.5]}, cv=2).fit(*parts[:2])
    report = evaluate(search, *parts[2:], random_state=0)
    best = evaluate(search.best_estimator_, *parts[2:], random_state=0)
    assert str(report) == str(best)


def test_texts_seen_in_training_are_found_whatever_their_case_and_space():
    X, y = _say([(1, 1), (2, 1), (3, 3), (4, 4)])
    X_train = [X[0].upper().replace(" ", "\n "), X[2], "other", "another"]
    report = evaluate(
        Parrot().fit(), X, y, X_train=X_train, y_train=[1, 2, 1, 2], random_state=0
    )
    assert report.n_seen == 2
    assert any(
        "2 reviews (50.0%) stand in the training data" in n for n in report.notes
    )
    assert _score(report, "accuracy", "seen in training", "seen").value == 1
    assert _score(report, "accuracy", "seen in training", "not seen").value == 0.5


def test_repeated_texts_are_counted():
    report = evaluate(Parrot().fit(), ["1 a", "1  A", "2 b", "1 a"], [1, 1, 2, 1])
    assert report.n_repeated == 2
    assert report.n_seen is None
    assert "2 reviews repeat another" in report.notes[-1]


def test_labels_never_seen_in_training_are_errors_and_named():
    X, y = _say([(1, 1), (2, 2), (9, 5), (0, 1)])
    with pytest.warns(UserWarning, match=r"2 reviews have labels .*: 0, 9\."):
        report = evaluate(Parrot().fit(), X, y, random_state=0)
    assert _score(report, "accuracy").value == 0.5
    assert _score(report, "mean_absolute_error").value == 5 / 4
    assert _score(report, "recall", "label", 9).value == 0
    assert np.isfinite(_score(report, "log_loss").value)
    assert "0, 9" in str(report) and "0, 9" in report._repr_html_()
    assert report.to_dict()["labels"] == [0, 1, 2, 3, 4, 5, 9]


def test_a_label_that_is_not_in_the_test_part_has_no_scores_of_its_own():
    X, y = _say([(1, 1), (5, 5), (5, 3)])
    report = evaluate(Parrot().fit(), X, y, random_state=0)
    groups = report.to_frame().query("section == 'label'")["group"].unique()
    assert groups.tolist() == [1, 5]
    assert "No review of the test part has these labels: 2, 3, 4." in report.notes
    # The wrong prediction of a 3 counts against the mean, as in scikit-learn.
    macro = _reference_scores(y, [1, 5, 3], [1, 3, 5])["macro_f1"]
    assert _score(report, "macro_f1").value == pytest.approx(macro)


def test_one_label_only_in_the_test_part_is_judged():
    report = evaluate(Parrot().fit(), ["5 a", "5 b"], [5, 5], random_state=0)
    assert _score(report, "accuracy").value == 1
    assert np.isnan(_score(report, "quadratic_weighted_kappa").value)
    kappa = next(s for s in str(report).split("\n") if s.startswith("quadratic"))
    assert kappa.split()[-1] == "-"
    json.dumps(report.to_dict(), allow_nan=False)


def test_one_review_is_judged():
    report = evaluate(Parrot().fit(), ["5"], [4], random_state=0)
    assert _score(report, "mean_absolute_error").value == 1
    assert _score(report, "accuracy", "length", "1 words").n_samples == 1


def test_texts_of_unknown_words_only_are_judged(pipe):
    X = ["xyzzy plugh", "quux", "frobozz grue", ""]
    report = evaluate(pipe, X, [1, 2, 3, 5], random_state=0)
    assert _score(report, "accuracy", "unknown words", "over 20%").n_samples == 4


def test_labels_may_be_strings_and_have_then_no_order(parts):
    X_train, y_train, X, y = parts
    words = np.array(["awful", "bad", "so-so", "good", "great"])
    bayes = make_pipeline(CountVectorizer(), MultinomialNB())
    bayes.fit(X_train, words[y_train - 1])
    report = evaluate(
        bayes, X, words[y - 1], X_train=X_train, y_train=words[y_train - 1]
    )
    assert set(report.to_frame()["score"]).isdisjoint(ORDINAL)
    assert "decision" not in set(report.to_frame()["section"])
    assert "so-so" in str(report)


def test_without_probabilities_log_loss_and_calibration_are_left_out(parts):
    X_train, y_train, X, y = parts
    svm = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(X_train, y_train)
    report = evaluate(svm, X, y, random_state=0)
    assert {"log_loss", "expected_calibration_error"}.isdisjoint(report.scores["score"])
    assert report.calibration is None and report.errors is None
    assert any("no probabilities" in note for note in report.notes)
    assert "unknown words" not in set(report.scores["section"])
    assert "<img" in report._repr_html_()


def test_tiny_training_data_has_a_tfidf_model_all_the_same():
    X, y = _say([(1, 1), (5, 5)])
    args = {"X_train": ["bad", "good"], "y_train": [1, 5]}
    report = evaluate(Parrot().fit(), X, y, **args)
    assert "TF-IDF" in set(report.scores["group"])


@pytest.mark.parametrize(
    ("X_train", "y_train", "note"),
    [
        (["bad", "good"], [5, 5], "one label only"),
        (["!", "?"], [1, 5], "no word"),
    ],
)
def test_where_tfidf_cannot_be_trained_the_report_says_so(X_train, y_train, note):
    X, y = _say([(1, 1), (5, 5)])
    report = evaluate(Parrot().fit(), X, y, X_train=X_train, y_train=y_train)
    assert "TF-IDF" not in set(report.scores["group"])
    assert any(note in said for said in report.notes)


def test_baselines_may_be_left_out(bayes, parts):
    X_train, y_train, X, y = parts
    args = {"X_train": X_train, "y_train": y_train, "baselines": False}
    report = evaluate(bayes, X, y, **args)
    assert set(report.scores.query("section == 'overall'")["group"]) == {"this model"}
    assert report.n_seen is not None


@pytest.mark.parametrize(
    ("estimator", "X", "y", "more", "message"),
    [
        (Parrot().fit(), [], [], {}, "X is empty: .* X_test of train_test_split"),
        (Parrot().fit(), ["1", "2"], [1], {}, "inconsistent numbers of samples"),
        (Parrot().fit(), ["1", None], [1, 2], {}, r"X\[1\] is None"),
        (Parrot().fit(), ["1", "2"], [1, None], {}, r"y\[1\] is None"),
        (Parrot().fit(), ["1"], [1], {"y_train": [1]}, "X_train is not: pass both"),
        (
            Parrot().fit(),
            ["1"],
            [1],
            {"X_train": ["1", "2"], "y_train": [1]},
            "inconsistent numbers of samples",
        ),
        (CountVectorizer().fit(["some words"]), ["a"], [1], {}, "has no classes_"),
        (Parrot().fit(), ["1"], [1], {"n_bootstrap": 0}, "n_bootstrap"),
    ],
)
def test_bad_input_is_named_with_its_remedy(estimator, X, y, more, message):
    with pytest.raises(ValueError, match=message):
        evaluate(estimator, X, y, **more)


@pytest.mark.parametrize(
    "estimator", [make_review_pipeline(), DummyClassifier()], ids=["ours", "theirs"]
)
def test_an_unfitted_estimator_says_so(estimator):
    with pytest.raises(NotFittedError):
        evaluate(estimator, ["a"], [1])


def test_the_report_as_a_dict_is_json(report):
    kept = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert kept["n_samples"] == 200
    assert np.sum(kept["confusion"]) == 200
    assert len(kept["scores"]) == len(report.to_frame())
    assert sum(row["n_samples"] for row in kept["calibration"]) == 200


def test_the_surest_errors_come_first(report, bayes, parts):
    X, y = parts[2:]
    errors = report.errors
    assert errors["confidence"].is_monotonic_decreasing
    assert np.array_equal(X[errors["row"]], errors["text"])
    assert np.array_equal(y[errors["row"]], errors["true"])
    wrong = bayes.predict(X) != y
    assert errors["confidence"][0] == bayes.predict_proba(X)[wrong].max()


def test_the_text_holds_all_tables(report):
    shown = str(report)
    for part in ("Scores", "By label", "By length", "TF-IDF", "median", "log loss"):
        assert part in shown
    assert repr(report).startswith("<ReviewReport of 200 reviews: accuracy 0.")


def test_the_page_shows_markup_of_texts_and_labels_and_runs_none_of_it(tmp_path):
    label = f"<b>$bad$ {SCRIPT}"
    X = [f"good {SCRIPT} {i}" for i in range(3)]
    parrot = DummyClassifier(strategy="prior").fit(X, [label, "good", "good"])
    report = evaluate(parrot, X, [label] * 3, X_train=X, y_train=[label] * 3)
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (page, report._repr_html_()):
        assert not re.search(r"<(script|img src=x|b>\$)", text)
        assert "&lt;script&gt;alert(&#x27;gotcha&#x27;)&lt;/script&gt;" in text
    assert SCRIPT in str(report)


def test_the_page_asks_for_nothing_from_outside(report, tmp_path):
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>]*)""", page)
    assert sources and all(
        source.startswith("data:image/svg+xml") for source in sources
    )
    assert "default-src 'none'" in page and "<script" not in page


def test_the_page_is_written_whole_or_not_at_all(report, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="nowhere does not exist; create it first"):
        report.save_html(tmp_path / "nowhere" / "report.html")
    path = tmp_path / "report.html"
    path.write_text("before")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        report.save_html(path)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "before"


def test_drawing_the_page_leaves_no_figure_open(report):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    report._repr_html_()
    assert plt.get_fignums() == before
    assert isinstance(report, ReviewReport)
