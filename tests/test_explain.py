"""Explanations: what they sum to, whose words they name, and how they look."""

import io
import itertools
import sys
import warnings
from html.parser import HTMLParser

import numpy as np
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
    SequenceVectorizer,
    TextCleaner,
    explain,
    make_review_pipeline,
)
from skreviews.inspection import _attribution
from skreviews.neural_network import LSTMModule

SMALL = {"embedding_dim": 8, "hidden_size": 6, "max_epochs": 2, "random_state": 0}
TEXTS = [
    "I love it, love it: it never crashes!",
    "Crashes. <br />Refund NOW, please",
    "Fine",
]


def make_pipe(**params):
    small = {f"lstm__{name}": value for name, value in SMALL.items()}
    small |= {"lstm__device": "cpu", "lstm__lr": 0.05}
    return make_review_pipeline(**(small | params))


@pytest.fixture(scope="module")
def pipe(reviews):
    return make_pipe().fit(*reviews)


def score_by_hand(pipe, texts, code):
    """The target's log-probability less the mean of the others', in float64."""
    logs = np.log(pipe.predict_proba(texts).astype(np.float64))
    return logs[:, code] - np.delete(logs, code, axis=1).mean(1)


# ---- What they sum to

ARCHITECTURES = [
    {"cell": cell, "pooling": pooling}
    for cell, pooling in itertools.product(
        ["lstm", "gru"], ["last", "mean", "max", "mean_max", "attention"]
    )
]
ARCHITECTURES += [
    {"num_layers": 2},
    {"bidirectional": False},
    {"ngram_range": None},
    {"ngram_range": (1, 3), "ngram_buckets": 4},  # where most n-grams meet others
    {"ngram_range": (2, 2)},
    {"segment_len": 3},
    {"num_layers": 2, "segment_len": 2, "pooling": "last"},
]


@pytest.mark.parametrize("params", ARCHITECTURES, ids=str)
def test_words_and_baseline_sum_to_the_score_of_any_network(params, reviews):
    pipe = make_pipe(**{f"lstm__{name}": value for name, value in params.items()})
    pipe.fit(*reviews)
    explanation = explain(pipe, TEXTS, target=5)
    summary = explanation.summary
    words = explanation.to_frame().groupby("text")["attribution"].sum()
    np.testing.assert_allclose(summary["score"], score_by_hand(pipe, TEXTS, 4), 1e-3)
    difference = (summary["score"] - summary["baseline"]).abs()
    error = (summary["baseline"] + words - summary["score"]).abs()
    assert (error <= 0.02 * difference + 0.002).all()
    np.testing.assert_allclose(error, summary["error"].abs(), atol=1e-5)


def test_the_share_of_the_ngrams_is_exact(pipe, reviews):
    module = pipe["lstm"].net_.module_
    ids = torch.from_numpy(np.array(pipe[:-1].transform(TEXTS[:1]))).long()
    ids = ids[ids != 0]
    logits = module.wide(ids[None])[0]
    shares = module.wide.share(ids).sum(0) + module.wide.bias
    torch.testing.assert_close(shares, logits)


def test_a_repeated_ngram_counts_once_and_is_shared_among_its_places():
    module = LSTMModule(9, 2, ngram_range=(1, 2), ngram_buckets=997)
    with torch.no_grad():
        module.wide.weight[7, 0] = 6.0
    shares = module.wide.share(torch.tensor([7, 3, 7, 4]))
    assert shares[:, 0].tolist() == [6.0, 0, 6.0, 0]  # half of 6, over sqrt(4) / 4


def test_of_a_linear_network_they_are_what_a_word_takes_with_it(reviews):
    # Without the LSTM's part, the n-grams' is what removing a word changes.
    params = {"lstm__ngram_range": (1, 1), "lstm__hidden_size": 1}
    pipe = make_pipe(**params).fit(*reviews)
    with torch.no_grad():
        pipe["lstm"].net_.module_.head.weight.zero_()
    frame = explain(pipe, ["love this app"], target=5).to_frame()
    assert (frame["lstm"] == 0).all()
    weights = pipe["lstm"].net_.module_.wide.weight.detach().double().numpy()
    vocabulary = pipe["vectorize"].vocabulary_
    rows = weights[[vocabulary.get(word, 1) for word in frame["word"]]]
    contrast = rows[:, 4] - np.delete(rows, 4, axis=1).mean(1)
    expected = contrast / (np.sqrt(3) / 4) / 2
    np.testing.assert_allclose(frame["ngrams"], expected, rtol=1e-5)


def test_words_that_the_lstm_does_not_read_have_the_ngrams_part_alone(reviews):
    pipe = make_pipe(lstm__max_tokens=4).fit(*reviews)
    explanation = explain(pipe, ["love this app it is a good app"], target=5)
    frame = explanation.to_frame()
    is_read = np.array([True, False, False, False, False, True, True, True])
    assert (frame["lstm"][~is_read] == 0).all()
    assert (frame["lstm"][is_read] != 0).all()
    (row,) = explanation.summary.to_dict("records")
    found = row["baseline"] + frame["attribution"].sum()
    assert abs(found - row["score"]) <= 0.02 * abs(row["score"]) + 0.002


def test_steps_are_halved_until_the_sum_holds(pipe, monkeypatch):
    monkeypatch.setattr(_attribution, "_FIRST_STEPS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a sum that misses its score
        coarse = explain(pipe, TEXTS).summary
    assert coarse["n_steps"].max() > 1
    assert (coarse["error"].abs() <= 0.01 * coarse["score"].abs() + 0.02).all()


def test_a_sum_that_does_not_hold_is_warned_of_with_its_error(pipe, monkeypatch):
    monkeypatch.setattr(_attribution, "_FIRST_STEPS", 1)
    monkeypatch.setattr(_attribution, "_MOST_STEPS", 1)
    monkeypatch.setattr(_attribution, "_TOLERANCE", 0)
    monkeypatch.setattr(_attribution, "_SMALLEST_ERROR", 0)
    with pytest.warns(UserWarning, match=r"text 0 miss its score of .* by -?0\.\d+"):
        explain(pipe, TEXTS[:1])


def test_the_parts_of_a_long_review_are_the_whole(pipe, monkeypatch):
    whole = explain(pipe, TEXTS[:1]).to_frame()
    monkeypatch.setattr(_attribution, "_PLACES", 20)
    parts = explain(pipe, TEXTS[:1]).to_frame()
    np.testing.assert_allclose(
        whole["attribution"], parts["attribution"], atol=1e-5, equal_nan=True
    )


def test_two_classes_speak_against_each_other(reviews):
    X, y = reviews
    pipe = make_pipe().fit(X, np.where(y > 3, "good", "bad"))
    good = explain(pipe, TEXTS, target="good").to_frame()["attribution"]
    bad = explain(pipe, TEXTS, target="bad").to_frame()["attribution"]
    np.testing.assert_allclose(good, -bad, atol=1e-5)


def test_the_target_is_what_predict_returns(reviews):
    pipe = make_pipe(lstm__decision="median", lstm__max_epochs=1).fit(*reviews)
    X = reviews[0][:60]
    summary = explain(pipe, X).summary
    assert np.array_equal(summary["target"], pipe.predict(X))
    proba = pipe.predict_proba(X)
    expected = proba[np.arange(len(X)), summary["target"] - 1]
    np.testing.assert_allclose(summary["probability"], expected, atol=1e-6)


# ---- Nothing else changes


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(pipe, training):
    module = pipe["lstm"].net_.module_
    module.train(training)
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    module.zero_grad()  # of the training
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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_gpu_explains_as_the_cpu_does(cell, reviews):
    pipe = make_pipe(lstm__cell=cell).fit(*reviews)
    on_cpu = explain(pipe, TEXTS, target=5).to_frame()
    on_gpu = explain(pipe.set_params(lstm__device="cuda"), TEXTS, target=5).to_frame()
    np.testing.assert_allclose(
        on_cpu["attribution"], on_gpu["attribution"], atol=0.01, equal_nan=True
    )


# ---- Whose words they name

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
def test_the_words_are_those_of_the_raw_review_and_own_its_tokens(options, reviews):
    pipe = make_pipe(**{f"clean__{name}": value for name, value in options.items()})
    X, y = reviews
    pipe.fit([*X, RAW], [*y, 5])
    frame = explain(pipe, [RAW]).to_frame()
    for word, start, stop in frame[["word", "start", "stop"]].itertuples(index=False):
        assert RAW[start:stop] == word and word.strip() == word
    assert (frame["start"].to_numpy()[1:] >= frame["stop"].to_numpy()[:-1]).all()
    between = np.ones(len(RAW), dtype=bool)
    for start, stop in zip(frame["start"], frame["stop"], strict=True):
        between[start:stop] = False
    assert "".join(np.array(list(RAW))[between]).strip() == ""
    # Read alone, each word gives the tokens that it has, and all of them the text's.
    alone = [pipe["clean"].transform([word])[0].split() for word in frame["word"]]
    vocabulary = pipe["vectorize"].vocabulary_
    names = [[t if t in vocabulary else "<unk>" for t in tokens] for tokens in alone]
    assert [" ".join(tokens) for tokens in names] == frame["tokens"].tolist()
    assert sum(alone, []) == pipe["clean"].transform([RAW])[0].split()


def test_what_the_cleaner_takes_out_is_one_word_without_attribution(pipe):
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


def test_a_cleaner_that_joins_words_makes_one_word_of_them(reviews):
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


def test_a_cleaner_that_reorders_words_leaves_one_word():
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
def test_words_that_are_cut_off_have_no_attribution(truncation, kept, reviews):
    params = {"vectorize__max_len": 4, "vectorize__truncation": truncation}
    pipe = make_pipe(**params).fit(*reviews)
    text = "one two three four five six seven eight nine ten"
    frame = explain(pipe, [text]).to_frame()
    assert np.flatnonzero(frame["attribution"].notna()).tolist() == kept


def test_other_step_names_tokenizers_and_no_cleaner_will_do(reviews):
    vectorizer = SequenceVectorizer(tokenizer=lambda text: text.split(","))
    pipe = Pipeline([("words", vectorizer), ("net", LSTMClassifier(**SMALL))])
    pipe.fit(["love it,great", "crashes,always"] * 9, [5, 1] * 9)
    frame = explain(pipe, ["love it,always again"]).to_frame()
    assert frame["word"].tolist() == ["love it,always again"]
    assert frame["tokens"].tolist() == ["love it <unk>"]


def test_containers_and_pandas_output_give_the_same(pipe, as_container):
    expected = explain(pipe, TEXTS * 2).to_frame()
    assert explain(pipe, as_container(TEXTS * 2)).to_frame().equals(expected)


def test_a_search_explains_its_best_pipeline(pipe, reviews):
    search = GridSearchCV(pipe, {"lstm__lr": [0.05]}, cv=2).fit(*reviews)
    found = explain(search, TEXTS).to_frame()
    assert found.equals(explain(search.best_estimator_, TEXTS).to_frame())


def test_the_word_table_has_means_and_counts_by_target(pipe):
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


def test_the_word_table_goes_from_label_to_label(pipe, reviews):
    table = explain(pipe, reviews[0][:40]).word_table()
    assert table["target"].is_monotonic_increasing
    for _, part in table.groupby("target"):
        assert part["mean"].is_monotonic_decreasing


# ---- How they look


class Page(HTMLParser):
    """Text and tags of a page."""

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


def test_html_shows_what_a_text_holds_and_runs_nothing(pipe, tmp_path):
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


def test_what_speaks_against_the_target_is_underlined(pipe):
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


def test_colours_are_for_terminals_that_want_them(pipe, monkeypatch):
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


def test_not_more_than_twenty_are_shown(pipe, tmp_path):
    explanation = explain(pipe, ["love it"] * 25)
    assert str(explanation).count("probability") == 20
    assert explanation._repr_html_().count("probability") == 20
    explanation.save_html(tmp_path / "all.html")
    assert (tmp_path / "all.html").read_text().count("probability") == 25


# ---- Bad input


def test_an_unfitted_pipeline_says_so():
    with pytest.raises(NotFittedError):
        explain(make_pipe(), TEXTS)


@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(TfidfVectorizer(), LogisticRegression()), LSTMClassifier(), None],
)
def test_without_an_lstm_at_the_end_it_says_what_it_takes(estimator):
    with pytest.raises(TypeError, match="SequenceVectorizer and a LSTMClassifier"):
        explain(estimator, TEXTS)


@pytest.mark.parametrize("target", [6, "5", [5], np.nan])
def test_an_unknown_target_is_named(pipe, target):
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
def test_what_is_no_list_of_texts_is_refused(pipe, texts, message):
    with pytest.raises(ValueError, match=message):
        explain(pipe, texts)


def test_a_missing_text_that_the_cleaner_takes_has_no_words(reviews):
    pipe = make_pipe(clean__missing="empty").fit(*reviews)
    explanation = explain(pipe, [None, "love it"])
    assert explanation.texts == ["", "love it"]
    assert set(explanation.to_frame()["text"]) == {1}


@pytest.mark.parametrize(
    "text", ["", "   ", "!!!", "www.x.y", "zzzz", "zzzz qqqq", "Love"]
)
def test_texts_with_little_to_read_are_explained_too(pipe, text):
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


def test_the_cleaner_alone_is_not_asked_for_its_options():
    # The alignment knows nothing of TextCleaner, so a subclass or another will do.
    class Shouting(TextCleaner):
        def transform(self, X):
            return np.array([text.upper() for text in super().transform(X)], object)

    steps = [Shouting(), SequenceVectorizer(), LSTMClassifier(**SMALL)]
    pipe = make_pipeline(*steps).fit(["good app", "bad app"] * 9, [5, 1] * 9)
    frame = explain(pipe, ["A good<br />app!"]).to_frame()
    assert frame["tokens"].tolist() == ["<unk>", "GOOD", "", "APP"]
