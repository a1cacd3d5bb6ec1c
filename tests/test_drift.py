"""drift_report: differences between new reviews and a reference."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skreviews import drift_report, make_review_pipeline, make_reviews

OOV, LENGTH = "OOV words, share", "words per review"
MEAN, VARIATION = "predicted labels, mean", "predicted labels, total variation"


@pytest.fixture(scope="module")
def pipe(make_small_pipeline):
    """A pipeline that separates good from bad reviews."""
    pipe = make_small_pipeline(lstm__max_epochs=6, lstm__ngrams__n_buckets=4096)
    return pipe.fit(*make_reviews(400, random_state=0))


@pytest.fixture(scope="module")
def others():
    return make_reviews(400, random_state=1)


def report(pipe, X, X_new, **params):
    params = {"n_bootstrap": 200, "random_state": 0} | params
    return drift_report(pipe, X, X_new, **params)


def test_measures_are_those_of_the_pipeline(pipe, others):
    X, y = others
    old, new = X[:150], X[150:]
    table = report(pipe, old, new).to_frame()
    clean, vectorize = pipe["clean"], pipe["vectorize"]
    for column, texts in (("reference", old), ("new", new)):
        cleaned = clean.transform(texts)
        measured = table[column]
        assert measured[OOV] == pytest.approx(vectorize.oov_rate(cleaned))
        lengths = [len(text.split()) for text in cleaned]
        assert measured[LENGTH] == pytest.approx(np.mean(lengths))
        predicted = pipe.predict(texts)
        assert measured[MEAN] == pytest.approx(predicted.mean())
        shares = [measured[f"predicted {stars}, share"] for stars in (1, 2, 3, 4, 5)]
        np.testing.assert_allclose(
            shares, np.bincount(predicted, minlength=6)[1:] / len(texts)
        )
    assert (
        table["difference"]
        .drop(VARIATION)
        .equals((table["new"] - table["reference"]).drop(VARIATION))
    )
    shares = [f"predicted {stars}, share" for stars in (1, 2, 3, 4, 5)]
    variation = table.loc[shares, "difference"].abs().sum() / 2
    assert table.loc[VARIATION, "difference"] == pytest.approx(variation)


def test_intervals_contain_zero_without_drift(pipe, others):
    X, _ = others
    table = report(pipe, X[::2], X[1::2]).to_frame()
    held = (table["low"] <= 0) & (table["high"] >= 0)
    assert held.drop(VARIATION).mean() >= 0.8
    row = table.loc[VARIATION]
    assert row["difference"] < 2 * row["by_chance"]


def test_drift_is_significant_in_all_measures(pipe, others):
    X, y = others
    bad = [f"{text} zzzz qqqq" for text, stars in zip(X, y, strict=True) if stars < 3]
    table = report(pipe, X, bad).to_frame()
    assert table.loc[OOV, "low"] > 0 and table.loc[LENGTH, "low"] > 0
    assert table.loc[MEAN, "high"] < 0
    assert table.loc[VARIATION, "low"] > table.loc[VARIATION, "by_chance"]


def test_the_width_of_an_interval_follows_from_the_standard_error(pipe, others):
    X, _ = others
    table = report(pipe, X[:200], X[200:], n_bootstrap=2000).to_frame()
    clean = pipe["clean"]
    lengths = [[len(t.split()) for t in clean.transform(x)] for x in (X[:200], X[200:])]
    error = np.sqrt(sum(np.var(part) / len(part) for part in lengths))
    width = table.loc[LENGTH, "high"] - table.loc[LENGTH, "low"]
    assert width == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_more_frequent_words_are_sorted_by_their_lower_bound(pipe, others):
    X, _ = others
    new = [f"{text} chatbot" for text in X[:200]]
    new[:40] = [f"{text} refund refund" for text in new[:40]]
    words = report(pipe, X[200:], new).words
    assert words["word"][0] == "chatbot"
    row = words.set_index("word").loc["chatbot"]
    assert row["reference"] == 0 and row["new"] == 1 and not row["is_known"]
    assert (words["low"] > 0).all() and words["low"].is_monotonic_decreasing
    assert (words["high"] > words["log_odds"]).all()
    assert (words["log_odds"] > words["low"]).all()
    known = pipe["vectorize"].vocabulary_
    assert words["is_known"].tolist() == [word in known for word in words["word"]]


def test_a_word_repeated_in_one_review_is_not_listed(pipe, others):
    X, _ = others
    new = [*X[:199], "zzzz " * 500]
    assert "zzzz" not in report(pipe, X[200:], new).words["word"].tolist()


def test_log_odds_have_a_prior(pipe):
    old = ["bad app"] * 90 + ["good app"] * 10
    new = ["good app"] * 50 + ["bad app"] * 50
    row = report(pipe, old, new).words.set_index("word").loc["good"]
    prior = 10 * 60 / 200
    odds = [(n + prior) / (100 - n + 10 - prior) for n in (10, 50)]
    assert row["log_odds"] == pytest.approx(np.log(odds[1] / odds[0]))
    error = sum(1 / (n + prior) + 1 / (100 - n + 10 - prior) for n in (10, 50))
    assert row["low"] == pytest.approx(row["log_odds"] - 1.96 * np.sqrt(error))


def test_results_are_reproducible_and_keep_the_random_state(pipe, others):
    X, _ = others
    before = np.random.get_state()[1].copy()
    once, again = (report(pipe, X[:100], X[100:]).to_frame() for _ in range(2))
    assert once.equals(again)
    assert np.array_equal(np.random.get_state()[1], before)


def test_string_labels_have_no_mean(reviews, make_small_pipeline):
    X, y = reviews
    pipe = make_small_pipeline().fit(X, np.where(y > 3, "good", "bad"))
    names = report(pipe, X, X[:50]).to_frame().index.tolist()
    assert names == [
        OOV,
        LENGTH,
        "predicted bad, share",
        "predicted good, share",
        VARIATION,
    ]


def test_str_has_both_tables_and_no_control_characters(pipe, others):
    X, _ = others
    shown = str(report(pipe, X, [f"{text} zz\x1b[2Jzz" for text in X], n_words=1))
    assert shown.startswith("400 new reviews, 400 in the reference")
    assert OOV in shown and "zz" in shown and "\x1b" not in shown


@pytest.mark.parametrize("text", ["", "!!!", "love", "zzzz"])
def test_a_review_with_few_or_no_tokens_is_compared(pipe, others, text):
    result = report(pipe, others[0], [text])
    assert np.isfinite(result.measures["difference"]).all()
    assert isinstance(str(result), str)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"X": []}, "X is empty"),
        ({"X_new": ["a", None]}, r"X\[1\] is None"),
        ({"X_new": "love it"}, "single str"),
        ({"n_bootstrap": 1}, "n_bootstrap"),
        ({"n_words": -1}, "n_words"),
    ],
)
def test_invalid_input_is_refused(pipe, params, message):
    with pytest.raises(ValueError, match=message):
        report(pipe, **({"X": ["a"], "X_new": ["b"]} | params))


def test_unfitted_pipelines_and_those_without_an_lstm_are_refused(pipe):
    with pytest.raises(NotFittedError):
        drift_report(make_review_pipeline(), ["a"], ["b"])
    with pytest.raises(TypeError, match="LSTMClassifier"):
        drift_report(
            make_pipeline(CountVectorizer(), LogisticRegression()), ["a"], ["b"]
        )
