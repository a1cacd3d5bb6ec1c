"""LSTMClassifier with random, learned and pretrained word vectors."""

import copy
import os
import pickle
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from skorch.callbacks import Callback

from skreviews import LSTMClassifier, WordVectors, make_review_pipeline
from skreviews.neural_network import _recipe

TINY = {
    "hidden_size": 4,
    "embedding_dim": 9,
    "max_epochs": 2,
    "max_len": 20,
    "device": "cpu",
    "random_state": 0,
}
TINY_STEP = {f"lstm__{name}": value for name, value in TINY.items()}
TINY_STEP["lstm__ngrams"] = None
CLASSES = [1, 2, 3, 4, 5]


class Tables(Callback):
    """Keep the word vectors before training and after each epoch."""

    def on_train_begin(self, net, **kwargs):
        self.tables_ = [table_of(net)]

    def on_epoch_end(self, net, **kwargs):
        self.tables_.append(table_of(net))


def table_of(net):
    return net.module_.embedding.weight.detach().cpu().numpy().copy()


def fit_tables(ids, **params):
    """Return the fitted classifier and the word vectors of each epoch."""
    classifier = LSTMClassifier(**TINY | params, callbacks=[Tables()]).fit(*ids)
    (callback,) = (c for _, c in classifier.net_.callbacks_ if isinstance(c, Tables))
    return classifier, callback.tables_


def changes(tables):
    return [(a != b).any() for a, b in zip(tables, tables[1:], strict=False)]


@pytest.fixture(scope="module")
def vectors(ids):
    """Vectors of most words of the vocabulary."""
    return make_vectors(ids[0].words)


def make_vectors(words, dim=3, share=0.8):
    numbers = np.random.default_rng(0).normal(size=(len(words), dim))
    n_known = int(share * len(words))
    return WordVectors([*words[:n_known], "elsewhere"], numbers[: n_known + 1])


@pytest.fixture
def vectors_of_a_file(ids, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    words = ids[0].words
    numbers = np.random.default_rng(0).normal(size=(len(words), 3))
    lines = [
        f"{word} {' '.join(map(str, row))}\n"
        for word, row in zip(words, numbers, strict=True)
    ]
    (tmp_path / "reviews.txt").write_text("".join(lines), encoding="utf-8")
    return WordVectors.load(tmp_path / "reviews.txt")


@pytest.fixture
def much_text(monkeypatch):
    monkeypatch.setattr(_recipe, "_MUCH_TEXT", (1, 2))


# Vectors learned from the training texts


@pytest.mark.usefixtures("much_text")
def test_vectors_from_much_text_train_in_the_last_epoch_only(ids):
    classifier, tables = fit_tables(ids, max_epochs=3)
    assert classifier.recipe_.word_vectors == "cooccurrence"
    assert changes(tables) == [False, False, True]
    assert_allclose(tables[0][2:].std(), 0.3, rtol=1e-5)


def test_vectors_of_long_texts_are_frozen_too(ids):
    X = np.tile(np.asarray(ids[0]), 30)
    classifier, tables = fit_tables((X, ids[1]), max_epochs=3)
    assert classifier.recipe_.frozen_epochs == 2
    assert changes(tables) == [False, False, True]


def test_vectors_from_little_text_are_half_random_and_train_in_all_epochs(ids):
    _, tables = fit_tables(ids, embedding_dim="auto")
    assert changes(tables) == [True, True]
    assert tables[0].shape[1] == 200
    assert_allclose(tables[0][2:, :100].std(), 0.3, rtol=1e-5)
    assert_allclose(tables[0][1:, 100:].std(), 0.3, rtol=0.05)


@pytest.mark.parametrize(
    ("params", "dim"),
    [
        ({"word_vectors": "cooccurrence"}, 200),
        ({"word_vectors": None}, 100),
        ({"word_vectors": "cooccurrence", "embedding_dim": 9}, 9),
    ],
)
def test_default_dimensions(ids, params, dim):
    params = TINY | {"embedding_dim": "auto", "max_epochs": 1} | params
    assert table_of(LSTMClassifier(**params).fit(*ids).net_).shape[1] == dim


def test_learned_vectors_do_not_need_the_words(ids):
    bare = np.asarray(ids[0]), ids[1]
    classifier = LSTMClassifier(**TINY, word_vectors="cooccurrence")
    with_words = copy.deepcopy(classifier).fit(*ids).predict_proba(ids[0])
    assert_array_equal(classifier.fit(*bare).predict_proba(ids[0]), with_words)


def test_partial_fit_starts_from_random_vectors(ids):
    fits = [
        LSTMClassifier(**TINY, **params).partial_fit(*ids, classes=CLASSES)
        for params in ({}, {"word_vectors": None})
    ]
    assert_array_equal(*(fit.predict_proba(ids[0]) for fit in fits))
    learned = LSTMClassifier(**TINY, word_vectors="cooccurrence")
    with pytest.raises(ValueError, match="needs all texts at once"):
        learned.partial_fit(*ids, classes=CLASSES)
    assert not hasattr(learned, "net_")
    learned.fit(*ids).partial_fit(*ids)


@pytest.mark.usefixtures("much_text")
def test_training_resumes_after_unpickling(ids):
    classifier = LSTMClassifier(**TINY).fit(*ids)
    back = pickle.loads(pickle.dumps(classifier)).partial_fit(*ids)
    classifier.partial_fit(*ids)
    assert_array_equal(back.predict_proba(ids[0]), classifier.predict_proba(ids[0]))


@pytest.mark.usefixtures("much_text")
def test_a_warm_start_keeps_vectors_and_their_dimension(ids):
    X, y = ids
    params = TINY | {"embedding_dim": "auto", "max_epochs": 1, "warm_start": True}
    classifier = LSTMClassifier(**params).fit(X, y)
    learned = table_of(classifier.net_)
    samples = [np.flatnonzero(y == label)[0] for label in np.unique(y)]
    classifier.set_params(callbacks=[Tables()]).fit(X[samples], y[samples])
    (callback,) = (c for _, c in classifier.net_.callbacks_ if isinstance(c, Tables))
    assert_array_equal(callback.tables_[0], learned)
    assert learned.shape[1] == 200


# Pretrained vectors


@pytest.mark.parametrize("sparse", [False, True])
def test_training_starts_from_pretrained_vectors(ids, vectors, monkeypatch, sparse):
    if sparse:
        monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", 10)
    words = ids[0].words
    classifier, (first, *_, last) = fit_tables(ids, word_vectors=vectors)
    assert classifier.net_.module_.embedding.sparse == sparse
    assert first.shape == (len(words) + 2, 3)
    known = np.array([False, True, *(word in vectors for word in words)])
    assert_array_equal(first[known], vectors.align(words)[known])
    assert not first[0].any() and not last[0].any()
    # Max pooling may not select the first or last token of a text.
    assert (first != last).any(1)[2:].mean() > 0.95


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("freeze", "expected"),
    [(False, [True] * 3), (2, [False, False, True]), (True, [False] * 3)],
)
def test_freeze_embeddings(ids, vectors, monkeypatch, sparse, freeze, expected):
    if sparse:
        monkeypatch.setattr(_recipe, "_LARGE_VOCABULARY", 10)
    classifier, tables = fit_tables(
        ids,
        word_vectors=vectors,
        freeze_embeddings=freeze,
        max_epochs=3,
        weight_decay=0.1,
    )
    assert changes(tables) == expected
    if freeze is True:
        later = table_of(classifier.partial_fit(*ids).net_)
        assert_array_equal(later, tables[-1])


def test_partial_fit_unfreezes_also_after_unpickling(ids, vectors):
    classifier = LSTMClassifier(**TINY, word_vectors=vectors, freeze_embeddings=2)
    tables = []
    for _ in range(4):
        classifier.partial_fit(*ids, classes=CLASSES)
        tables.append(table_of(classifier.net_))
        classifier = pickle.loads(pickle.dumps(classifier))
    assert changes(tables) == [False, True, True]


def test_a_warm_start_does_not_need_the_file(ids, vectors_of_a_file):
    classifier = LSTMClassifier(
        **TINY, word_vectors=vectors_of_a_file, warm_start=True
    ).fit(*ids)
    learned = table_of(classifier.net_)
    classifier = pickle.loads(pickle.dumps(classifier))
    os.unlink(vectors_of_a_file._source[0])
    classifier.set_params(freeze_embeddings=True).fit(*ids)
    assert_array_equal(table_of(classifier.net_), learned)


def test_a_warm_start_rejects_vectors_of_another_dimension(ids):
    first, second = ({"good": [0.5] * dim} for dim in (4, 2))
    classifier = LSTMClassifier(**TINY, word_vectors=first, warm_start=True).fit(*ids)
    classifier.set_params(word_vectors=second, hidden_size=5)
    with pytest.raises(ValueError, match="needs the architecture of the earlier fit"):
        classifier.fit(*ids)


def test_early_stopping_with_word_vectors(ids, vectors):
    params = TINY | {"max_epochs": 6, "early_stopping": True, "n_iter_no_change": 1}
    for given in (vectors, "cooccurrence"):
        fits = [
            LSTMClassifier(**params, word_vectors=given, freeze_embeddings=1).fit(*ids)
            for _ in range(2)
        ]
        assert_array_equal(*(fit.predict_proba(ids[0]) for fit in fits))


def test_dicts_and_keyed_vectors_are_accepted(ids, vectors):
    words, numbers = vectors._table
    words = words.to_pylist()
    expected, *others = (
        LSTMClassifier(**TINY, word_vectors=source).fit(*ids).predict_proba(ids[0])
        for source in (
            vectors,
            dict(zip(words, numbers, strict=True)),
            SimpleNamespace(index_to_key=words, vectors=numbers),
        )
    )
    for found in others:
        assert_array_equal(found, expected)


@pytest.mark.parametrize("fit", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"word_vectors": "glove.txt"}, "'glove.txt' is unknown"),
        ({"word_vectors": 5}, "int is not a mapping of word vectors"),
        ({"word_vectors": {"neverwritten": [1.0]}}, "has none of the"),
        ({"word_vectors": None, "freeze_embeddings": True}, "=True needs word_vectors"),
        ({"word_vectors": None, "freeze_embeddings": 3}, "=3 needs word_vectors"),
    ],
)
def test_invalid_word_vectors_are_rejected(ids, fit, params, message):
    classifier = LSTMClassifier(**TINY, **params)
    classes = {"classes": CLASSES} if fit == "partial_fit" else {}
    with pytest.raises(ValueError, match=message):
        getattr(classifier, fit)(*ids, **classes)
    assert not hasattr(classifier, "net_")


def test_pretrained_vectors_need_ids_with_words(ids, vectors):
    with pytest.raises(ValueError, match="ids that carry their words"):
        LSTMClassifier(**TINY, word_vectors=vectors).fit(np.asarray(ids[0]), ids[1])


# In the pipeline


def test_vectors_are_aligned_with_the_vocabulary_of_each_fold(reviews, vectors):
    X, y = reviews
    pipe = make_review_pipeline(
        random_state=0,
        **TINY_STEP,
        lstm__word_vectors=vectors,
        lstm__freeze_embeddings=True,
    )
    vocabularies = []
    for rows in (np.arange(0, 120), np.arange(60, 200)):
        fitted = clone(pipe).fit(X[rows], y[rows])
        words = fitted[:-1].transform(X).words
        table = table_of(fitted["lstm"].net_)[2:]
        known = [word in vectors for word in words]
        expected = [vectors[word] for word in words if word in vectors]
        assert_array_equal(table[known], expected)
        vocabularies.append(words)
    assert vocabularies[0] != vocabularies[1]


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_grid_search_over_word_vectors(reviews, vectors, vectors_of_a_file, n_jobs):
    pipe = make_review_pipeline(random_state=0, **TINY_STEP | {"lstm__max_epochs": 1})
    grid = [
        {"lstm__word_vectors": [None]},
        {
            "lstm__word_vectors": [vectors, vectors_of_a_file],
            "lstm__freeze_embeddings": [False, 1],
        },
    ]
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(*reviews)
    chosen = search.cv_results_["param_lstm__word_vectors"]
    assert chosen[0] is None
    if n_jobs == 1:
        assert chosen[1] is vectors and chosen[-1] is vectors_of_a_file
    assert search.predict(["good app"]).shape == (1,)


def test_word_vectors_with_a_cached_pipeline(reviews, vectors, tmp_path):
    scores = [
        cross_val_score(
            make_review_pipeline(
                random_state=0, memory=memory, **TINY_STEP, lstm__word_vectors=vectors
            ),
            *reviews,
            cv=2,
        )
        for memory in (None, str(tmp_path), str(tmp_path))
    ]
    assert_array_equal(scores[0], scores[1])
    assert_array_equal(scores[0], scores[2])


def test_a_saved_pipeline_predicts_without_the_file(
    reviews, vectors_of_a_file, tmp_path
):
    X, y = reviews
    pipe = make_review_pipeline(
        random_state=0, **TINY_STEP, lstm__word_vectors=vectors_of_a_file
    ).fit(X, y)
    joblib.dump(pipe, tmp_path / "pipe.joblib")
    os.unlink(tmp_path / "reviews.txt")
    loaded = joblib.load(tmp_path / "pipe.joblib")
    assert "reviews.txt" in repr(loaded["lstm"].word_vectors)
    assert loaded["lstm"].word_vectors._table is None  # not loaded
    assert_array_equal(loaded.predict_proba(X), pipe.predict_proba(X))
