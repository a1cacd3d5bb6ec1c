"""evaluate: scores, intervals, notes and pages."""

import base64
import hashlib
import json
import re
from html import escape

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

from skreviews import (
    ReviewReport,
    TrainingDisplay,
    evaluate,
    make_review_pipeline,
    make_reviews,
)
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
    """Predicts the first word of each text, which is one of its classes."""

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
def pipe(fitted_pipe):
    return fitted_pipe


def _score(report, score, section="overall", group="this model"):
    frame = report.to_frame()
    (row,) = frame[
        (frame["section"] == section)
        & (frame["group"] == group)
        & (frame["score"] == score)
    ].itertuples()
    return row


def _make_data(pairs):
    """Return texts for which a parrot predicts the second of each pair, and labels."""
    texts = [f"{predicted} text {i}" for i, (_, predicted) in enumerate(pairs)]
    return texts, [true for true, _ in pairs]


def _reference_scores(y_true, y_pred, labels):
    """Return all scores by the public functions of scikit-learn and skreviews."""
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


def test_scores_equal_those_of_scikit_learn(report, bayes, parts):
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


def test_intervals_equal_those_of_resampled_rows(report, bayes, parts):
    X, y = parts[2:]
    y_pred, labels = bayes.predict(X), bayes.classes_.tolist()
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(250):
        rows = rng.integers(len(y), size=len(y))
        draws.append(_reference_scores(y[rows], y_pred[rows], labels))
    draws = pd.DataFrame(draws)
    for name in draws:
        if isinstance(name, tuple):
            row = _score(report, name[0], "label", name[1])
        else:
            row = _score(report, name)
        low, high = np.quantile(draws[name], [0.025, 0.975])
        # A sixth of the width is four standard errors of both bootstraps.
        assert row.low == pytest.approx(low, abs=(high - low) / 6), name
        assert row.high == pytest.approx(high, abs=(high - low) / 6), name


def test_differences_to_baselines_are_paired(report, bayes, parts):
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


def test_the_majority_label_comes_from_the_training_data(report, parts):
    _, y_train, _, y = parts
    majority = pd.Series(y_train).mode()[0]
    row = _score(report, "accuracy", group="majority label")
    assert row.value == pytest.approx(np.mean(y == majority))


def test_mode_and_median_are_scored(report, bayes, parts):
    X, y = parts[2:]
    proba = bayes.predict_proba(X)
    median = bayes.classes_[(proba.cumsum(axis=1) < 0.5).sum(axis=1)]
    row = _score(report, "mean_absolute_error", "decision", "median")
    assert row.value == pytest.approx(mean_absolute_error(y, median))
    mode = _score(report, "accuracy", "decision", "mode")
    assert mode.value == pytest.approx(bayes.score(X, y))


def test_the_calibration_error_is_a_mean_over_bins(report, bayes, parts):
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


def test_the_groups_of_a_section_partition_the_reviews(pipe, parts):
    report = evaluate(pipe, *parts[2:], random_state=0)
    frame = report.to_frame().query("score == 'accuracy'")
    for section in ("length", "OOV words"):
        part = frame[frame["section"] == section]
        assert len(part) > 1
        assert part["n_samples"].sum() == 200
        whole = np.average(part["value"], weights=part["n_samples"])
        assert whole == pytest.approx(_score(report, "accuracy").value)


def test_the_predictions_of_a_pipeline_follow_its_decision(pipe, parts):
    X, y = parts[2:]
    pipe.set_params(lstm__decision="median")
    try:
        report = evaluate(pipe, X, y, random_state=0)
        y_pred, history = pipe.predict(X), pipe["lstm"].history_
    finally:
        pipe.set_params(lstm__decision="mode")
    assert _score(report, "accuracy").value == pytest.approx(np.mean(y_pred == y))
    assert report.training.frame().equals(TrainingDisplay(history).frame())
    assert report.recipe.equals(pipe["lstm"].recipe_.to_frame())


def test_the_seed_determines_the_report(bayes, parts):
    first, second, other = (
        evaluate(bayes, *parts[2:], random_state=seed) for seed in (0, 0, 1)
    )
    assert str(first) == str(second) != str(other)
    assert first._repr_html_() == second._repr_html_()


def test_the_container_does_not_matter(bayes, parts, as_container):
    X, y = parts[2:]
    shown = str(evaluate(bayes, as_container(list(X[:40])), y[:40], random_state=0))
    assert shown == str(evaluate(bayes, X[:40], y[:40], random_state=0))


def test_a_search_is_scored_by_its_best_estimator(bayes, parts):
    search = GridSearchCV(bayes, {"multinomialnb__alpha": [0.5]}, cv=2).fit(*parts[:2])
    report = evaluate(search, *parts[2:], random_state=0)
    best = evaluate(search.best_estimator_, *parts[2:], random_state=0)
    assert str(report) == str(best)


def test_seen_texts_are_found_without_case_and_white_space():
    X, y = _make_data([(1, 1), (2, 1), (3, 3), (4, 4)])
    X_train = [X[0].upper().replace(" ", "\n "), X[2], "other", "another"]
    report = evaluate(
        Parrot().fit(), X, y, X_train=X_train, y_train=[1, 2, 1, 2], random_state=0
    )
    assert report.n_seen == 2
    assert any("2 reviews (50.0%) are in the training data" in n for n in report.notes)
    assert _score(report, "accuracy", "seen in training", "seen").value == 1
    assert _score(report, "accuracy", "seen in training", "not seen").value == 0.5


def test_repeated_texts_are_counted():
    report = evaluate(Parrot().fit(), ["1 a", "1  A", "2 b", "1 a"], [1, 1, 2, 1])
    assert report.n_repeated == 2
    assert report.n_seen is None
    assert "2 reviews repeat another test review" in report.notes[-1]


def test_unknown_labels_are_errors_and_listed():
    X, y = _make_data([(1, 1), (2, 2), (9, 5), (0, 1)])
    with pytest.warns(UserWarning, match=r"2 reviews have labels .*: 0, 9\."):
        report = evaluate(Parrot().fit(), X, y, random_state=0)
    assert _score(report, "accuracy").value == 0.5
    assert _score(report, "mean_absolute_error").value == 5 / 4
    assert _score(report, "recall", "label", 9).value == 0
    assert np.isfinite(_score(report, "log_loss").value)
    assert "0, 9" in str(report) and "0, 9" in report._repr_html_()
    assert report.to_dict()["labels"] == [0, 1, 2, 3, 4, 5, 9]


def test_a_label_without_test_reviews_has_no_scores():
    X, y = _make_data([(1, 1), (5, 5), (5, 3)])
    report = evaluate(Parrot().fit(), X, y, random_state=0)
    groups = report.to_frame().query("section == 'label'")["group"].unique()
    assert groups.tolist() == [1, 5]
    assert "No test review has these labels: 2, 3, 4." in report.notes
    # The wrong prediction 3 lowers the macro average, as in scikit-learn.
    macro = _reference_scores(y, [1, 5, 3], [1, 3, 5])["macro_f1"]
    assert _score(report, "macro_f1").value == pytest.approx(macro)


def test_a_single_label_in_the_test_data_is_scored():
    report = evaluate(Parrot().fit(), ["5 a", "5 b"], [5, 5], random_state=0)
    assert _score(report, "accuracy").value == 1
    assert np.isnan(_score(report, "quadratic_weighted_kappa").value)
    kappa = next(s for s in str(report).split("\n") if s.startswith("quadratic"))
    assert kappa.split()[-1] == "-"
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_single_review_is_scored():
    report = evaluate(Parrot().fit(), ["5"], [4], random_state=0)
    assert _score(report, "mean_absolute_error").value == 1
    assert _score(report, "accuracy", "length", "1 words").n_samples == 1


def test_texts_of_oov_words_are_scored(pipe):
    X = ["xyzzy plugh", "quux", "frobozz grue", ""]
    report = evaluate(pipe, X, [1, 2, 3, 5], random_state=0)
    assert _score(report, "accuracy", "OOV words", "over 20%").n_samples == 4


def test_string_labels_have_no_ordinal_scores(parts):
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


def test_without_predict_proba_there_is_no_log_loss_and_calibration(parts):
    X_train, y_train, X, y = parts
    svm = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(X_train, y_train)
    report = evaluate(svm, X, y, random_state=0)
    assert {"log_loss", "expected_calibration_error"}.isdisjoint(report.scores["score"])
    assert report.calibration is None and report.errors is None
    assert any("no predict_proba" in note for note in report.notes)
    assert "OOV words" not in set(report.scores["section"])
    assert "<img" in report._repr_html_()


def test_two_training_texts_have_a_tfidf_baseline():
    X, y = _make_data([(1, 1), (5, 5)])
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
def test_the_report_notes_a_missing_tfidf_baseline(X_train, y_train, note):
    X, y = _make_data([(1, 1), (5, 5)])
    report = evaluate(Parrot().fit(), X, y, X_train=X_train, y_train=y_train)
    assert "TF-IDF" not in set(report.scores["group"])
    assert any(note in text for text in report.notes)


def test_baselines_are_optional(bayes, parts):
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
def test_invalid_input_is_refused_with_a_remedy(estimator, X, y, more, message):
    with pytest.raises(ValueError, match=message):
        evaluate(estimator, X, y, **more)


@pytest.mark.parametrize(
    "estimator", [make_review_pipeline(), DummyClassifier()], ids=["ours", "theirs"]
)
def test_an_unfitted_estimator_is_refused(estimator):
    with pytest.raises(NotFittedError):
        evaluate(estimator, ["a"], [1])


def test_the_report_as_a_dict_is_json(report):
    kept = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert kept["n_samples"] == 200
    assert np.sum(kept["confusion"]) == 200
    assert len(kept["scores"]) == len(report.to_frame())
    assert sum(row["n_samples"] for row in kept["calibration"]) == 200


def test_errors_are_sorted_by_confidence(report, bayes, parts):
    X, y = parts[2:]
    errors = report.errors
    assert errors["confidence"].is_monotonic_decreasing
    assert np.array_equal(X[errors["row"]], errors["text"])
    assert np.array_equal(y[errors["row"]], errors["true"])
    wrong = bayes.predict(X) != y
    assert errors["confidence"][0] == bayes.predict_proba(X)[wrong].max()


def test_the_text_has_all_tables(report):
    shown = str(report)
    for part in (
        "Scores\n",
        "Difference to baselines",
        "Scores by label",
        "Scores by length",
        "TF-IDF",
        "median",
        "log loss",
        "Confusion matrix (rows: true, columns: predicted)",
    ):
        assert part in shown
    assert repr(report).startswith("<ReviewReport of 200 reviews: accuracy 0.")


def test_the_page_escapes_texts_and_labels(tmp_path):
    label = f"<b>$bad$ {SCRIPT}"
    X = [f"good {SCRIPT} {i}" for i in range(3)]
    parrot = DummyClassifier(strategy="prior").fit(X, [label, "good", "good"])
    report = evaluate(parrot, X, [label] * 3, X_train=X, y_train=[label] * 3)
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (page, report._repr_html_()):
        assert not re.search(r"<(script|img src=x|b>\$)", text)
        assert "&lt;script&gt;alert(&#39;gotcha&#39;)&lt;/script&gt;" in text
    assert SCRIPT in str(report)


def test_the_page_has_no_external_resources(report, tmp_path):
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'\s>]*)""", page)
    assert sources and all(
        source.startswith("data:image/svg+xml") for source in sources
    )
    assert "default-src 'none'" in page and "<script" not in page


def test_the_page_has_all_sections_and_the_recipe(pipe, parts, tmp_path):
    X_train, y_train, X, y = parts
    report = evaluate(pipe, X, y, X_train=X_train, y_train=y_train, random_state=0)
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert titles == [
        *report.tables(),
        "Confusion matrix",
        "Label distribution",
        "Calibration",
        "Training",
        "Recipe",
        "Most confident errors",
    ]
    for name, value, why in report.recipe.astype(str).itertuples(index=False):
        row = (
            f'<th scope="row">{name}</th><td>{escape(value)}</td><td>{escape(why)}</td>'
        )
        assert row in page
    (style,) = re.findall("<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page


def test_control_characters_are_visible_in_pages():
    X = ["a \x1b[2J\u202etext", "b"]
    model = DummyClassifier(strategy="prior").fit([*X, "c"], ["\x1b good"] * 2 + ["x"])
    page = evaluate(model, X, ["x", "x"])._repr_html_()
    assert "\x1b" not in page and "\u202e" not in page
    assert "a \ufffd[2J\ufffdtext" in page and r"\x1b good" in page


def test_the_page_is_written_atomically(report, tmp_path, monkeypatch):
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


def test_the_page_leaves_no_figure_open(report):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    report._repr_html_()
    assert plt.get_fignums() == before
    assert isinstance(report, ReviewReport)
