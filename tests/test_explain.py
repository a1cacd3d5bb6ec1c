"""explain: attributions, their alignment with words, and their display."""

import io
import itertools
import sys
import warnings
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skreviews import (
    LSTMClassifier,
    NgramClassifier,
    SequenceVectorizer,
    TextCleaner,
    explain,
    make_review_pipeline,
)
from skreviews.inspection import _attribution

SMALL = {"embedding_dim": 8, "hidden_size": 6, "max_epochs": 2, "random_state": 0}
TEXTS = [
    "I love it, love it: it never crashes!",
    "Crashes. <br />Refund NOW, please",
    "Fine",
]


@pytest.fixture(scope="module")
def pipe(fitted_pipe):
    return fitted_pipe


@pytest.fixture(scope="module")
def fit_pipe(make_small_pipeline, reviews):
    """A function that fits a small pipeline on 60 reviews."""

    def fit(**params):
        return make_small_pipeline(**params).fit(reviews[0][:60], reviews[1][:60])

    return fit


def score_by_hand(pipe, texts, code):
    """The target's log-probability minus the mean of the others, in float64."""
    logs = np.log(pipe.predict_proba(texts).astype(np.float64))
    return logs[:, code] - np.delete(logs, code, axis=1).mean(1)


# ---- Sums of the attributions

ARCHITECTURES = [
    {"lstm__cell": cell, "lstm__pooling": pooling}
    for cell, pooling in itertools.product(
        ["lstm", "gru"], ["last", "mean", "max", "mean_max", "attention"]
    )
]
ARCHITECTURES += [
    {"lstm__num_layers": 2},
    {"lstm__bidirectional": False},
    {"lstm__max_len": 4},
    {"lstm__ngrams": None},
    {"lstm__ngram_weight": 0.9},
    # Four buckets, so that most n-grams collide.
    {"lstm__ngrams__ngram_range": (1, 3), "lstm__ngrams__n_buckets": 4},
    {"lstm__ngrams__ngram_range": (2, 2)},
]


@pytest.mark.parametrize("params", ARCHITECTURES, ids=str)
def test_attributions_and_baseline_sum_to_the_score(params, fit_pipe):
    pipe = fit_pipe(**params)
    explanation = explain(pipe, TEXTS, target=5)
    summary = explanation.summary
    words = explanation.to_frame().groupby("text")["attribution"].sum()
    np.testing.assert_allclose(summary["score"], score_by_hand(pipe, TEXTS, 4), 1e-3)
    difference = (summary["score"] - summary["baseline"]).abs()
    error = (summary["baseline"] + words - summary["score"]).abs()
    assert (error <= 0.02 * difference + 0.002).all()
    np.testing.assert_allclose(error, summary["error"].abs(), atol=1e-5)


def test_ngram_attributions_are_the_weights_of_the_words(fit_pipe):
    # With unigrams, the part of a word is its own weight.
    pipe = fit_pipe(lstm__ngrams=NgramClassifier(ngram_range=(1, 1)))
    with torch.no_grad():
        pipe["lstm"].net_.module_.head.weight.zero_()
    frame = explain(pipe, ["love this app"], target=5).to_frame()
    assert (frame["lstm"] == 0).all()
    classifier = pipe["lstm"]
    weights = classifier.ngrams_.weights_.astype(np.float64)
    (row,) = np.asarray(pipe[:-1].transform(["love this app"]))
    rows = weights[row[row != 0]]
    contrast = rows[:, 4] - np.delete(rows, 4, axis=1).mean(1)
    # A text of 3 words is divided by a quarter of the square root of 3.
    expected = classifier.recipe_.ngram_weight * contrast / (np.sqrt(3) / 4)
    np.testing.assert_allclose(frame["ngrams"], expected, rtol=1e-5)


def test_tokens_beyond_max_len_have_the_ngram_part_only(fit_pipe):
    pipe = fit_pipe(lstm__max_len=4)
    frame = explain(pipe, ["love this app it is a good app"], target=5).to_frame()
    is_used = np.array([True, False, False, False, False, True, True, True])
    assert (frame["lstm"][~is_used] == 0).all()
    assert (frame["lstm"][is_used] != 0).all()


def test_steps_are_halved_until_the_sum_is_complete(pipe, monkeypatch):
    monkeypatch.setattr(_attribution, "_FIRST_STEPS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no incomplete sum
        coarse = explain(pipe, TEXTS).summary
    assert coarse["n_steps"].max() > 1
    assert (coarse["error"].abs() <= 0.01 * coarse["score"].abs() + 0.02).all()


def test_an_incomplete_sum_is_a_warning_with_its_error(pipe, monkeypatch):
    monkeypatch.setattr(_attribution, "_FIRST_STEPS", 1)
    monkeypatch.setattr(_attribution, "_MOST_STEPS", 1)
    monkeypatch.setattr(_attribution, "_TOLERANCE", 0)
    monkeypatch.setattr(_attribution, "_SMALLEST_ERROR", 0)
    with pytest.warns(UserWarning, match=r"text 0 miss its score of .* by -?0\.\d+"):
        explain(pipe, TEXTS[:1])


def test_a_long_review_is_differentiated_in_parts(pipe, monkeypatch):
    whole = explain(pipe, TEXTS[:1]).to_frame()
    monkeypatch.setattr(_attribution, "_MAX_TOKENS", 20)
    parts = explain(pipe, TEXTS[:1]).to_frame()
    np.testing.assert_allclose(
        whole["attribution"], parts["attribution"], atol=1e-5, equal_nan=True
    )


@pytest.mark.parametrize("ngrams", [NgramClassifier(), None], ids=["both", "LSTM"])
def test_two_classes_have_opposite_attributions(ngrams, make_small_pipeline, reviews):
    X, y = reviews
    pipe = make_small_pipeline(lstm__ngrams=ngrams).fit(X, np.where(y > 3, "yes", "no"))
    yes, no = (explain(pipe, TEXTS, target=target) for target in ("yes", "no"))
    np.testing.assert_allclose(
        yes.summary["score"], score_by_hand(pipe, TEXTS, 1), 1e-3
    )
    np.testing.assert_allclose(
        yes.to_frame()["attribution"], -no.to_frame()["attribution"], atol=1e-5
    )


def test_the_default_target_is_the_predicted_label(pipe, reviews):
    X = reviews[0][:30]
    pipe.set_params(lstm__decision="median")
    try:
        summary = explain(pipe, X).summary
        predicted = pipe.predict(X)
    finally:
        pipe.set_params(lstm__decision="mode")
    assert np.array_equal(summary["target"], predicted)
    proba = pipe.predict_proba(X)
    expected = proba[np.arange(len(X)), summary["target"] - 1]
    np.testing.assert_allclose(summary["probability"], expected, atol=1e-6)


# ---- No side effects


@pytest.mark.parametrize("training", [True, False])
def test_weights_modes_and_random_states_do_not_change(pipe, training):
    module = pipe["lstm"].net_.module_
    module.train(training)
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    module.zero_grad()
    random_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    settings = torch.get_num_threads(), torch.backends.cudnn.enabled
    with torch.inference_mode():
        explain(pipe, TEXTS)
    assert module.training == training
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in before)
    assert all(weight.grad is None for weight in module.parameters())
    assert torch.equal(torch.get_rng_state(), random_state[0])
    assert np.array_equal(np.random.get_state()[1], random_state[1])
    assert settings == (torch.get_num_threads(), torch.backends.cudnn.enabled)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_cpu_and_gpu_agree(cell, fit_pipe):
    pipe = fit_pipe(lstm__cell=cell)
    on_cpu = explain(pipe, TEXTS, target=5).to_frame()
    on_gpu = explain(pipe.set_params(lstm__device="cuda"), TEXTS, target=5).to_frame()
    np.testing.assert_allclose(
        on_cpu["attribution"], on_gpu["attribution"], atol=0.01, equal_nan=True
    )


# ---- Words of the raw text

RAW = (
    "  Soooo GOOD &amp; fast!<br />Don't <a href='x y'>miss</a> it:\n"
    "https://a.example/good 5/5 stars, it's 👍🏽👍 — won’t crash... <!-- good app -->"
    " <b class='it'> it GOOD\u00a0app &lt;br&gt;\tcafé\u3000naïve"
)
CLEANERS = {
    "default": {},
    "keep": {"urls": "keep", "digits": "keep", "punctuation": "keep"},
    "token": {"urls": "token", "digits": "token", "emoji": "words"},
    "separate": {"punctuation": "separate", "strip_html": False, "lowercase": False},
    "contractions": {"expand_contractions": True, "emoji": "drop"},
    "no squeezing": {"squeeze_repeats": False, "punctuation": "separate"},
    "stop words": {"stop_words": "english", "stemmer": "porter"},
    "stems": {"stemmer": "snowball", "keep_negations": False, "stop_words": ["not"]},
    "lancaster": {"stemmer": "lancaster", "strip_html": False},
}


@pytest.mark.parametrize("options", CLEANERS.values(), ids=CLEANERS)
def test_words_are_pieces_of_the_raw_text_with_their_own_tokens(
    options, make_small_pipeline, reviews
):
    params = {f"clean__{name}": value for name, value in options.items()}
    pipe = make_small_pipeline(**params)
    pipe.fit([*reviews[0][:30], RAW], [*reviews[1][:30], 5])
    frame = explain(pipe, [RAW]).to_frame()
    for word, start, stop in frame[["word", "start", "stop"]].itertuples(index=False):
        assert RAW[start:stop] == word and word.strip() == word
    assert (frame["start"].to_numpy()[1:] >= frame["stop"].to_numpy()[:-1]).all()
    between = np.ones(len(RAW), dtype=bool)
    for start, stop in zip(frame["start"], frame["stop"], strict=True):
        between[start:stop] = False
    assert "".join(np.array(list(RAW))[between]).strip() == ""
    # The words, cleaned separately, have the tokens of the text.
    alone = [pipe["clean"].transform([word])[0].split() for word in frame["word"]]
    assert sum(alone, []) == pipe["clean"].transform([RAW])[0].split()
    codes, offsets, stems = pipe["vectorize"]._split(
        pa.array(list(map(" ".join, alone)), pa.large_string())
    )
    names = np.array(stems.to_pylist(), dtype=object)[codes]
    vocabulary = pipe["vectorize"].vocabulary_
    names = [name if name in vocabulary else "<unk>" for name in names]
    of_words = [" ".join(names[i:j]) for i, j in itertools.pairwise(offsets.tolist())]
    assert of_words == frame["tokens"].tolist()


def test_markup_that_the_cleaner_removes_is_one_word_without_attribution(pipe):
    text = "Good <a href='good app'>love</a> <!-- love it --> app"
    frame = explain(pipe, [text]).to_frame().set_index("word")
    assert frame["tokens"].to_dict() == {
        "Good": "good" if "good" in pipe["vectorize"].vocabulary_ else "<unk>",
        "<a href='good app'>": "",
        "love": "love",
        "</a>": "",
        "<!-- love it -->": "",
        "app": "app",
    }
    assert frame["attribution"].isna().equals(frame["tokens"] == "")


def test_words_that_the_cleaner_joins_are_one_word():
    def join(texts):
        return [text.replace("customer service", "customer_service") for text in texts]

    small = LSTMClassifier(**SMALL)
    pipe = Pipeline(
        [
            ("join", FunctionTransformer(join)),
            ("ids", SequenceVectorizer()),
            ("net", small),
        ]
    ).fit(["poor customer service", "good app"] * 9, [1, 5] * 9)
    frame = explain(pipe, ["very poor customer service here"]).to_frame()
    assert frame["word"].tolist() == ["very", "poor", "customer service", "here"]
    assert frame["tokens"].tolist() == ["<unk>", "poor", "customer_service", "<unk>"]


def test_a_text_whose_words_the_cleaner_reorders_is_one_word():
    def reverse(texts):
        return [" ".join(reversed(text.split())) for text in texts]

    steps = [
        FunctionTransformer(reverse),
        SequenceVectorizer(),
        LSTMClassifier(**SMALL),
    ]
    pipe = make_pipeline(*steps).fit(["good app", "bad app"] * 9, [5, 1] * 9)
    frame = explain(pipe, ["a good app"]).to_frame()
    assert frame["word"].tolist() == ["a good app"]
    assert frame["attribution"].notna().all()


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [("head", [0, 1, 2, 3]), ("tail", [6, 7, 8, 9]), ("head_tail", [0, 7, 8, 9])],
)
def test_truncated_words_have_no_attribution(truncation, kept, fit_pipe):
    params = {"vectorize__max_len": 4, "vectorize__truncation": truncation}
    pipe = fit_pipe(**params)
    text = "one two three four five six seven eight nine ten"
    frame = explain(pipe, [text]).to_frame()
    assert np.flatnonzero(frame["attribution"].notna()).tolist() == kept


def test_step_names_tokenizer_and_cleaner_are_free():
    vectorizer = SequenceVectorizer(tokenizer=lambda text: text.split(","))
    pipe = Pipeline([("words", vectorizer), ("net", LSTMClassifier(**SMALL))])
    pipe.fit(["love it,great", "crashes,always"] * 9, [5, 1] * 9)
    frame = explain(pipe, ["love it,always again"]).to_frame()
    assert frame["word"].tolist() == ["love it,always again"]
    assert frame["tokens"].tolist() == ["love it <unk>"]


def test_the_container_does_not_matter(pipe, as_container):
    expected = explain(pipe, TEXTS * 2).to_frame()
    assert explain(pipe, as_container(TEXTS * 2)).to_frame().equals(expected)


def test_a_search_is_explained_by_its_best_pipeline(pipe, reviews):
    X, y = (part[:100] for part in reviews)
    search = GridSearchCV(pipe, {"lstm__lr": [0.05]}, cv=2).fit(X, y)
    found = explain(search, TEXTS).to_frame()
    assert found.equals(explain(search.best_estimator_, TEXTS).to_frame())


def test_the_word_table_has_counts_and_means_by_target(pipe):
    explanation = explain(pipe, ["love it", "Love THIS", "love zzz"], target=5)
    table = explanation.word_table()
    assert table["target"].unique().tolist() == [5]
    assert dict(zip(table["word"], table["count"], strict=True))["love"] == 3
    frame = explanation.to_frame()
    means = frame.groupby("tokens")["attribution"].mean()
    np.testing.assert_allclose(table["mean"], means[table["word"]], atol=1e-6)
    assert table["mean"].is_monotonic_decreasing
    assert explanation.word_table(min_count=2)["word"].tolist() == ["love"]
    assert "<unk>" in table["word"].tolist()


def test_the_word_table_is_sorted_by_label_and_mean(pipe, reviews):
    table = explain(pipe, reviews[0][:40]).word_table()
    assert table["target"].is_monotonic_increasing
    for _, part in table.groupby("target"):
        assert part["mean"].is_monotonic_decreasing


# ---- Display


class Page(HTMLParser):
    """Text, tags and attributes of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.attrs = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attrs += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


HOSTILE = "<script>alert(1)</script> \"love' <img src=x onerror=alert(2)> &lt; \x1b[2J"


def test_html_escapes_the_text_and_has_no_scripts(pipe, tmp_path):
    explanation = explain(pipe, [HOSTILE, "love it"])
    page = Page(explanation._repr_html_())
    assert page.tags == {"div", "p", "small", "b", "span"}
    assert set(page.attrs) <= {"style", "title", "dir"}
    assert HOSTILE.replace("\x1b", "\ufffd") in "".join(page.text)
    explanation.save_html(tmp_path / "page.html")
    whole = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in whole and "http://" not in whole
    assert not Page(whole).tags & {"script", "img", "link", "iframe"}
    assert explanation._repr_html_() in whole


def test_words_against_the_target_are_underlined(pipe):
    explanation = explain(pipe, ["love it but it crashes"], target=5)
    frame = explanation.to_frame()
    page = explanation._repr_html_()
    for word, value in zip(frame["word"], frame["attribution"], strict=True):
        (style,) = [
            part.partition(">")[0]
            for part in page.split("<span ")
            if part.partition(">")[2].startswith(f"{word}</span>")
            and f"{value:+.3f}" in part
        ][:1]
        assert ("underline" in style) == (value < 0)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colours_need_a_terminal_and_no_NO_COLOR(pipe, monkeypatch):
    explanation = explain(pipe, [HOSTILE])
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain = str(explanation)
    assert "\x1b" not in plain and "<script>alert(1)</script>" in plain
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert "\x1b[" in str(explanation) and "\x1b[2J" not in str(explanation)
    monkeypatch.setenv("NO_COLOR", "1")
    assert str(explanation) == plain


def test_str_names_target_probability_and_strongest_words(pipe):
    explanation = explain(pipe, ["love it"], target=1)
    shown = str(explanation)
    probability = explanation.summary["probability"][0]
    assert shown.startswith(f"1 (probability {probability:.2f}), but 5 is predicted")
    assert "against:" in shown and "love -" in shown


def test_at_most_twenty_texts_are_shown(pipe, tmp_path):
    explanation = explain(pipe, ["love it"] * 25)
    assert str(explanation).count("probability") == 20
    assert explanation._repr_html_().count("probability") == 20
    explanation.save_html(tmp_path / "all.html")
    assert (tmp_path / "all.html").read_text().count("probability") == 25


# ---- Invalid input


def test_an_unfitted_pipeline_is_refused():
    with pytest.raises(NotFittedError):
        explain(make_review_pipeline(), TEXTS)


@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(TfidfVectorizer(), LogisticRegression()), LSTMClassifier(), None],
)
def test_an_estimator_without_an_lstm_is_refused(estimator):
    with pytest.raises(TypeError, match="SequenceVectorizer and an LSTMClassifier"):
        explain(estimator, TEXTS)


@pytest.mark.parametrize("target", [6, "5", [5], np.nan])
def test_an_unknown_target_is_refused(pipe, target):
    with pytest.raises(ValueError, match=r"target=.* classes \[1, 2, 3, 4, 5\]"):
        explain(pipe, TEXTS, target=target)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "X is empty"),
        ("love it", "single str"),
        (["love it", None], r"X\[1\] is None"),
        (["love it", 5], r"X\[1\] is 5"),
    ],
)
def test_invalid_texts_are_refused(pipe, texts, message):
    with pytest.raises(ValueError, match=message):
        explain(pipe, texts)


def test_a_missing_text_that_the_cleaner_accepts_has_no_words(fit_pipe):
    pipe = fit_pipe(clean__missing="empty")
    explanation = explain(pipe, [None, "love it"])
    assert explanation.texts == ["", "love it"]
    assert set(explanation.to_frame()["text"]) == {1}


@pytest.mark.parametrize(
    "text", ["", "   ", "!!!", "www.x.y", "zzzz", "zzzz qqqq", "Love"]
)
def test_texts_with_few_or_no_tokens_are_explained(pipe, text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explanation = explain(pipe, [text])
    frame = explanation.to_frame()
    assert frame["word"].tolist() == text.split()
    assert text in str(explanation)
    (row,) = explanation.summary.itertuples()
    assert row.score == pytest.approx(
        row.baseline + frame["attribution"].sum() - row.error, abs=1e-5
    )
    assert frame["attribution"].notna().equals(frame["tokens"] != "")


def test_any_cleaner_is_aligned():
    class Shouting(TextCleaner):
        def transform(self, X):
            return np.array([text.upper() for text in super().transform(X)], object)

    steps = [Shouting(), SequenceVectorizer(), LSTMClassifier(**SMALL)]
    pipe = make_pipeline(*steps).fit(["good app", "bad app"] * 9, [5, 1] * 9)
    frame = explain(pipe, ["A good<br />app!"]).to_frame()
    assert frame["tokens"].tolist() == ["<unk>", "GOOD", "", "APP"]
